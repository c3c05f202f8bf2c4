import { openDataset } from '../../src/data/dataset.js';
import { openSource } from '../../src/data/source.js';

/** The pixels of all images of a folder or file, u8 RGB of one side. */
export async function pixelsOf(path: string, size: number): Promise<Uint8Array> {
  const data = await openDataset(await openSource(path, 0), {
    ...{ size, channels: 3, fit: 'squash', threads: 1 },
  });
  const out = new Uint8Array(data.count * size * size * 3);
  await data.read(
    Array.from({ length: data.count }, (_, i) => i),
    out,
  );
  await data.close();
  return out;
}
