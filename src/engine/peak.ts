/** The speed of the convolutions' micro-kernel on data in its cache: the peak that a layer's speed is compared with. */

import { Arena } from './arena.js';
import { Engine } from './engine.js';
import type { KernelChoice } from './module.js';
import { call } from './program.js';
import { ALGORITHMS } from './winograd/algorithms.js';
import { tiling } from './winograd/geometry.js';

/** Input channels and groups of four tiles: the data stay in the first-level cache. */
const CHANNELS = 64;
const QUADS = 15;
/** Blocks that each worker multiplies between barriers: enough that these are negligible. */
const BLOCKS = 2048;

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

/** Runs; the median counts: in the fastest, other workers may have started before the clock, which is worker 0's. */
const RUNS = 11;

/** GFLOP/s of the products on all threads together. */
export async function microKernelPeak(
  options: KernelChoice & { readonly threads: number },
): Promise<number> {
  const { threads } = options;
  const arena = new Arena();
  const perWorker = 4 * CHANNELS * QUADS * 16;
  const own = () => ({ base: arena.floats('peak', (threads * perWorker) / 4), perWorker });
  const [m, v, u] = [own(), own(), own()];
  const words = tilings();
  const descriptor = arena.bytes('peak', words.byteLength);
  const engine = Engine.create({ ...options, bytes: arena.size });
  new Int32Array(engine.memory.buffer, descriptor, words.length).set(words);
  try {
    const items = threads * BLOCKS;
    const products = call('winogradMultiply', [m, v, u, descriptor, CHANNELS, 1, QUADS, 0], items);
    const program = engine.load([{ name: 'peak', phases: [[products]] }]);
    const operations = items * QUADS * 4 * 8 * CHANNELS * 2;
    const speeds: number[] = [];
    for (let i = 0; i < RUNS; i++) {
      const { peak = 0 } = await engine.run(program);
      speeds.push(operations / peak / 1e6);
    }
    return speeds.sort((a, b) => a - b)[RUNS >> 1]!;
  } finally {
    await engine.destroy();
  }
}
