import type { ExecutionContext } from 'ava';
import { ARENA } from '../../src/engine/control.js';
import { Engine } from '../../src/engine/engine.js';
import { plus, pointer } from '../../src/engine/pointer.js';
import type { Call } from '../../src/engine/program.js';

/** First byte that a test may use. */
export const FREE = pointer(ARENA);

/** An engine of 1 MiB that is destroyed when the test ends. */
export function engineOf(t: ExecutionContext, threads: number, strict = true): Engine {
  const engine = Engine.create({ threads, strict, bytes: 1 << 20 });
  t.teardown(() => engine.destroy());
  return engine;
}

/** A call that keeps the last worker busy for a good part of a second, writing one pixel over and over. */
export const busy: Call = {
  kernel: 'copyChannels',
  args: [FREE, 0, plus(FREE, 64), 0, 8, false],
  items: 50_000_000,
  grain: 50_000_000,
};

/** A call that traps in the last worker: an address far outside of the memory. */
export const trap: Call = {
  kernel: 'reluBackward',
  args: [pointer(2 ** 31), pointer(2 ** 31)],
  items: 1,
};
