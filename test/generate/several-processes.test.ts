import { mkdir, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { RunError, UsageError } from '../../src/errors.js';
import { generate } from '../../src/generate/generate.js';
import { exclusively } from '../../src/io/lock.js';
import { withFault } from '../helpers/faulty-files.js';
import { folderWithModel, hashes, optionsIn } from '../helpers/generate.js';

test('A second process on a shard is refused with the name of the first; other shards are free', async (t) => {
  const folder = await folderWithModel(t);
  const [one, two] = [1, 2].map((index) => optionsIn(folder, 'out', { shard: { index, of: 2 } }));
  await exclusively(
    { path: one!.out, use: 'shard 1-of-2' },
    () => new Error(),
    async () => {
      await t.throwsAsync(generate(one!), {
        instanceOf: UsageError,
        message: new RegExp(
          `^--out .*out: process ${process.pid} is already drawing shard 1/2 there; wait for it, or give another --out$`,
        ),
      });
      t.like(await generate(two!), { made: 8 });
    },
  );
  t.like(await generate(one!), { made: 8 });
  const whole = optionsIn(folder, 'out');
  await exclusively(
    { path: whole.out, use: 'shard 1-of-1' },
    () => new Error(),
    async () => {
      const message = /is already drawing images there; wait for it/;
      await t.throwsAsync(generate(whole), { instanceOf: UsageError, message });
    },
  );
});

test("A process that continues a shard removes the shard's partial files, and no other process's", async (t) => {
  const folder = await folderWithModel(t);
  const options = optionsIn(folder, 'out', { count: 8, shard: { index: 1, of: 2 } });
  await mkdir(options.out);
  const names = {
    ours: '.000003.png.1-of-2.0a1b2c3d.tmp',
    elsewhere: '.000004.png.1-of-2.0a1b2c3d.tmp',
    another: '.000002.png.1-of-3.0a1b2c3d.tmp',
    old: '.000001.png.1-of-3.0a1b2c3d.tmp',
    strange: '.000001.png.tmp',
  };
  for (const name of Object.values(names)) await writeFile(join(options.out, name), 'half');
  const hourAgo = Date.now() / 1000 - 3600;
  await utimes(join(options.out, names.old), hourAgo, hourAgo);
  await generate(options);
  const left = (await readdir(options.out)).filter((name) => name.startsWith('.'));
  t.deepEqual(left.sort(), [names.strange, names.another, names.elsewhere].sort());
});

for (const format of ['npz', 'safetensors'] as const) {
  test(`Concurrent shards of one ${format} write the file of a single run`, async (t) => {
    const folder = await folderWithModel(t);
    const single = optionsIn(folder, 'single', { format });
    await generate(single);
    const expected = await hashes(single.out);
    for (const of of [2, 3, 5]) {
      const shards = Array.from({ length: of }, (_, i) =>
        optionsIn(folder, `of-${of}`, { format, workers: 1, shard: { index: i + 1, of } }),
      );
      const results = await Promise.all(shards.map(generate));
      t.is(
        results.reduce((sum, { made }) => sum + made, 0),
        16,
      );
      t.true(results.some(({ awaited }) => awaited === 0));
      t.deepEqual(await hashes(shards[0]!.out), expected, `${of} shards`);
    }
  });

  test.serial(`Growing a ${format} loses no image, wherever it fails`, async (t) => {
    const folder = await folderWithModel(t);
    const options = optionsIn(folder, 'whole', { format, count: 6 });
    await generate({ ...options, out: join(folder, 'whole') });
    const expected = await hashes(join(folder, 'whole'));
    let failures = 0;
    for (let at = 0; ; at++) {
      const out = join(folder, `at-${at}`);
      await generate({ ...options, out, count: 4 });
      const more = { ...options, out, onEvent: () => {} };
      const { struck, error } = await withFault('ENOSPC', at, () => generate(more));
      if (!struck) break;
      if (/model\.safetensors: cannot be read/.test(String(error))) continue;
      failures++;
      t.true(error instanceof RunError, String(error));
      const { made, kept } = await generate(more);
      t.true(kept >= 4, `${kept} kept after operation ${at}`);
      t.is(made + kept, 6);
      t.deepEqual(await hashes(out), expected);
    }
    t.true(failures >= 5, `${failures}`);
  });
}

test('A process killed while it copies a finished file loses nothing', async (t) => {
  const folder = await folderWithModel(t);
  const options = optionsIn(folder, 'out', { format: 'npz', count: 6 });
  await generate(options);
  const half = (await readFile(join(options.out, 'images.npz'))).subarray(0, 1000);
  await writeFile(join(options.out, '.images.part.0a1b2c3d.tmp'), half);
  t.like(await generate({ ...options, count: 9 }), { made: 3, kept: 6 });
  await rm(join(options.out, '.images.part.0a1b2c3d.tmp'));
  t.deepEqual(Object.keys(await hashes(options.out)), ['images.npz']);
});
