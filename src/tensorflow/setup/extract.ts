/** Extracts the few files that are needed from a wheel, which is a zip archive. */
import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import yauzl from 'yauzl';

/**
 * Writes the entries that `wanted` accepts below `folder` and returns their names. Streams them: one has
 * 790 MB. yauzl checks each entry's path (no `..`, nothing absolute) and size.
 */
export async function extract(
  wheel: string,
  wanted: (name: string) => boolean,
  folder: string,
  onBytes: (bytes: number) => void,
): Promise<string[]> {
  const zip = await yauzl.openPromise(wheel);
  const names: string[] = [];
  let bytes = 0;
  const count = () =>
    new Transform({
      transform(chunk: Buffer, _encoding, done) {
        bytes += chunk.length;
        onBytes(bytes);
        done(null, chunk);
      },
    });
  for await (const entry of zip.eachEntry()) {
    if (entry.fileName.endsWith('/') || !wanted(entry.fileName)) continue;
    const file = path.join(folder, entry.fileName);
    await mkdir(path.dirname(file), { recursive: true });
    await pipeline(await zip.openReadStreamPromise(entry), count(), createWriteStream(file));
    names.push(entry.fileName);
  }
  return names;
}
