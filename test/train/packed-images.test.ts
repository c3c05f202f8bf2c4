import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import type { Dataset } from '../../src/data/dataset.js';
import { RunError } from '../../src/errors.js';
import { PackedImages, packImages } from '../../src/train/packed-images.js';
import { temporaryFolder } from '../helpers/folder.js';

/** Images whose bytes tell which one they are. */
const dataset = (count: number, labelled: boolean): Dataset => ({
  ...{ name: 'some', count, size: 2, channels: 3, skipped: [], doubtful: [], resident: true },
  classes: labelled
    ? { names: ['a', 'b', 'c'], labels: Int32Array.from({ length: count }, (_, i) => i % 3) }
    : null,
  read: async (indices, out) => {
    for (let k = 0; k < indices.length; k++) out.fill(indices[k]! % 251, 12 * k, 12 * (k + 1));
  },
  ahead: () => {},
  close: async () => {},
});

for (const labelled of [false, true])
  test(`images ${labelled ? 'and labels ' : ''}are read back from a file unchanged, in any order`, async (t) => {
    const path = join(await temporaryFolder(t), 'images');
    const data = dataset(600, labelled);
    await packImages(path, data);
    const packed = await PackedImages.open(path, data, labelled ? ['a', 'b', 'c'] : null);
    const indices = Uint32Array.of(599, 0, 255, 256);
    const expected = new Uint8Array(4 * 12);
    await data.read(indices, expected);
    t.deepEqual(await packed.read(indices), expected);
    t.deepEqual(packed.classes, data.classes);
    await packed.close();
  });

test('invalid labels and a truncated file are refused', async (t) => {
  const path = join(await temporaryFolder(t), 'images');
  const data = dataset(3, true);
  await packImages(path, data);
  await t.throwsAsync(PackedImages.open(path, data, ['a', 'b']), {
    instanceOf: RunError,
    message: /expected labels below 2, got 2$/,
  });
  await truncate(path, 40);
  await t.throwsAsync(PackedImages.open(path, data, ['a', 'b', 'c']), { message: /shorter than/ });
  await writeFile(path, '');
  const empty = await PackedImages.open(path, data, null);
  await t.throwsAsync(empty.read(Uint32Array.of(0)), { message: /shorter than it was$/ });
  await empty.close();
});
