/**
 * The zip that `torch.save` writes since PyTorch 1.6: `<name>/data.pkl`, and beside it the bytes of each
 * storage, `<name>/data/<key>`, stored without compression. Where they lie is looked up; nothing is unpacked.
 */
import yauzl from 'yauzl';
import { UsageError } from '../../errors.js';
import { systemReason } from '../atomic.js';
import { type InputFile, readFully } from '../input-file.js';
import { show } from '../json.js';
import { convertLine } from './convert-line.js';

/** Where an entry's bytes lie in the file. */
export interface Place {
  readonly at: number;
  readonly bytes: number;
}

/** The parts of such a file. */
export interface TorchZip {
  readonly pickle: Place;
  /** The bytes of a storage. @throws UsageError where there are none */
  storage(key: string): Promise<Place>;
}

/** @throws UsageError for a zip that is damaged, of something else, or written otherwise than `torch.save` does */
export async function openZip(file: InputFile): Promise<TorchZip> {
  const zip = await named(file, () =>
    yauzl.fromRandomAccessReaderPromise(new Reader(file), file.size, { autoClose: false }),
  );
  const entries = await named(file, () => listEntries(zip));
  const names = [...entries.keys()].filter((name) => /(^|\/)data\.pkl$/.test(name));
  const [pickle] = names;
  if (pickle === undefined || names.length > 1)
    throw new UsageError(
      `${file.path}: expected a zip of torch.save, with one data.pkl, got one with ${names.length || 'none'}`,
    );
  const folder = pickle.slice(0, -'data.pkl'.length);
  const place = async (name: string): Promise<Place> => {
    const entry = entries.get(name);
    if (!entry)
      throw new UsageError(`${file.path}: expected an entry ${show(name)} in the zip, got none`);
    return named(file, () => placeOf(file, zip, entry));
  };
  if (entries.has(`${folder}constants.pkl`))
    throw new UsageError(
      `${file.path}: expected a state dict, got a TorchScript archive; in Python, save the state_dict() of what torch.jit.load gives`,
    );
  await checkByteOrder(
    file,
    entries.has(`${folder}byteorder`) && (await place(`${folder}byteorder`)),
  );
  return { pickle: await place(pickle), storage: (key) => place(`${folder}data/${key}`) };
}

async function listEntries(zip: yauzl.ZipFile): Promise<Map<string, yauzl.Entry>> {
  const entries = new Map<string, yauzl.Entry>();
  for await (const entry of zip.eachEntry()) {
    if (entries.has(entry.fileName)) throw new Error(`${show(entry.fileName)} is in it twice`);
    entries.set(entry.fileName, entry);
  }
  return entries;
}

async function placeOf(file: InputFile, zip: yauzl.ZipFile, entry: yauzl.Entry): Promise<Place> {
  if (entry.compressionMethod !== 0 || entry.isEncrypted())
    throw new UsageError(
      `${file.path}: expected entries stored as they are, as torch.save does, got ${show(entry.fileName)} compressed or ` +
        `encrypted. ${convertLine(file.path)}`,
    );
  const { fileDataStart } = await zip.readLocalFileHeaderPromise(entry, { minimal: true });
  return { at: fileDataStart, bytes: entry.compressedSize };
}

async function checkByteOrder(file: InputFile, place: Place | false): Promise<void> {
  if (!place) return;
  const text = Buffer.alloc(Math.min(place.bytes, 16));
  await readFully(file.handle, text, place.at, file.path);
  if (text.toString().trim() === 'little') return;
  throw new UsageError(
    `${file.path}: expected numbers in little-endian order, got ${show(text.toString())}. ${convertLine(file.path)}`,
  );
}

/** Names the file in what yauzl throws. */
async function named<T>(file: InputFile, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof UsageError || systemReason(error) !== undefined) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new UsageError(
      `${file.path}: expected a file of torch.save, got a damaged zip: ${show(why)}`,
    );
  }
}

/** Reads for yauzl. Its own reader throws in a callback, where nobody could catch it, for offsets that no file has. */
class Reader extends yauzl.RandomAccessReader {
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
