import test from 'ava';
import type { NetworkDevice } from '../../src/contracts/device.js';
import type { Sampler } from '../../src/contracts/sampler.js';
import { CounterRandom } from '../../src/diffusion/random.js';
import type { Redraw } from '../../src/diffusion/redraw.js';
import type { ReverseStep } from '../../src/diffusion/reverse-walk.js';
import {
  makeTrajectory,
  type SamplerOptions,
  type Trajectory,
} from '../../src/diffusion/sampler.js';
import { makeSchedule } from '../../src/diffusion/schedule.js';
import { Arithmetic } from '../../src/engine/arithmetic.js';
import { WasmNetwork } from '../../src/engine/network/wasm-network.js';
import { initialState } from '../../src/network/initial-state.js';
import { buildNetwork } from '../../src/network/network.js';
import { PooledSampler } from '../../src/sample/pooled-sampler.js';
import { RedrawingSampler } from '../../src/sample/redrawing-sampler.js';
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

/** How a sampler draws, and the picture it redraws. */
type Options = SamplerOptions & { readonly redraw?: Redraw };

const trajectoryOf = (options: Options) =>
  makeTrajectory(
    makeSchedule({ ...linear, objective: options.sampler === 'flow-euler' ? 'flow' : 'epsilon' }),
    options,
    options.redraw,
  );

/** A picture that grows brighter, of which the first half is kept. */
const picture = Float32Array.from({ length: 8 * 8 * 3 }, (_, i) => i / 96 - 1);
const mask = picture.map((v) => (v < 0 ? 0 : 1));

/** A sampler around another one that redraws the picture, if asked to. */
function redrawing(sampler: Sampler, trajectory: Trajectory, { redraw }: Options): Sampler {
  if (!redraw) return sampler;
  const how = { ...redraw, picture, mask: redraw.strength === 1 ? Uint8Array.from(mask) : null };
  return new RedrawingSampler(sampler, how, trajectory, new CounterRandom(SEED));
}
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

async function whole(options: Options): Promise<Float32Array[]> {
  const trajectory = trajectoryOf(options);
  const sampler = WasmSampler.create({ ...net, trajectory, norm: 'running', seed: SEED });
  await sampler.unet.importState(weights);
  return draw(redrawing(sampler, trajectory, options), trajectory.timesteps.length);
}

async function split(
  options: Options,
  unet: NetworkDevice,
  arithmetic: ReverseStep,
): Promise<Float32Array[]> {
  await unet.importState(weights);
  const trajectory = trajectoryOf(options);
  const random = new CounterRandom(SEED);
  const rest = { trajectory, norm: 'running', random, each: 8 * 8 * 3 } as const;
  const sampler = new SplitSampler({ unet, arithmetic, ...rest });
  return draw(redrawing(sampler, trajectory, options), trajectory.timesteps.length);
}

async function pooled(options: Options, workers: number): Promise<Float32Array[]> {
  const { network: unet } = WasmNetwork.create(net);
  await unet.importState(weights);
  const trajectory = trajectoryOf(options);
  const shape = { batch: 2, each: 8 * 8 * 3, lanes: 1, workers };
  const pool = ReversePool.create({ trajectory, seed: SEED, ...shape, strict: false });
  const sampler = new PooledSampler({ unet, pool, trajectory, norm: 'running' });
  return draw(redrawing(sampler, trajectory, options), trajectory.timesteps.length);
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
  { sampler: 'ancestral', redraw: { strength: 0.2, resample: 1 } },
  { sampler: 'ancestral', steps: 4, redraw: { strength: 1, resample: 2 } },
  { sampler: 'unipc', steps: 8, redraw: { strength: 0.5, resample: 1 } },
  { sampler: 'heun', steps: 3, redraw: { strength: 1, resample: 1 } },
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
