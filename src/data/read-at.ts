import { closeSync, openSync, readSync } from 'node:fs';
import { fsPath, type RawPath } from '../io/raw-path.js';

/**
 * Up to `length` bytes of a file from `offset`. Synchronous: a decoding worker has nothing else to do
 * meanwhile, and an asynchronous read costs more than the read itself.
 */
export function readAt(path: RawPath, offset: number, length: number): Buffer {
  const file = openSync(fsPath(path), 'r');
  try {
    const bytes = Buffer.allocUnsafe(length);
    return bytes.subarray(0, readSync(file, bytes, 0, length, offset));
  } finally {
    closeSync(file);
  }
}
