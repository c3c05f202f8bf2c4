import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { RunError } from '../../src/errors.js';
import { from, opened, pixels, slopes } from '../helpers/data.js';
import { temporaryFolder } from '../helpers/folder.js';

/** Pictures of 16x16 that are all different. */
async function folderOf(t: ExecutionContext, count: number): Promise<string> {
  const folder = await temporaryFolder(t);
  for (let i = 0; i < count; i++)
    await from(
      slopes(16, 16).map((v) => v / 2 + i),
      16,
      16,
    )
      .png()
      .toFile(path.join(folder, `${i + 10}.png`));
  return folder;
}

const ONE = 8 * 8 * 3;

test('data up to the budget is resident, and beyond it streamed, with the same bytes', async (t) => {
  const folder = await folderOf(t, 12);
  const resident = await opened(t, folder, { budgetBytes: 12 * ONE });
  const streamed = await opened(t, folder, { budgetBytes: 12 * ONE - 1 });
  t.true(resident.resident);
  t.false(streamed.resident);
  t.deepEqual(await pixels(streamed), await pixels(resident));
  const mixed = [11, 0, 3, 3, 7];
  t.deepEqual(await pixels(streamed, mixed), await pixels(resident, mixed));
});

test('batches announced ahead are decoded before they are read', async (t) => {
  const folder = await folderOf(t, 12);
  const dataset = await opened(t, folder, { budgetBytes: 12 * ONE - 1, threads: 1 });
  const expected = await pixels(dataset);
  dataset.ahead([
    [0, 1],
    [2, 3],
  ]);
  // One worker takes them in turn: once it has read a third batch, the files of the first are not needed.
  const spare = await pixels(dataset, [4, 5]);
  t.deepEqual(spare, expected.slice(4 * ONE, 6 * ONE));
  await rm(path.join(folder, '12.png'));
  await rm(path.join(folder, '13.png'));
  t.deepEqual(await pixels(dataset, [2, 3]), expected.slice(2 * ONE, 4 * ONE));
  t.deepEqual(await pixels(dataset, [0, 1]), expected.slice(0, 2 * ONE));
});

test('a batch may be read in any order, never, or without announcement', async (t) => {
  const dataset = await opened(t, await folderOf(t, 12), { budgetBytes: 12 * ONE - 1 });
  const expected = await pixels(dataset);
  for (let step = 0; step < 6; step++) {
    dataset.ahead([[step, step + 1], [step + 1, step + 2], [], [step + 5]]);
    const got = await pixels(dataset, [step + 1, step + 2]);
    t.deepEqual(got, expected.slice((step + 1) * ONE, (step + 3) * ONE));
  }
});

test('a file that becomes unreadable during a run stops it, with its name', async (t) => {
  const folder = await folderOf(t, 3);
  const dataset = await opened(t, folder, { budgetBytes: 1 });
  await writeFile(path.join(folder, '11.png'), 'broken');
  dataset.ahead([[1]]);
  t.is((await pixels(dataset, [0])).length, ONE);
  await t.throwsAsync(pixels(dataset, [0, 1]), {
    instanceOf: RunError,
    message: /11\.png: .*; it could be read when the run began/,
  });
});

test('a data set can be closed while batches are being decoded, and closed twice', async (t) => {
  const dataset = await opened(t, await folderOf(t, 12), { budgetBytes: 1 });
  dataset.ahead([[0, 1, 2, 3]]);
  await dataset.close();
  await dataset.close();
  await t.throwsAsync(pixels(dataset, [0]), { message: /closed/ });
});

test('progress is reported while a data set opens', async (t) => {
  const told: [number, number][] = [];
  await opened(t, await folderOf(t, 20), { onProgress: (done, total) => told.push([done, total]) });
  t.deepEqual(told.at(-1), [20, 20]);
  t.true(told.length > 1);
});
