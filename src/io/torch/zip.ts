/**
 * The zip that `torch.save` writes since PyTorch 1.6: `<name>/data.pkl`, and the bytes of each
 * storage, `<name>/data/<key>`, uncompressed. Their positions are looked up; nothing is unpacked.
 */
import yauzl from 'yauzl';
import { UsageError } from '../../errors.js';
import { systemReason } from '../atomic.js';
import { type InputFile, readFully } from '../input-file.js';
import { show } from '../json.js';
import { listEntries, type Place, placeOf, ZipReader } from '../zip-reader.js';
import { convertLine } from './convert-line.js';

/** The parts of such a file. */
export interface TorchZip {
  readonly pickle: Place;
  /** The position of a storage's bytes. @throws UsageError if it is missing */
  storage(key: string): Promise<Place>;
}

/** @throws UsageError for a zip that is damaged, of another kind, or not in `torch.save`'s form */
export async function openZip(file: InputFile): Promise<TorchZip> {
  const zip = await named(file, () =>
    yauzl.fromRandomAccessReaderPromise(new ZipReader(file), file.size, { autoClose: false }),
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
    return named(file, () => stored(file, zip, entry));
  };
  if (entries.has(`${folder}constants.pkl`))
    throw new UsageError(
      `${file.path}: expected a state dict, got a TorchScript archive; in Python, save the state_dict() of the module from torch.jit.load`,
    );
  await checkByteOrder(
    file,
    entries.has(`${folder}byteorder`) && (await place(`${folder}byteorder`)),
  );
  return { pickle: await place(pickle), storage: (key) => place(`${folder}data/${key}`) };
}

async function stored(file: InputFile, zip: yauzl.ZipFile, entry: yauzl.Entry): Promise<Place> {
  if (entry.compressionMethod !== 0 || entry.isEncrypted())
    throw new UsageError(
      `${file.path}: expected uncompressed entries, as torch.save writes them, got ${show(entry.fileName)} compressed or ` +
        `encrypted. ${convertLine(file.path)}`,
    );
  return placeOf(zip, entry);
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

/** Adds the file's name to errors of yauzl. */
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
