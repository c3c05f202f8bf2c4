import { kernelsOf } from '../config/computing.js';
import type { DeviceChoice } from '../config/config.js';
import type { Generator } from '../contracts/generator.js';
import { openArithmetic, openUnet } from '../device/open.js';
import { passesOf } from '../diffusion/guidance.js';
import type { Trajectory } from '../diffusion/sampler.js';
import type { Schedule } from '../diffusion/schedule.js';
import type { StateDict } from '../network/state.js';
import { openSampler } from '../sample/open-sampler.js';
import { ReversePool } from '../wasm/reverse-pool.js';
import { largestBatch, WasmGenerator } from '../wasm/wasm-generator.js';
import type { GenerateOptions } from './options.js';
import { OverlappedGenerator } from './overlapped-generator.js';
import { SamplerGenerator } from './sampler-generator.js';

/** How the work of a run is divided, depending on its size. */
export interface Share {
  readonly workers: number;
  /** Concurrent batches, and the images of each. */
  readonly lanes: number;
  readonly batch: number;
  /** Whether fewer are acceptable if memory is not enough. */
  readonly yields: boolean;
}

/** The options that a generator needs. */
type Options = Pick<
  GenerateOptions,
  'computing' | 'model' | 'sampling' | 'condition' | 'guide' | 'seed' | 'requireCuda'
>;

/** A generator on the chosen device, with these weights. @throws UsageError if it does not fit */
export async function openGenerator(
  options: Options,
  device: DeviceChoice['device'],
  trajectory: Trajectory,
  schedule: Schedule,
  share: Share,
  state: StateDict,
): Promise<Generator> {
  const { computing, model, sampling, condition = null, seed } = options;
  const { workers, batch } = share;
  const { timesteps } = schedule;
  const shape = { architecture: model, size: model.size, timesteps, batch };
  // A guide is a second network, which workers cannot share like the first: batches are drawn one after the other.
  if (computing.arithmetic === 'tensorflow' || options.guide) {
    const steps = trajectory.timesteps.length;
    const arithmetic = await openArithmetic(computing);
    const pooled = { ...options, computing: { ...computing, threads: workers } };
    const sampler = await openSampler(pooled, trajectory, schedule, batch, state);
    const { arithmetic: on, strict } = computing;
    const build = on === 'tensorflow' ? on : strict ? 'strict' : 'relaxed';
    return new SamplerGenerator(sampler, arithmetic, { device, build, steps });
  }
  const kernels = kernelsOf(computing);
  const { norm } = sampling;
  if (device === 'wasm') {
    const generator = { ...shape, trajectory, norm, condition, seed, workers, ...kernels };
    const most = share.yields ? Math.max(1, largestBatch(generator)) : batch;
    return WasmGenerator.create({ ...generator, batch: most }, state);
  }
  const passes = { ...shape, batch: batch * passesOf(condition) };
  const { unet } = await openUnet(device, computing, { ...passes, training: false });
  try {
    await unet.importState(state);
    const each = model.size ** 2 * model.channels;
    const pool = ReversePool.create({ ...share, trajectory, seed, each, ...kernels });
    const { lanes } = share;
    return new OverlappedGenerator(unet, pool, { lanes, trajectory, norm, condition });
  } catch (error) {
    await unet.dispose();
    throw error;
  }
}
