/** What the micro-kernel of the convolutions reaches at best: the bound that a layer's speed is held against. */
import { Arena } from './arena.js';
import { Engine } from './engine.js';

/** Input channels and groups of four tiles: data that stays in the first-level cache. */
const CHANNELS = 64;
const QUADS = 16;
/** Blocks that each worker multiplies between barriers, so that these do not count. */
const BLOCKS = 2048;

/** GFLOP/s of 4 x 8 blocks on all threads at once: the best of ten runs. */
export async function microKernelPeak(threads: number, strict: boolean): Promise<number> {
  const arena = new Arena();
  const perWorker = 4 * CHANNELS * QUADS * 16;
  const own = () => ({ base: arena.floats('peak', (threads * perWorker) / 4), perWorker });
  const args = [own(), own(), own(), CHANNELS, 1, QUADS, 0, 0, 0];
  const engine = Engine.create({ threads, strict, bytes: arena.size });
  try {
    const items = threads * BLOCKS;
    const phases = [[{ kernel: 'winogradMultiply', args, items }]];
    const program = engine.load([{ name: 'peak', phases }]);
    const operations = items * QUADS * 4 * 8 * CHANNELS * 2;
    let best = 0;
    for (let i = 0; i < 10; i++) {
      const { peak = 0 } = await engine.run(program);
      best = Math.max(best, operations / peak / 1e6);
    }
    return best;
  } finally {
    await engine.destroy();
  }
}
