import { UsageError } from '../errors.js';
import { allowedMemory } from '../machine/memory.js';
import { bytes } from '../units.js';

/**
 * Images that are packed cannot be read from the middle: they are unpacked into memory, and may take a quarter of it.
 * @param instead what to do where they take more
 * @throws UsageError
 */
export function requireRoomToUnpack(where: string, length: number, instead: string): void {
  const most = Math.floor(allowedMemory() / 4);
  if (length > most)
    throw new UsageError(
      `${where}: expected at most ${bytes(most)} of compressed images, got ${bytes(length)}; ${instead}`,
    );
}
