import { UsageError } from '../errors.js';

/** The key of every stream of random numbers: the seed's low and high 32 bits. */
export type Key = readonly [low: number, high: number];

/** @throws UsageError unless the seed is a whole number from 0 to 2⁵³ − 1 */
export function splitSeed(seed: number): Key {
  if (!Number.isSafeInteger(seed) || seed < 0)
    throw new UsageError(`--seed: expected a whole number from 0 to 2^53 - 1, got ${seed}`);
  return [seed % 2 ** 32, Math.floor(seed / 2 ** 32)];
}
