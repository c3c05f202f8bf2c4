import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import { build, preview } from 'vite';
import { grid, sample, toImages } from '../src/index.js';
import { chromiumTest, openPage } from './helpers/chromium.js';
import { haze } from './helpers/cli.js';
import { digest } from './helpers/digest.js';
import { temporaryFolder } from './helpers/folder.js';
import { freshRun } from './helpers/fresh-run.js';
import { compiled } from './helpers/programs.js';
import { picturesDigest } from './helpers/site-page.js';

const root = new URL('../../', import.meta.url);
const guides = readdirSync(new URL('docs/guides/', root)).sort();
const run = promisify(execFile);

/** The code of a guide in a language, block by block. */
function blocks(guide: string, language: string): string[] {
  const text = readFileSync(new URL(`docs/guides/${guide}`, root), 'utf8');
  const found = text.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'));
  return [...found].map(([, code]) => code!);
}

/** All programs of the guides, by the file that each would be. */
const all = guides.flatMap((guide) =>
  blocks(guide, 'ts').map((code, i) => [`${guide.replace(/\.md$/, '')}-${i}.ts`, code] as const),
);
const isForBrowsers = (code: string) => code.includes("from 'haze/browser'");
const programs = Object.fromEntries(all.filter(([, code]) => !isForBrowsers(code)));
const browserPrograms = Object.fromEntries(all.filter(([, code]) => isForBrowsers(code)));

/** How bundlers' projects are compiled. */
const BUNDLER = {
  ...{ module: 'esnext', moduleResolution: 'bundler' },
  ...{ lib: ['es2023', 'dom'], types: [] },
};

test('the programs of the guides compile against the package and run', async (t) => {
  const folder = await compiled(t, programs);
  t.true(Object.keys(programs).length >= 3);
  for (const name of Object.keys(programs))
    await t.notThrowsAsync(
      run(process.execPath, [name.replace(/ts$/, 'js')], { cwd: folder }),
      name,
    );
});

test('the programs for browsers compile against the package', async (t) => {
  t.is(Object.keys(browserPrograms).length, 2);
  await compiled(t, browserPrograms, BUNDLER);
});

/** Without an icon the browser would ask for one. */
const PAGE =
  '<!doctype html><title>x</title><link rel="icon" href="data:,"><script type="module" src="run.js"></script>';

/** A project of Vite with the guide's config and programs, whose model is that of a run. */
async function viteProject(t: ExecutionContext, model: string): Promise<string> {
  const folder = await compiled(t, browserPrograms, BUNDLER);
  const [config, ...more] = blocks('browser.md', 'js');
  t.is(more.length, 0);
  const names = Object.keys(browserPrograms).map((name) => `() => import('./${name}')`);
  // The address says which of the programs runs.
  const main = `const programs = [${names.join(', ')}];
    await programs[Number(location.search.slice(1))]().catch((error) => (globalThis.failed = String(error)));
    globalThis.ended = true;`;
  for (const [name, text] of [
    ['vite.config.mjs', config!],
    ['run.js', main],
    ['index.html', PAGE],
  ] as const)
    await writeFile(join(folder, name), text);
  const out = join(folder, 'public', 'model');
  const args = ['export', 'web', '.', '--out', out, '--precision', 'f32'];
  const { code, stderr } = await haze(model, args);
  t.is(code, 0, stderr);
  return folder;
}

chromiumTest(
  'the programs for browsers run on an isolated page that Vite builds by the config of the guide',
  async (t) => {
    const model = await freshRun(t, { size: '16', widths: '8,8', timesteps: '100' });
    const folder = await viteProject(t, model);
    const configFile = join(folder, 'vite.config.mjs');
    const config = { root: folder, configFile, logLevel: 'error' } as const;
    await build(config);
    const server = await preview({ ...config, preview: { host: '127.0.0.1', port: 0 } });
    t.teardown(() => server.close());
    const open = async (program: number) => {
      const { page, errors } = await openPage(t);
      const said: string[] = [];
      page.on('console', (message) => said.push(message.text()));
      await page.goto(`${server.resolvedUrls!.local[0]!}?${program}`);
      await page.waitForFunction('globalThis.ended');
      t.is(await page.evaluate('globalThis.failed'), undefined);
      t.true(await page.evaluate('crossOriginIsolated'));
      t.deepEqual(errors, []);
      return { page, said };
    };

    const { page } = await open(0);
    const drawn = await sample(model, { count: 4, seed: 7, sampler: 'ddim', steps: 20 });
    await page.evaluate("document.querySelector('canvas').id = 'picture'");
    t.is(await picturesDigest(page), digest(grid(toImages(drawn.images, drawn.model)).data));

    const { said } = await open(1);
    t.regex(said[0]!, /^16x16, 3 channels, up to \d+ workers$/);
    t.is(said.at(-2), 'true');
    t.is(said.at(-1), 'draw.steps: expected a whole number from 1 to 100, got 0');
  },
);

test('npm run docs makes a site of all guides and all exports, with no broken link', async (t) => {
  const { projectDocuments, readme } = JSON.parse(
    readFileSync(new URL('typedoc.json', root), 'utf8'),
  ) as { projectDocuments: string[]; readme: string };
  t.deepEqual(
    [...projectDocuments, readme].sort(),
    guides.map((guide) => `docs/guides/${guide}`),
  );
  const out = await temporaryFolder(t);
  const typedoc = fileURLToPath(new URL('node_modules/typedoc/bin/typedoc', root));
  await t.notThrowsAsync(
    run(process.execPath, [typedoc, '--out', out], { cwd: fileURLToPath(root) }),
  );
  for (const page of [
    'functions/index.train.html',
    'functions/index.load.html',
    'functions/haze_browser.load.html',
    'classes/index.UsageError.html',
  ])
    t.regex(readFileSync(join(out, page), 'utf8'), /<title>/);
});
