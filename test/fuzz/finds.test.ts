import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { fixturePath } from '../helpers/cli.js';
import { temporaryFolder } from '../helpers/folder.js';
import { check, search } from './check.js';
import { damage, damaged } from './edits.js';
import { type Target, targets } from './targets.js';

/** Damaged files a reader is tried with, the same each time; `npm run fuzz` tries more of them. */
const RUNS = 60;

/** A target whose seeds a test needs alone. */
const target = (name: string, all: readonly Target[]): Target =>
  all.find((one) => one.name === name)!;

test('every reader reads its undamaged files', async (t) => {
  const folder = await temporaryFolder(t);
  for (const one of await targets(folder))
    for (const [i, seed] of one.seeds.entries())
      if (!UNSOUND.includes(one.name))
        await t.notThrowsAsync(async () => {
          await check(one, folder, Buffer.from(seed));
          await one.read(join(folder, one.file));
        }, `${one.name} ${i}`);
});

/** These seeds lack what their readers want beside them, or much of what is in them. */
const UNSOUND = ['benchmarks', 'job', 'model-index'];

test('the finds of npm run fuzz are read, or refused in one line', async (t) => {
  const folder = await temporaryFolder(t);
  const all = await targets(folder);
  const kept = fixturePath('fuzz');
  let found = 0;
  for (const name of readdirSync(kept))
    for (const file of readdirSync(join(kept, name))) {
      found++;
      const bytes = readFileSync(join(kept, name, file));
      await t.notThrowsAsync(check(target(name, all), folder, bytes), `${name}/${file}`);
    }
  t.true(found > 0);
});

test('damaged files are read, or refused in one line', async (t) => {
  const folder = await temporaryFolder(t);
  for (const one of await targets(folder)) {
    const { find } = await search(one, folder, { seed: 1, runs: RUNS });
    t.is(find, undefined, `${one.name}: ${String(find?.error)}: ${find?.bytes.toString('base64')}`);
  }
});

test('the search finds a reader that throws any other error, and minimises its file', async (t) => {
  const folder = await temporaryFolder(t);
  const read = async (path: string) => {
    if (readFileSync(path).length < 10) throw new TypeError('a fault');
  };
  const faulty: Target = { name: 'faulty', file: 'a', seeds: [Buffer.alloc(1000)], read };
  const { find } = await search(faulty, folder, { seed: 1, runs: 2000 });
  t.true(find?.error instanceof TypeError);
  t.is(find?.bytes.length, 0);
});

test('damage depends only on its description, and does not change the seed file', (t) => {
  const seed = Uint8Array.from({ length: 300 }, (_, i) => i % 256);
  const before = seed.slice();
  const some = fc.sample(damage, { seed: 2, numRuns: 300 });
  const files = some.map((one) => damaged([seed], one));
  t.deepEqual(seed, before);
  t.deepEqual(
    some.map((one) => damaged([seed], one)),
    files,
  );
  const changed = files.filter((file) => !file.equals(seed));
  t.true(changed.length > 250, `${changed.length} of 300`);
});
