import { stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import type { Dataset } from '../../src/data/dataset.js';
import { ofPixels, type RunImages } from '../../src/data/run-images.js';
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
    const data = ofPixels(dataset(600, labelled));
    await packImages(path, data);
    const packed = await PackedImages.open(path, data, labelled ? ['a', 'b', 'c'] : null);
    const indices = Uint32Array.of(599, 0, 255, 256);
    const flips = Uint32Array.of(1, 0, 0, 1);
    t.deepEqual(await packed.batch(indices, flips), await data.batch(indices, flips));
    t.deepEqual(packed.classes, data.classes);
    await packed.close();
  });

/** Latents whose numbers tell which they are, and whether they are of a mirrored picture. */
const latents = (count: number, mirrored: boolean): RunImages => ({
  ...{ name: 'some', count, size: 2, channels: 4, classes: null, latents: { mirrored } },
  batch: async (indices, flips) => ({
    latents: Float32Array.from(
      { length: 16 * indices.length },
      (_, i) =>
        indices[Math.floor(i / 16)]! + 0.25 * (flips?.[Math.floor(i / 16)] ?? 0) + (i % 16) / 4096,
    ),
  }),
  ahead: () => {},
  close: async () => {},
});

for (const mirrored of [false, true])
  test(`latents ${mirrored ? 'and those of mirrored pictures ' : ''}are read back from a file unchanged`, async (t) => {
    const path = join(await temporaryFolder(t), 'images');
    const data = latents(300, mirrored);
    await packImages(path, data);
    t.is((await stat(path)).size, 300 * (mirrored ? 2 : 1) * 16 * 4);
    const packed = await PackedImages.open(path, data, null);
    for (const [image, flip] of [
      [299, 0],
      [0, mirrored ? 1 : 0],
      [256, mirrored ? 1 : 0],
    ] as const) {
      const one = [Uint32Array.of(image), Uint32Array.of(flip)] as const;
      t.deepEqual(await packed.batch(...one), await data.batch(...one));
    }
    await packed.close();
  });

test('invalid labels and a truncated file are refused', async (t) => {
  const path = join(await temporaryFolder(t), 'images');
  const data = ofPixels(dataset(3, true));
  await packImages(path, data);
  await t.throwsAsync(PackedImages.open(path, data, ['a', 'b']), {
    instanceOf: RunError,
    message: /expected labels below 2, got 2$/,
  });
  await truncate(path, 40);
  await t.throwsAsync(PackedImages.open(path, data, ['a', 'b', 'c']), { message: /shorter than/ });
  await writeFile(path, '');
  const empty = await PackedImages.open(path, data, null);
  await t.throwsAsync(empty.batch(Uint32Array.of(0), Uint32Array.of(0)), {
    message: /shorter than it was$/,
  });
  await empty.close();
});
