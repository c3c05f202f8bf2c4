import { U32 } from './u32';

/*
 * The meeting point between two kernel calls. Layout, in u32 at 64-byte distances so that the words
 * never share a cache line: [0] arrived, [16] generation, [32] sleepers, [48] abort.
 */
const GENERATION: usize = 64;
const SLEEPERS: usize = 128;
const ABORT: usize = 192;

/**
 * Spins before sleeping. A step has hundreds of barriers; a sleep costs about 40 µs and a spin 0.3 µs,
 * but a spinner must not starve the worker it waits for when there are more workers than free cores.
 */
const SPINS: i32 = 20000;

/**
 * Waits until all `size` workers have arrived. Returns 1 when the run was aborted, else 0.
 * @param wait longest single sleep in nanoseconds; the abort flag is looked at after each.
 */
export function barrier(state: U32, size: i32, wait: i64): i32 {
  const base = changetype<usize>(state);
  if (size === 1) return atomic.load<i32>(base, ABORT);
  const generation = atomic.load<i32>(base, GENERATION);
  if (atomic.add<i32>(base, 1) === size - 1) {
    atomic.store<i32>(base, 0);
    atomic.store<i32>(base, generation + 1, GENERATION);
    if (atomic.load<i32>(base, SLEEPERS) > 0) atomic.notify(base + GENERATION, -1);
    return atomic.load<i32>(base, ABORT);
  }
  for (let i = 0; i < SPINS; i++) {
    if (atomic.load<i32>(base, GENERATION) !== generation) return atomic.load<i32>(base, ABORT);
  }
  while (atomic.load<i32>(base, GENERATION) === generation) {
    if (atomic.load<i32>(base, ABORT) !== 0) return 1;
    atomic.add<i32>(base, 1, SLEEPERS);
    atomic.wait<i32>(base + GENERATION, generation, wait);
    atomic.sub<i32>(base, 1, SLEEPERS);
  }
  return atomic.load<i32>(base, ABORT);
}
