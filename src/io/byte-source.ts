import { UsageError } from '../errors.js';

/** Random access to bytes: of a file, or in memory. */
export interface ByteSource {
  /** For messages. */
  readonly path: string;
  readonly size: number;
  /**
   * Fills `bytes` from offset `at`.
   * @param where the part that is read, for the message
   * @throws UsageError if the source ends before
   */
  read(bytes: Uint8Array, at: number, where?: string): Promise<void>;
}

/** Bytes in memory, under a name for messages. */
export function bytesInMemory(path: string, all: Uint8Array): ByteSource {
  const read = async (bytes: Uint8Array, at: number, where = path): Promise<void> => {
    if (at + bytes.length > all.length) throw cutOff(where, at + bytes.length, all.length);
    bytes.set(all.subarray(at, at + bytes.length));
  };
  return { path, size: all.length, read };
}

/** The error for a source that ends too early. */
export const cutOff = (where: string, expected: number, got: number): UsageError =>
  new UsageError(`${where}: expected ${expected} bytes or more, got ${got}: the file is cut off`);
