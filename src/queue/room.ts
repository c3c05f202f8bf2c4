/** Writes to a Redis that may be full: the coordinator makes room by taking results. */
import { isOutOfMemory } from './connect.js';

/** Milliseconds between two attempts. */
export const RETRY = 1000;

/**
 * Repeats a write until Redis has room for it.
 * @param onFull called after each refusal; throws to give up
 * @throws the write's other errors, and those of `onFull`
 */
export async function untilRoom<T>(
  write: () => Promise<T>,
  onFull: (error: Error) => void,
): Promise<T> {
  for (;;)
    try {
      return await write();
    } catch (error) {
      if (!isOutOfMemory(error)) throw error;
      onFull(error as Error);
      await new Promise((resolve) => setTimeout(resolve, RETRY));
    }
}
