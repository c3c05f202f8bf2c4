// Bundles the code for browsers into dist/web/: run by `npm run build`, or on its own after `npx tsc`.
import { copyFileSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Scripts by the names that pages and workers import; the sources are in dist/. */
const SCRIPTS = {
  browser: 'dist/src/browser/client.js',
  engine: 'dist/src/browser/engine.js',
  'web-worker': 'dist/src/engine/host/web-worker.js',
};

/** Files of the page that are copied unchanged. */
const PLAIN = ['index.html', 'style.css', 'isolation.js'];

export async function bundle() {
  const out = join(root, 'dist/web');
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  const options = {
    absWorkingDir: root,
    outdir: 'dist/web',
    bundle: true,
    format: 'esm',
    // The condition `browser` selects the engine's host for browsers; an import of a Node module is an error.
    platform: 'browser',
    target: 'es2022',
    minify: true,
    legalComments: 'eof',
    logLevel: 'warning',
  };
  await build({ ...options, entryPoints: SCRIPTS });
  // After the library, which it imports by the package's name.
  await build({ ...options, entryPoints: { page: 'web/page.ts' } });
  for (const name of PLAIN) copyFileSync(join(root, 'web', name), join(out, name));
  for (const kind of ['strict', 'relaxed'])
    copyFileSync(join(root, `dist/assembly/haze.${kind}.wasm`), join(out, `haze.${kind}.wasm`));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await bundle();
