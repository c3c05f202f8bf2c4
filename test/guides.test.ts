import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { temporaryFolder } from './helpers/folder.js';
import { compiled } from './helpers/programs.js';

const root = new URL('../../', import.meta.url);
const guides = readdirSync(new URL('docs/guides/', root)).sort();
const run = promisify(execFile);

/** The programs of the guides, by the file that each would be. */
const programs = Object.fromEntries(
  guides.flatMap((guide) => {
    const text = readFileSync(new URL(`docs/guides/${guide}`, root), 'utf8');
    const blocks = [...text.matchAll(/```ts\n([\s\S]*?)```/g)];
    return blocks.map(([, code], i) => [`${guide.replace(/\.md$/, '')}-${i}.ts`, code!]);
  }),
);

test('the programs of the guides compile against the package and run', async (t) => {
  const folder = await compiled(t, programs);
  t.true(Object.keys(programs).length >= 3);
  for (const name of Object.keys(programs))
    await t.notThrowsAsync(
      run(process.execPath, [name.replace(/ts$/, 'js')], { cwd: folder }),
      name,
    );
});

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
    'classes/index.UsageError.html',
  ])
    t.regex(readFileSync(join(out, page), 'utf8'), /<title>/);
});
