import { threadCount } from '../config/computing.js';
import { chooseDevice } from '../device/choose.js';
import { openUnet } from '../device/unet.js';
import { CounterRandom } from '../diffusion/random.js';
import type { Trajectory } from '../diffusion/sampler.js';
import type { Schedule } from '../diffusion/schedule.js';
import { Arithmetic } from '../engine/arithmetic.js';
import { WasmSampler } from '../engine/wasm-sampler.js';
import type { StateDict } from '../unet/state.js';
import type { SampleOptions } from './options.js';
import type { Sampler } from './sampler.js';
import { type ReverseStep, SplitSampler } from './split-sampler.js';

type Options = Omit<SampleOptions, 'weights'>;

/**
 * A sampler on the device and arithmetic the options choose, with these weights.
 * @throws UsageError when it does not fit, or TensorFlow is not set up; CheckError when a GPU is required and there is
 * none.
 */
export async function openSampler(
  options: Options,
  trajectory: Trajectory,
  schedule: Schedule,
  batch: number,
  state: StateDict,
): Promise<Sampler> {
  const { device } = await chooseDevice(options.computing, options.requireCuda);
  const together = device === 'wasm' && options.computing.arithmetic === 'wasm';
  const shape = {
    architecture: options.model,
    size: options.model.size,
    batch,
    timesteps: schedule.timesteps,
  };
  if (!together) return openSplit(options, shape, device, trajectory, state);
  const { computing, sampling, seed } = options;
  const engine = { threads: threadCount(computing), strict: computing.strict };
  const norm = sampling.norm;
  const sampler = WasmSampler.create({ ...shape, ...engine, trajectory, norm, seed });
  return filled(sampler, async () => {
    await sampler.unet.importState(state);
    return sampler;
  });
}

async function openSplit(
  options: Options,
  shape: { architecture: Options['model']; size: number; batch: number; timesteps: number },
  device: 'wasm' | 'tensorflow',
  trajectory: Trajectory,
  state: StateDict,
): Promise<Sampler> {
  const { unet } = await openUnet(device, options.computing, { ...shape, training: false });
  return filled(unet, async () => {
    await unet.importState(state);
    return new SplitSampler({
      unet,
      arithmetic: await openArithmetic(options),
      trajectory,
      norm: options.sampling.norm,
      random: new CounterRandom(options.seed),
      each: shape.size ** 2 * shape.architecture.channels,
    });
  });
}

async function openArithmetic({ computing }: Options): Promise<ReverseStep> {
  if (computing.arithmetic === 'wasm') return new Arithmetic();
  const { createTensorflowArithmetic } = await import('../tensorflow/arithmetic.js');
  return createTensorflowArithmetic();
}

/** What `fill` resolves to; if it fails, what it was filling is disposed of. */
async function filled<T>(owner: { dispose(): Promise<void> }, fill: () => Promise<T>): Promise<T> {
  try {
    return await fill();
  } catch (error) {
    await owner.dispose();
    throw error;
  }
}
