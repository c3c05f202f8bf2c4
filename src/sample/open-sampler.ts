import { threadCount } from '../config/computing.js';
import { chooseDevice } from '../device/choose.js';
import type { Trajectory } from '../diffusion/sampler.js';
import type { Schedule } from '../diffusion/schedule.js';
import { WasmSampler } from '../engine/wasm-sampler.js';
import type { StateDict } from '../unet/state.js';
import type { SampleOptions } from './options.js';
import type { Sampler } from './sampler.js';

/** A sampler on the device the options choose, with these weights. @throws UsageError when it does not fit. */
export async function openSampler(
  options: Omit<SampleOptions, 'weights'>,
  trajectory: Trajectory,
  schedule: Schedule,
  batch: number,
  state: StateDict,
): Promise<Sampler> {
  const { computing, model, sampling, seed, requireCuda } = options;
  chooseDevice(computing, requireCuda);
  const sampler = WasmSampler.create({
    architecture: model,
    size: model.size,
    batch,
    timesteps: schedule.timesteps,
    threads: threadCount(computing),
    strict: computing.strict,
    trajectory,
    norm: sampling.norm,
    seed,
  });
  try {
    await sampler.unet.importState(state);
    return sampler;
  } catch (error) {
    await sampler.dispose();
    throw error;
  }
}
