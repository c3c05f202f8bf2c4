// `npm test`: installs, builds, checks formatting and runs every test. Its last line is the plain count
// `N passed, N failed` (`, N skipped` when some were), and it fails if a test fails, or if none ran.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { build, install, npmStatus, root, run } from './prepare.js';
import { countText, runTests } from './run-tests.js';

/** Before the tests have run, an exit means an earlier step failed. */
let count = { passed: 0, failed: 1, skipped: 0 };
process.on('exit', () => console.log(countText(count)));

install();
build({ always: true });
const require = createRequire(join(root, 'package.json'));
run(process.execPath, [require.resolve('@biomejs/biome/bin/biome'), 'check', '.']);
setUpTensorflow();
setUpOnnxruntime();
count = await runTests(process.execPath, process.argv.slice(2));
process.exitCode = count.failed > 0 || count.passed === 0 ? 1 : 0;

/** The package for ONNX networks is optional for users; its tests need it, in the version of bench/peers. */
function setUpOnnxruntime() {
  const name = 'onnxruntime-node';
  if (process.env.HAZE_SKIP_ONNX === '1') {
    console.log(`HAZE_SKIP_ONNX=1: ${name} is not installed for the tests`);
    return;
  }
  if (existsSync(join(root, 'node_modules', name))) return;
  console.log(`Installing ${name} for the tests …`);
  const { dependencies } = JSON.parse(readFileSync(join(root, 'bench/peers/package.json'), 'utf8'));
  // Without --save-dev npm treats it as an optional peer dependency, and installs nothing.
  const flags = ['--no-save', '--save-dev', '--ignore-scripts', '--no-audit', '--no-fund'];
  const status = npmStatus('install', ...flags, `${name}@${dependencies[name]}`);
  if (status !== 0) console.log('the tests that need it are skipped');
}

/** Sets up the tensorflow device for its tests; if that fails, they are skipped and this says why. */
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
