/**
 * The format of `torch.save` before PyTorch 1.6, and with `_use_new_zipfile_serialization=False`: five
 * pickles (a magic number, a version, facts about the machine, the object, the keys of its storages) and then each
 * storage, preceded by its length in 8 bytes.
 */
import { UsageError } from '../../errors.js';
import { DTYPE_BYTES } from '../dtypes.js';
import { type InputFile, readFully } from '../input-file.js';
import type { Place } from '../zip-reader.js';
import { ByteReader, PickleError } from './byte-reader.js';
import { isCount, loadStorage } from './calls.js';
import { convertLine } from './convert-line.js';
import { unpickle } from './unpickle.js';
import { describe, Storage, type Value } from './values.js';

const MAGIC = 0x1950a86a20f9469cfc6cn;
const VERSION = 1001;

/** Such a file: its object, and the positions of its storages. */
export interface Legacy {
  readonly root: Value;
  storage(key: string): Promise<Place>;
}

/** @throws UsageError for another pickle; PickleError for a damaged one */
export async function openLegacy(file: InputFile, pickles: Buffer): Promise<Legacy> {
  const reader = new ByteReader(pickles);
  const none = (id: Value): Value => {
    throw new PickleError(`a persistent id of ${describe(id)}`);
  };
  if (unpickle(reader, none) !== MAGIC)
    throw new UsageError(
      `${file.path}: expected a file of torch.save, got another pickle; only tensors from torch.save are supported`,
    );
  const version = unpickle(reader, none);
  if (version !== VERSION) throw new PickleError(`version ${describe(version)} of torch.save`);
  const system = unpickle(reader, none);
  if (system instanceof Map && system.get('little_endian') === false)
    throw new UsageError(
      `${file.path}: expected numbers in little-endian order, got big-endian. ${convertLine(file.path)}`,
    );
  const storages = new Map<string, Storage>();
  const root = unpickle(reader, (id) => {
    const storage = loadStorage(id);
    if (storage instanceof Storage) storages.set(storage.key, storage);
    return storage;
  });
  const keys = unpickle(reader, none);
  if (!Array.isArray(keys)) throw new PickleError(`${describe(keys)} for the keys of its storages`);
  const places = await walk(file, keys, storages, reader.at);
  const storage = async (key: string): Promise<Place> => {
    const place = places.get(key);
    if (!place) throw new PickleError(`it has no storage ${key}`);
    return place;
  };
  return { root, storage };
}

/** Walks from length to length. A storage's type determines the bytes per element. */
async function walk(
  file: InputFile,
  keys: readonly Value[],
  storages: ReadonlyMap<string, Storage>,
  begin: number,
): Promise<Map<string, Place>> {
  const places = new Map<string, Place>();
  let at = begin;
  for (const key of keys) {
    if (typeof key !== 'string' && typeof key !== 'number')
      throw new PickleError(`${describe(key)} for the key of a storage`);
    const storage = storages.get(String(key));
    if (!storage) throw new PickleError('it lists a storage that no tensor uses');
    if (storage.dtype === null)
      throw new UsageError(
        `${file.path}: expected storages of supported types, got ${storage.type}. ${convertLine(file.path)}`,
      );
    const head = Buffer.alloc(8);
    await readFully(file.handle, head, at, file.path);
    const bytes = Number(head.readBigInt64LE()) * DTYPE_BYTES[storage.dtype];
    if (!isCount(bytes) || bytes > file.size - at - 8)
      throw new PickleError(`a storage of ${bytes} bytes in a file of ${file.size}`);
    places.set(String(key), { at: at + 8, bytes });
    at += 8 + bytes;
  }
  return places;
}
