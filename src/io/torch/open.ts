/**
 * Files of `torch.save` (`.pt`, `.pth`, `.bin`, `.ckpt`) as tensors by name. The file is treated as hostile: its pickle is interpreted
 * without running anything (unpickle.ts), every view is checked against its storage and every storage against the
 * file, and allocations are bounded by the file's size.
 *
 * Format: https://docs.pytorch.org/docs/stable/notes/serialization.html
 */
import { UsageError } from '../../errors.js';
import { type InputFile, readFully } from '../input-file.js';
import { show } from '../json.js';
import type { TensorFile } from '../tensor-file.js';
import type { Place } from '../zip-reader.js';
import { ByteReader, PickleError } from './byte-reader.js';
import { loadStorage } from './calls.js';
import { convertLine } from './convert-line.js';
import { tensorsByName } from './flatten.js';
import { isZip } from './is-torch-file.js';
import { openLegacy } from './legacy.js';
import { unpickle } from './unpickle.js';
import { describe, type StoredTensor, type Value } from './values.js';
import { readView } from './view.js';
import { openZip } from './zip.js';

/** Size limit of the pickle: a tensor takes some 150 bytes of it, without its data. */
const LONGEST_PICKLE = 32 << 20;

/** Views may repeat stored data, but not without limit: the most bytes to read, by the file's size. */
const mostBytes = (fileSize: number): number => 4 * fileSize + (16 << 20);

/** @param start the file's first 8 bytes @throws UsageError for a damaged file, or one without tensors */
export async function openTorchFile(file: InputFile, start: Uint8Array): Promise<TensorFile> {
  return named(file, async () => {
    const { root, storage } = await (isZip(start) ? openZipped(file) : openBare(file));
    const entries = tensorsByName(root);
    if (entries.size === 0 || entries.has('')) throw noTensors(file, root);
    return { entries, metadata: {}, read: reader(file, entries, storage) };
  });
}

interface Opened {
  readonly root: Value;
  /** The position of a storage's bytes. */
  storage(key: string): Promise<Place>;
}

async function openZipped(file: InputFile): Promise<Opened> {
  const { pickle, storage } = await openZip(file);
  if (pickle.bytes > LONGEST_PICKLE)
    throw new UsageError(
      `${file.path}: expected a data.pkl of at most ${LONGEST_PICKLE} bytes, got ${pickle.bytes}`,
    );
  const bytes = Buffer.alloc(pickle.bytes);
  await readFully(file.handle, bytes, pickle.at, file.path);
  return { root: unpickle(new ByteReader(bytes), loadStorage), storage };
}

async function openBare(file: InputFile): Promise<Opened> {
  const bytes = Buffer.alloc(Math.min(LONGEST_PICKLE, file.size));
  await readFully(file.handle, bytes, 0, file.path);
  return openLegacy(file, bytes);
}

function reader(
  file: InputFile,
  entries: ReadonlyMap<string, StoredTensor>,
  storage: (key: string) => Promise<Place>,
): TensorFile['read'] {
  let left = mostBytes(file.size);
  return (name) =>
    named(file, async () => {
      const tensor = entries.get(name)!;
      const place = await storage(tensor.storage.key);
      const where = `${file.path}: tensor ${show(name)}`;
      return readView(file, tensor, place, where, (bytes) => {
        left -= bytes;
        if (left >= 0) return;
        throw new UsageError(
          `${where}: expected tensors of about the file's ${file.size} bytes, got many more: they repeat stored data`,
        );
      });
    });
}

function noTensors(file: InputFile, root: Value): UsageError {
  return new UsageError(
    `${file.path}: expected tensors by name, got ${show(describe(root))}${root instanceof Map ? ' without any' : ''}; in Python, ` +
      'torch.save(model.state_dict(), ...) saves them',
  );
}

/** Adds the file's name to errors about its pickle. */
async function named<T>(file: InputFile, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof PickleError)) throw error;
    throw new UsageError(
      `${file.path}: expected a pickle of tensors, got one that is not supported: ${show(error.message)}. ${convertLine(file.path)}`,
    );
  }
}
