import { ABORT, ABORTED, GENERATION, SLEEPERS, SLEPT } from './constants';
import { U32 } from './u32';

/*
 * The synchronisation point between two kernel calls. Layout, in u32 at 64-byte distances so that the words
 * never share a cache line: [0] arrived, [16] generation, [32] sleepers, [48] abort.
 */

/**
 * Waits until all `size` workers have arrived. Returns ABORTED and SLEPT as flags.
 * @param spins polls of the generation, of less than half a nanosecond each, before the first sleep
 * @param wait longest single sleep in nanoseconds; the abort flag is checked after each.
 */
export function barrier(state: U32, size: i32, spins: i32, wait: i64): i32 {
  const base = changetype<usize>(state);
  if (size === 1) return aborted(base);
  const generation = atomic.load<i32>(base, GENERATION);
  if (atomic.add<i32>(base, 1) === size - 1) {
    atomic.store<i32>(base, 0);
    atomic.store<i32>(base, generation + 1, GENERATION);
    if (atomic.load<i32>(base, SLEEPERS) > 0) atomic.notify(base + GENERATION, -1);
    return aborted(base);
  }
  for (let i = 0; i < spins; i++)
    if (atomic.load<i32>(base, GENERATION) !== generation) return aborted(base);
  while (atomic.load<i32>(base, GENERATION) === generation) {
    if (aborted(base)) return ABORTED | SLEPT;
    atomic.add<i32>(base, 1, SLEEPERS);
    atomic.wait<i32>(base + GENERATION, generation, wait);
    atomic.sub<i32>(base, 1, SLEEPERS);
  }
  return aborted(base) | SLEPT;
}

function aborted(base: usize): i32 {
  return atomic.load<i32>(base, ABORT) !== 0 ? ABORTED : 0;
}
