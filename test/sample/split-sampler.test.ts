import test from 'ava';
import type { NetworkDevice } from '../../src/contracts/device.js';
import type { Sampler } from '../../src/contracts/sampler.js';
import { CounterRandom } from '../../src/diffusion/random.js';
import type { ReverseStep } from '../../src/diffusion/reverse-walk.js';
import { makeTrajectory, type SamplerOptions } from '../../src/diffusion/sampler.js';
import { makeSchedule } from '../../src/diffusion/schedule.js';
import { Arithmetic } from '../../src/engine/arithmetic.js';
import { WasmNetwork } from '../../src/engine/network/wasm-network.js';
import { initialState } from '../../src/network/initial-state.js';
import { buildNetwork } from '../../src/network/network.js';
import { PooledSampler } from '../../src/sample/pooled-sampler.js';
import { SplitSampler } from '../../src/sample/split-sampler.js';
import { createTensorflowArithmetic } from '../../src/tensorflow/arithmetic.js';
import { createTensorflowNetwork } from '../../src/tensorflow/network-device.js';
import { ReversePool } from '../../src/wasm/reverse-pool.js';
import { WasmSampler } from '../../src/wasm/wasm-sampler.js';
import { close } from '../helpers/kernels.js';
import { tensorflowTest } from '../helpers/tensorflow.js';

const SEED = 3;
const architecture = {
  kind: 'simple',
  widths: [8, 12],
  channels: 3,
  timeDim: 8,
  norm: 'separate',
} as const;
const net = { architecture, size: 8, batch: 2, timesteps: 40, threads: 2, training: false };
const linear = { schedule: 'linear', timesteps: 40, betaStart: 1e-4, betaEnd: 0.1 } as const;

const trajectoryOf = (options: SamplerOptions) =>
  makeTrajectory(
    makeSchedule({ ...linear, objective: options.sampler === 'flow-euler' ? 'flow' : 'epsilon' }),
    options,
  );
const weights = initialState(buildNetwork(architecture), new CounterRandom(SEED));

/** x_T, the middle of the way, and the images, for image numbers that do not begin at 0. */
async function draw(sampler: Sampler, steps: number): Promise<Float32Array[]> {
  await sampler.start(Uint32Array.of(5, 6));
  const frames = [sampler.read()];
  await sampler.advance(0, Math.floor(steps / 2));
  frames.push(sampler.read());
  await sampler.advance(Math.floor(steps / 2), steps);
  frames.push(sampler.read());
  await sampler.dispose();
  return frames;
}

async function whole(options: SamplerOptions): Promise<Float32Array[]> {
  const trajectory = trajectoryOf(options);
  const sampler = WasmSampler.create({ ...net, trajectory, norm: 'running', seed: SEED });
  await sampler.unet.importState(weights);
  return draw(sampler, trajectory.timesteps.length);
}

async function split(
  options: SamplerOptions,
  unet: NetworkDevice,
  arithmetic: ReverseStep,
): Promise<Float32Array[]> {
  await unet.importState(weights);
  const trajectory = trajectoryOf(options);
  const random = new CounterRandom(SEED);
  const rest = { trajectory, norm: 'running', random, each: 8 * 8 * 3 } as const;
  return draw(new SplitSampler({ unet, arithmetic, ...rest }), trajectory.timesteps.length);
}

async function pooled(options: SamplerOptions, workers: number): Promise<Float32Array[]> {
  const { network: unet } = WasmNetwork.create(net);
  await unet.importState(weights);
  const trajectory = trajectoryOf(options);
  const shape = { batch: 2, each: 8 * 8 * 3, lanes: 1, workers };
  const pool = ReversePool.create({ trajectory, seed: SEED, ...shape, strict: false });
  const sampler = new PooledSampler({ unet, pool, trajectory, norm: 'running' });
  return draw(sampler, trajectory.timesteps.length);
}

for (const options of [
  { sampler: 'ancestral' },
  { sampler: 'ddim', steps: 10, eta: 0.5 },
  { sampler: 'ddim', steps: 10, eta: 0 },
  { sampler: 'ddim', steps: 6, clamp: 1 },
  { sampler: 'ddim', steps: 6, dynamicThreshold: 0.9, thresholdMax: 1.5 },
  { sampler: 'ancestral', steps: 8, spacing: 'trailing' },
  { sampler: 'euler', steps: 6, karras: true },
  { sampler: 'euler-a', steps: 6 },
  { sampler: 'heun', steps: 4 },
  { sampler: 'dpm++2m', steps: 6, dynamicThreshold: 0.995 },
  { sampler: 'dpm++3m', steps: 6 },
  { sampler: 'dpm++sde', steps: 6, lastAlpha: 'first' },
  { sampler: 'unipc', steps: 6 },
  { sampler: 'unipc', steps: 7, order: 3, solverType: 'bh1' },
  { sampler: 'flow-euler', steps: 6, shift: 3 },
] as const) {
  const sampler = JSON.stringify(options);
  test(`${sampler} on the engine has the same bits in two parts and in one program`, async (t) => {
    const unet = WasmNetwork.create(net).network;
    t.deepEqual(await split(options, unet, new Arithmetic()), await whole(options));
  });

  test(`${sampler} with its arithmetic on a pool has the same bits`, async (t) => {
    t.deepEqual(await pooled(options, 2), await whole(options));
  });

  tensorflowTest(
    `${sampler} draws the same images with U-Net and arithmetic on TensorFlow`,
    async (t) => {
      const unet = await createTensorflowNetwork(net);
      const got = await split(options, unet, await createTensorflowArithmetic());
      const expected = await whole(options);
      t.deepEqual(got[0], expected[0]);
      // Each step passes on the difference of the one before.
      for (const [i, frame] of got.entries()) close(t, frame, expected[i]!, { atol: 1e-4 });
    },
  );
}
