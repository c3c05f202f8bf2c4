import { chooseDevice } from '../device/choose.js';
import type { Trajectory } from '../diffusion/sampler.js';
import { WasmGenerator } from '../engine/wasm-generator.js';
import type { StateDict } from '../unet/state.js';
import type { Generator } from './generator.js';
import type { GenerateOptions } from './options.js';

/** Workers and batch of a run, after what there is to do. */
export interface Share {
  readonly workers: number;
  readonly batch: number;
}

/** A generator on the device the options choose, with these weights. @throws UsageError when it does not fit. */
export async function openGenerator(
  { computing, model, diffusion, sampling, seed, requireCuda }: GenerateOptions,
  trajectory: Trajectory,
  { workers, batch }: Share,
  state: StateDict,
): Promise<Generator> {
  chooseDevice(computing, requireCuda);
  return WasmGenerator.create(
    {
      architecture: model,
      size: model.size,
      timesteps: diffusion.timesteps,
      batch,
      workers,
      strict: computing.strict,
      trajectory,
      norm: sampling.norm,
      seed,
    },
    state,
  );
}
