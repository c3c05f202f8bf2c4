// Builds dist/: both WebAssembly builds, the types of their kernels (src/engine/abi.ts), then TypeScript, then the bundles for browsers. Run as `npm run build`.
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { writeAbi } from './abi.js';
import { bundle } from './bundle.js';
import { writeNpmLock } from './npm-lock.js';

const require = createRequire(import.meta.url);
/** The page of `haze watch`. */
const PAGE = 'src/watch/page';

/** Runs a package's own script under this Node; exits with its code if it fails. */
function run(script, ...args) {
  const { status } = spawnSync(process.execPath, [script, ...args], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

/** Removes output of deleted source files: otherwise a deleted test would keep running. */
function removeStale(folder) {
  const out = join('dist', folder);
  if (!existsSync(out)) return;
  for (const entry of readdirSync(out, { withFileTypes: true })) {
    const source = join(folder, entry.name);
    if (entry.isDirectory()) removeStale(source);
    else if (!existsSync(source.replace(/(\.d\.ts|\.js|\.js\.map)$/, '.ts')))
      rmSync(join('dist', source));
  }
  if (readdirSync(out).length === 0) rmSync(out, { recursive: true });
}

/** Scripts for browsers are compiled with a browser's types; other files are copied. */
function copyPage() {
  for (const name of readdirSync(PAGE).filter((name) => /\.(html|css|svg)$/.test(name)))
    copyFileSync(join(PAGE, name), join('dist', PAGE, name));
}

for (const folder of ['src', 'test', 'bench']) removeStale(folder);
const asc = require.resolve('assemblyscript/bin/asc.js');
run(asc, '--config', 'asconfig.json', '--target', 'strict');
run(asc, '--config', 'asconfig.json', '--target', 'relaxed');
await writeAbi();
run(require.resolve('typescript/bin/tsc'));
run(require.resolve('typescript/bin/tsc'), '-p', PAGE);
copyPage();
run(require.resolve('typescript/bin/tsc'), '-p', 'web');
await bundle();
writeNpmLock('dist/src/tensorflow/setup/npm-lock.json');
chmodSync('dist/src/cli.js', 0o755);
