// `npm test`: installs, builds, checks formatting and runs every test. Its last line is the plain count
// `N passed, N failed` (`, N skipped` when some were), and it fails when a test does, or when none ran.
import { spawn, spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { build, install, root, run } from './prepare.js';

/** Until the tests have run, something before them has failed. */
const count = { passed: 0, failed: 1, skipped: 0 };
process.on('exit', () => {
  const skipped = count.skipped > 0 ? `, ${count.skipped} skipped` : '';
  console.log(`${count.passed} passed, ${count.failed} failed${skipped}`);
});

install();
build({ always: true });
const require = createRequire(join(root, 'package.json'));
run(process.execPath, [require.resolve('@biomejs/biome/bin/biome'), 'check', '.']);
setUpTensorflow();
await runTests(process.argv.slice(2));
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

/** Runs ava, whose report in the Test Anything Protocol is passed on and counted. */
async function runTests(args) {
  const ava = join(root, 'node_modules', 'ava', 'entrypoints', 'cli.mjs');
  const child = spawn(process.execPath, [ava, '--tap', ...args], {
    cwd: root,
    stdio: ['inherit', 'pipe', 'inherit'],
  });
  const ended = new Promise((resolve) => child.on('close', resolve));
  count.failed = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    console.log(line);
    tally(line);
  }
  const code = await ended;
  // A crash outside of any test has no line of its own.
  if (code !== 0 && count.failed === 0) count.failed = 1;
  if (count.passed + count.skipped === 0 && count.failed === 0) count.failed = 1;
}

function tally(line) {
  const result = /^(not )?ok \d+( .*)?$/.exec(line);
  if (!result) return;
  if (/# (SKIP|TODO)\b/i.test(line)) count.skipped++;
  else if (result[1]) count.failed++;
  else count.passed++;
}
