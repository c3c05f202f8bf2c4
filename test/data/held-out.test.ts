import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { openTrainingData } from '../../src/data/held-out.js';
import { openSource } from '../../src/data/source.js';
import { UsageError } from '../../src/errors.js';
import { from, OPTIONS, pixels } from '../helpers/data.js';
import { temporaryFolder } from '../helpers/folder.js';

/** A folder of `count` flat pictures whose greys are 0, 1, 2 … */
async function greys(t: ExecutionContext, count: number, folder?: string): Promise<string> {
  const to = folder ?? (await temporaryFolder(t));
  await mkdir(to, { recursive: true });
  for (let i = 0; i < count; i++)
    await from(new Uint8Array(8 * 8).fill(i), 8, 8)
      .png()
      .toFile(path.join(to, `${String(i).padStart(3, '0')}.png`));
  return to;
}

/** Keeps a share of a folder aside, or what another holds. */
async function split(
  t: ExecutionContext,
  spec: string,
  aside: number | string | null,
  { seed = 0, ...options }: Partial<typeof OPTIONS> = {},
) {
  const data = await openTrainingData(
    await openSource(spec, seed),
    typeof aside === 'number'
      ? { fraction: aside, seed }
      : aside === null
        ? null
        : { source: await openSource(aside, seed) },
    { ...OPTIONS, channels: 1, ...options },
  );
  t.teardown(() => data.close());
  const firsts = async (which: typeof data.train) =>
    [...(await pixels(which))].filter((_, i) => i % 64 === 0);
  return {
    train: await firsts(data.train),
    heldOut: data.heldOut && (await firsts(data.heldOut)),
    data,
  };
}

test('a fraction holds out images that the seed chooses', async (t) => {
  const folder = await greys(t, 20);
  const a = await split(t, folder, 0.2);
  t.is(a.heldOut?.length, 4);
  const all = [...a.train, ...a.heldOut!].sort((x, y) => x - y);
  t.deepEqual(
    all,
    Array.from({ length: 20 }, (_, i) => i),
  );
  t.deepEqual((await split(t, folder, 0.2)).heldOut, a.heldOut);
  t.deepEqual((await split(t, folder, 0.2, { budgetBytes: 1 })).heldOut, a.heldOut);
  t.notDeepEqual((await split(t, folder, 0.2, { seed: 1 })).heldOut, a.heldOut);
});

test('each side has at least one image', async (t) => {
  const folder = await greys(t, 3);
  t.is((await split(t, folder, 0.01)).heldOut?.length, 1);
  t.is((await split(t, folder, 0.99)).train.length, 1);
  await t.throwsAsync(split(t, await greys(t, 1), 0.5), {
    instanceOf: UsageError,
    message: /has one image; expected two or more/,
  });
});

test('a separate folder or nothing can be held out', async (t) => {
  const folder = await greys(t, 3);
  const other = await greys(t, 2, path.join(await temporaryFolder(t), '0.5-of-it'));
  const both = await split(t, folder, other);
  t.deepEqual(
    [both.train, both.heldOut],
    [
      [0, 1, 2],
      [0, 1],
    ],
  );
  t.is((await split(t, folder, null)).heldOut, undefined);
});

test('a streamed part is decoded ahead', async (t) => {
  const { data, heldOut } = await split(t, await greys(t, 10), 0.5, { budgetBytes: 300 });
  data.heldOut!.ahead([[4, 0], [1]]);
  t.deepEqual(
    [...(await pixels(data.heldOut!, [4, 0]))].filter((_, i) => i % 64 === 0),
    [heldOut![4]!, heldOut![0]!],
  );
});
