import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { build, createServer, type InlineConfig } from 'vite';
import { sample } from '../../src/index.js';
import { chromiumTest, openPage } from '../helpers/chromium.js';
import { haze } from '../helpers/cli.js';
import { digest } from '../helpers/digest.js';
import { freshRun } from '../helpers/fresh-run.js';
import { ISOLATED, serve } from '../helpers/serve.js';

const root = fileURLToPath(new URL('../../../', import.meta.url));

const DRAWING = { count: 3, seed: 11, sampler: 'ddim', steps: 2 } as const;

/** A program of somebody else's: what it saw it leaves under `told`. */
const PROGRAM = `
import { Interrupted, load, UsageError } from 'haze/browser';

const digest = async ({ images }) => {
  const hash = await crypto.subtle.digest('SHA-256', images);
  return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, '0')).join('');
};
const drawing = ${JSON.stringify(DRAWING)};
const told = { progress: [] };
const model = await load('model');
told.about = model.about;
const onProgress = (done, total) => told.progress.push(done + '/' + total);
const both = [model.draw({ ...drawing, onProgress }), model.draw({ ...drawing, workers: 1, seed: 12 })];
told.both = await Promise.all((await Promise.all(both)).map(digest));

const stop = new AbortController();
const long = { count: 64, workers: 1, signal: stop.signal, onProgress: () => stop.abort() };
told.aborted = await model.draw(long).then(() => 'drawn', (e) => e instanceof Interrupted);
told.late = await model.draw(long).then(() => 'drawn', (e) => e instanceof Interrupted);
told.refused = await model.draw({ steps: 0 }).catch((e) => e instanceof UsageError && e.message);
told.after = await digest(await model.draw(drawing));
model.dispose();
model.dispose();
told.disposed = await model.draw().catch((e) => e.message);

const get = (name) => fetch('model/' + name);
const weights = new Uint8Array(await (await get('weights.safetensors')).arrayBuffer());
const again = await load({ model: await (await get('model.json')).json(), weights });
told.bytes = await digest(await again.draw(drawing));
again.dispose();
told.nothing = await load('nowhere').catch((e) => e.name + ': ' + e.message);
globalThis.told = told;
`;

interface Told {
  readonly about: { readonly processors: number; readonly samplers: readonly object[] };
  readonly progress: readonly string[];
  readonly both: readonly string[];
  readonly [name: string]: unknown;
}

/** A project with the package in its node_modules, and a model in its public folder. */
async function project(t: ExecutionContext): Promise<{ run: string; config: InlineConfig }> {
  const run = await freshRun(t, { size: '16', widths: '8,8', timesteps: '100' });
  const folder = join(run, '..', 'project');
  await mkdir(join(folder, 'node_modules'), { recursive: true });
  await symlink(root, join(folder, 'node_modules', 'haze'), 'junction');
  const script = '<script type="module" src="main.js"></script>';
  await writeFile(join(folder, 'index.html'), `<!doctype html><title>x</title>${script}`);
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
  await writeFile(join(folder, 'main.js'), PROGRAM);
  const out = join(folder, 'public', 'model');
  const args = ['export', 'web', '.', '--out', out, '--precision', 'f32'];
  t.is((await haze(run, args)).code, 0);
  const config: InlineConfig = {
    ...{ root: folder, configFile: false, logLevel: 'error', clearScreen: false },
    build: { target: 'es2022' },
  };
  return { run, config };
}

/** Opens the program at an address and holds what it saw against the library in Node. */
async function check(t: ExecutionContext, url: string, run: string): Promise<void> {
  const { page, requests, errors } = await openPage(t);
  await page.goto(url);
  await page.waitForFunction('globalThis.told');
  const told = (await page.evaluate('told')) as Told;
  const expected = digest((await sample(run, DRAWING)).images);
  const other = digest((await sample(run, { ...DRAWING, seed: 12 })).images);
  t.deepEqual(told.both, [expected, other]);
  t.deepEqual([told.after, told.bytes], [expected, expected]);
  t.deepEqual(told.progress, ['1/2', '2/2']);
  t.true(told.about.processors >= 1 && told.about.samplers.length > 5);
  t.true(told.aborted === true && told.late === true);
  t.is(told.refused, 'draw.steps: expected a whole number from 1 to 100, got 0');
  t.is(told.disposed, 'the model was disposed of');
  t.regex(
    String(told.nothing),
    /^(RunError: .*nowhere\/model\.json.*404|UsageError: model\.json: expected JSON)/,
  );
  t.true(requests.every((address) => address.startsWith(url)));
  t.deepEqual(
    errors.filter((text) => !/404/.test(text)),
    [],
  );
}

chromiumTest('haze/browser, built by Vite, draws the images of the library in Node', async (t) => {
  const { run, config } = await project(t);
  await build(config);
  const { url, sent } = await serve(t, join(config.root!, 'dist'), ISOLATED);
  await check(t, url, run);
  t.true(sent.some(({ path }) => /^\/assets\/haze\.(relaxed|strict)-.*\.wasm$/.test(path)));
});

chromiumTest(
  "haze/browser draws the same images on Vite's development server if the package is excluded from bundling",
  async (t) => {
    const { run, config } = await project(t);
    const server = await createServer({
      ...config,
      optimizeDeps: { exclude: ['haze'] },
      server: {
        headers: ISOLATED,
        host: '127.0.0.1',
        port: 0,
        fs: { allow: [config.root!, root] },
      },
    });
    t.teardown(() => server.close());
    await server.listen();
    await check(t, server.resolvedUrls!.local[0]!, run);
  },
);
