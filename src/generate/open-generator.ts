import type { DeviceChoice } from '../config/config.js';
import { openArithmetic } from '../device/open.js';
import type { Trajectory } from '../diffusion/sampler.js';
import type { Schedule } from '../diffusion/schedule.js';
import { WasmGenerator } from '../engine/wasm-generator.js';
import { openSampler } from '../sample/open-sampler.js';
import type { StateDict } from '../unet/state.js';
import type { Generator } from './generator.js';
import type { GenerateOptions } from './options.js';
import { SamplerGenerator } from './sampler-generator.js';

/** Workers and batch of a run, after what there is to do. */
export interface Share {
  readonly workers: number;
  readonly batch: number;
}

/** A generator on the device that was chosen, with these weights. @throws UsageError when it does not fit. */
export async function openGenerator(
  options: GenerateOptions,
  device: DeviceChoice['device'],
  trajectory: Trajectory,
  schedule: Schedule,
  { workers, batch }: Share,
  state: StateDict,
): Promise<Generator> {
  const { computing, model, sampling, seed } = options;
  if (device === 'wasm' && computing.arithmetic === 'wasm') {
    const { timesteps } = schedule;
    const shape = { architecture: model, size: model.size, timesteps, batch };
    const { strict } = computing;
    const reverse = { trajectory, norm: sampling.norm, seed };
    return WasmGenerator.create({ ...shape, ...reverse, workers, strict }, state);
  }
  const steps = trajectory.timesteps.length;
  const arithmetic = await openArithmetic(computing);
  const pooled = { ...options, computing: { ...computing, threads: workers } };
  const sampler = await openSampler(pooled, trajectory, schedule, batch, state);
  return new SamplerGenerator(sampler, arithmetic, { device, build: 'tensorflow', steps });
}
