/**
 * The upper limits that a layer's speed is compared with: of the convolutions' micro-kernel on data in its cache, and of
 * memory.
 */

import { Arena } from './arena.js';
import { Engine } from './engine.js';
import type { KernelChoice } from './module.js';
import { type Call, call } from './program.js';
import { ALGORITHMS } from './winograd/algorithms.js';
import { tiling } from './winograd/geometry.js';

type Options = KernelChoice & { readonly threads: number };

/** Runs of a call, whose median counts. */
const RUNS = 11;

/**
 * Milliseconds of a call on all threads together. It follows a call of its own kind, after which no worker sleeps: the clock is
 * worker 0's, and one that sleeps at the start would find the others ahead of it.
 */
async function timeOf(engine: Engine, one: Call): Promise<number> {
  const phases = [[one]];
  const program = engine.load([
    { name: 'before', phases },
    { name: 'timed', phases },
  ]);
  const times: number[] = [];
  for (let i = 0; i < RUNS; i++) {
    const { timed = 0 } = await engine.run(program);
    times.push(timed);
  }
  return times.sort((a, b) => a - b)[RUNS >> 1]!;
}

/** Input channels and groups of four tiles: the data stay in the first-level cache. */
const CHANNELS = 64;
const QUADS = 15;
/** Blocks that each worker multiplies between barriers: enough that these are negligible. */
const BLOCKS = 8192;

/** Contiguous quads of V and M, one point per block: all that the products read of a tiling. */
function tilings(): Int32Array {
  const tensor = { height: 0, width: 0, channels: 0, pixel: 0 };
  const common = {
    algorithm: ALGORITHMS['F(4,3)'],
    tensor,
    down: 0,
    across: 0,
    step: 1,
    origin: 0,
  };
  const near = { ...common, phases: 1, plane: 0, phaseStride: 0 };
  return Int32Array.from([
    ...tiling({ ...near, block: 4 * CHANNELS, tile: 8, eight: 32, half: 4 }),
    ...tiling({ ...near, block: 32, tile: 8, eight: 32, half: 4 }),
  ]);
}

/** GFLOP/s of the products on all threads together. */
export async function microKernelPeak(options: Options): Promise<number> {
  const { threads } = options;
  const arena = new Arena();
  const perWorker = 4 * CHANNELS * QUADS * 16;
  const own = () => ({
    base: arena.floats('peak', (threads * perWorker) / 4),
    perWorker,
    workers: threads,
  });
  const [m, v, u] = [own(), own(), own()];
  const words = tilings();
  const descriptor = arena.bytes('peak', words.byteLength);
  const engine = Engine.create({ ...options, bytes: arena.size });
  new Int32Array(engine.memory.buffer, descriptor, words.length).set(words);
  try {
    const items = threads * BLOCKS;
    const args = [m, v, u, descriptor, CHANNELS, 1, QUADS, 0] as const;
    const ms = await timeOf(engine, call('winogradMultiply', args, items));
    return (items * QUADS * 4 * 8 * CHANNELS * 2) / ms / 1e6;
  } finally {
    await engine.destroy();
  }
}

/** Floats of each of two tensors: together far larger than any cache. */
const LARGE = 2 ** 25;

/** GB/s that all threads together read and write, two tensors read and one of them replaced, as the optimizers do. */
export async function memoryBandwidth(options: Options): Promise<number> {
  const arena = new Arena();
  const [e, p] = [arena.floats('bandwidth', LARGE), arena.floats('bandwidth', LARGE)];
  const rate = arena.floats('bandwidth', 1);
  const engine = Engine.create({ ...options, bytes: arena.size });
  // Pages that were never written to are all one page of zeros, which stays in the cache.
  new Float32Array(engine.memory.buffer, e, 2 * LARGE).fill(1);
  try {
    const ms = await timeOf(engine, call('ema', [e, p, rate], LARGE / 8, { grain: 2 }));
    return (3 * 4 * LARGE) / ms / 1e6;
  } finally {
    await engine.destroy();
  }
}
