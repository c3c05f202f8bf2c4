import { CounterRandom, PURPOSE } from '../../src/diffusion/random.js';
import { sharedArithmetic } from '../../src/engine/arithmetic.js';
import { Engine } from '../../src/engine/engine.js';
import { WasmNetwork } from '../../src/engine/network/wasm-network.js';
import { initialState } from '../../src/network/initial-state.js';
import { buildNetwork, type NetworkConfig } from '../../src/network/network.js';

const ARCHITECTURE: NetworkConfig = {
  ...{ kind: 'simple', widths: [8, 16], channels: 1, timeDim: 8, norm: 'separate' },
} as const;
const SIZE = 16;
const BATCH = 3;

/** What a network of the same fresh weights predicts of the same noise, as words and as bytes of a picture. */
export async function predicted(threads: number): Promise<{ words: number[]; bytes: number[] }> {
  const { network } = WasmNetwork.create({
    ...{ architecture: ARCHITECTURE, size: SIZE, batch: BATCH, timesteps: 20, threads },
    training: false,
  });
  try {
    const random = new CounterRandom(7);
    await network.importState(initialState(buildNetwork(ARCHITECTURE), random));
    const xt = random.normals(PURPOSE.bench, 0, 0, BATCH * SIZE * SIZE);
    const out = await network.predict({ xt, t: Int32Array.of(0, 7, 19) }, 'running');
    const words = new Uint32Array(out.buffer, out.byteOffset, out.length);
    return { words: [...words], bytes: [...sharedArithmetic().toBytes(out)] };
  } finally {
    await network.dispose();
  }
}

/** The build that this process computes with. */
export async function build(): Promise<string> {
  const engine = Engine.create({ threads: 1, bytes: 65_536 });
  await engine.destroy();
  return engine.build;
}
