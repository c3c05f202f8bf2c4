import { kernelsOf, threadCount } from '../config/computing.js';
import type { NetworkDevice } from '../contracts/device.js';
import type { Sampler } from '../contracts/sampler.js';
import { chooseDevice } from '../device/choose.js';
import { openArithmetic, openUnet } from '../device/open.js';
import { passesOf } from '../diffusion/guidance.js';
import { CounterRandom } from '../diffusion/random.js';
import type { Trajectory } from '../diffusion/sampler.js';
import type { Schedule } from '../diffusion/schedule.js';
import type { StateDict } from '../network/state.js';
import { WasmSampler } from '../wasm/wasm-sampler.js';
import type { SampleOptions } from './options.js';
import { SplitSampler } from './split-sampler.js';

/** What a sampler needs of the options. */
export type SamplerOptions = Pick<
  SampleOptions,
  'computing' | 'model' | 'sampling' | 'condition' | 'seed' | 'requireCuda'
>;

/** A sampler on the device the options choose, with these weights. @throws UsageError when it does not fit. */
export async function openSampler(
  options: SamplerOptions,
  trajectory: Trajectory,
  schedule: Schedule,
  batch: number,
  state: StateDict,
): Promise<Sampler> {
  const { sampler, unet } = await open(options, trajectory, schedule, batch);
  try {
    await unet.importState(state);
    return sampler;
  } catch (error) {
    await sampler.dispose();
    throw error;
  }
}

async function open(
  options: SamplerOptions,
  trajectory: Trajectory,
  schedule: Schedule,
  batch: number,
): Promise<{ sampler: Sampler; unet: NetworkDevice }> {
  const { computing, model, sampling, condition = null, seed, requireCuda } = options;
  const { device } = await chooseDevice(computing, requireCuda);
  const { timesteps } = schedule;
  const shape = { architecture: model, size: model.size, batch, timesteps };
  const reverse = { trajectory, norm: sampling.norm, condition };
  if (device === 'wasm' && computing.arithmetic === 'wasm') {
    const engine = { ...kernelsOf(computing), threads: threadCount(computing) };
    const sampler = WasmSampler.create({ ...shape, ...engine, ...reverse, seed });
    return { sampler, unet: sampler.unet };
  }
  const arithmetic = await openArithmetic(computing);
  const passes = { ...shape, batch: batch * passesOf(condition) };
  const { unet } = await openUnet(device, computing, { ...passes, training: false });
  const random = new CounterRandom(seed);
  const each = model.size ** 2 * model.channels;
  return { sampler: new SplitSampler({ unet, arithmetic, ...reverse, random, each }), unet };
}
