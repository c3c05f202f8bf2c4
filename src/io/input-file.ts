/** Files for random access: checked before they are opened, and always closed. */
import { type FileHandle, open, stat } from 'node:fs/promises';
import { UsageError } from '../errors.js';
import { LARGEST_CALL, systemReason } from './atomic.js';
import { type ByteSource, cutOff } from './byte-source.js';

/** An open file and its length in bytes. */
export interface InputFile extends ByteSource {
  readonly handle: FileHandle;
}

/**
 * Opens a file for `use` and closes it afterwards.
 * @param expected what it should be, for the message: `a .safetensors file`
 * @throws UsageError if it is not a plain file or cannot be read; other errors of `use` pass through
 */
export async function withInputFile<T>(
  path: string,
  expected: string,
  use: (file: InputFile) => Promise<T>,
): Promise<T> {
  let handle: FileHandle | undefined;
  try {
    // Before opening: opening a pipe would wait for its writer.
    if (!(await stat(path)).isFile())
      throw new UsageError(`${path}: expected ${expected}, got a folder or a device`);
    const opened = await open(path, 'r');
    handle = opened;
    const { size } = await handle.stat();
    const read = (bytes: Uint8Array, at: number, where = path) =>
      readFully(opened, bytes, at, where);
    return await use({ path, handle, size, read });
  } catch (error) {
    const reason = systemReason(error);
    if (reason === undefined) throw error;
    throw new UsageError(`${path}: cannot be read: ${reason}`, { cause: error });
  } finally {
    await handle?.close();
  }
}

/** Fills `bytes` from offset `at` of the file. @throws UsageError if the file ends before */
export async function readFully(
  file: FileHandle,
  bytes: Uint8Array,
  at: number,
  where: string,
): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const length = Math.min(bytes.length - done, LARGEST_CALL);
    const { bytesRead } = await file.read(bytes, done, length, at + done);
    if (bytesRead === 0) throw cutOff(where, at + bytes.length, at + done);
    done += bytesRead;
  }
}
