import { UsageError } from '../errors.js';
import { allowedMemory } from '../machine/memory.js';
import { bytes } from '../units.js';

/**
 * Compressed images cannot be read from the middle: they are decompressed into memory, and may take a quarter of it.
 * @param instead advice for the user if they take more
 * @throws UsageError
 */
export function requireRoomToUnpack(where: string, length: number, instead: string): void {
  const most = Math.floor(allowedMemory() / 4);
  if (length > most)
    throw new UsageError(
      `${where}: expected at most ${bytes(most)} of compressed images, got ${bytes(length)}; ${instead}`,
    );
}
