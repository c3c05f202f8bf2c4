// `npm test`: installs, builds, checks formatting and runs every test. Its last line is the plain count
// `N passed, N failed` (`, N skipped` when some were), and it fails when a test does, or when none ran.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { build, install, root, run } from './prepare.js';
import { countText, runTests } from './run-tests.js';

/** Until the tests have run, something before them has failed. */
let count = { passed: 0, failed: 1, skipped: 0 };
process.on('exit', () => console.log(countText(count)));

install();
build({ always: true });
const require = createRequire(join(root, 'package.json'));
run(process.execPath, [require.resolve('@biomejs/biome/bin/biome'), 'check', '.']);
setUpTensorflow();
count = await runTests(process.execPath, process.argv.slice(2));
process.exitCode = count.failed > 0 || count.passed === 0 ? 1 : 0;

/** The tensorflow device's tests run where it can be set up; where it cannot, they are skipped and this says why. */
function setUpTensorflow() {
  if (process.env.HAZE_SKIP_TENSORFLOW === '1') {
    console.log('HAZE_SKIP_TENSORFLOW=1: the tensorflow device is not set up for the tests');
    return;
  }
  const cli = join(root, 'dist', 'src', 'cli.js');
  const args = [cli, 'setup', 'tensorflow'];
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) console.log('the tests of the tensorflow device that need it are skipped');
}
