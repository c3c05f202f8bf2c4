// Builds dist/: both WebAssembly builds, then TypeScript. Run as `npm run build`.
import { spawnSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

/** Runs a package's own script under this Node; exits with its code if it fails. */
function run(script, ...args) {
  const { status } = spawnSync(process.execPath, [script, ...args], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

const asc = require.resolve('assemblyscript/bin/asc.js');
run(asc, '--config', 'asconfig.json', '--target', 'strict');
run(asc, '--config', 'asconfig.json', '--target', 'relaxed');
run(require.resolve('typescript/bin/tsc'));
chmodSync('dist/src/cli.js', 0o755);
