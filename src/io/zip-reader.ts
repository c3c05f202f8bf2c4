/** Shared by readers of zips: the entries by name, and the positions of their bytes in the file. */
import yauzl from 'yauzl';
import { type InputFile, readFully } from './input-file.js';
import { show } from './json.js';

/** The position of an entry's bytes in the file. */
export interface Place {
  readonly at: number;
  readonly bytes: number;
}

/** The entries of a zip by name. @throws Error for a damaged directory, or a duplicate name */
export async function listEntries(zip: yauzl.ZipFile): Promise<Map<string, yauzl.Entry>> {
  const entries = new Map<string, yauzl.Entry>();
  for await (const entry of zip.eachEntry()) {
    if (entries.has(entry.fileName)) throw new Error(`${show(entry.fileName)} occurs twice in it`);
    entries.set(entry.fileName, entry);
  }
  return entries;
}

/** The position of an entry's bytes, compressed or not. @throws Error for a damaged local header */
export async function placeOf(zip: yauzl.ZipFile, entry: yauzl.Entry): Promise<Place> {
  const { fileDataStart } = await zip.readLocalFileHeaderPromise(entry, { minimal: true });
  return { at: fileDataStart, bytes: entry.compressedSize };
}

/** Reads for yauzl. For invalid offsets its own reader throws in a callback, where the error cannot be caught. */
export class ZipReader extends yauzl.RandomAccessReader {
  private readonly file: InputFile;

  constructor(file: InputFile) {
    super();
    this.file = file;
  }

  override read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    callback: (error: Error | null, bytesRead?: number) => void,
  ): void {
    if (!(position >= 0 && position + length <= this.file.size)) {
      setImmediate(callback, new Error('it is cut off'));
      return;
    }
    const into = buffer.subarray(offset, offset + length);
    readFully(this.file.handle, into, position, this.file.path).then(
      () => callback(null, length),
      (error: Error) => callback(error),
    );
  }
}
