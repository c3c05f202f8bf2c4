import type { ExecutionContext } from 'ava';
import sharp, { type Sharp } from 'sharp';
import { type Dataset, type DatasetOptions, openDataset } from '../../src/data/dataset.js';
import { openSource } from '../../src/data/source.js';

/** Path of a file in test/fixtures. */
export const fixture = (name: string): string =>
  new URL(`../../../test/fixtures/${name}`, import.meta.url).pathname;

/** A picture without symmetry: soft slopes that differ by channel, u8 [height, width, channels]. */
export function slopes(width: number, height: number, channels: 1 | 3 = 3): Uint8Array {
  const pixels = new Uint8Array(width * height * channels);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let c = 0; c < channels; c++)
        pixels[(y * width + x) * channels + c] =
          c === 0 ? (255 * x) / width : c === 1 ? (255 * y) / height : (100 * (x + y)) / width;
  return pixels;
}

/** Raw pixels as a sharp pipeline, to be written in any format. */
export const from = (pixels: Uint8Array | Uint16Array, width: number, height: number): Sharp =>
  sharp(pixels, {
    raw: { width, height, channels: (pixels.length / (width * height)) as 1 | 2 | 3 | 4 },
  });

/** What `openData` takes: of a data set, and the seed of toy-cars. */
export type DataOptions = DatasetOptions & { readonly seed: number };

export const OPTIONS: DataOptions = { size: 8, channels: 3, fit: 'squash', threads: 2, seed: 0 };

/** Lists and decodes what `<data>` names. */
export const openData = async (spec: string, options: DataOptions = OPTIONS): Promise<Dataset> =>
  openDataset(await openSource(spec, options.seed), options);

/** Opens a data set with defaults for tests; it closes with the test. */
export async function opened(
  t: ExecutionContext,
  spec: string,
  options: Partial<DataOptions> = {},
): Promise<Dataset> {
  const dataset = await openData(spec, { ...OPTIONS, ...options });
  t.teardown(() => dataset.close());
  return dataset;
}

/** Images by index, by default all of them, one after the other. */
export async function pixels(dataset: Dataset, indices?: number[]): Promise<Uint8Array> {
  const which = indices ?? Array.from({ length: dataset.count }, (_, i) => i);
  const out = new Uint8Array(which.length * dataset.size ** 2 * dataset.channels);
  await dataset.read(which, out);
  return out;
}
