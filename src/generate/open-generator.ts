import { kernelsOf } from '../config/computing.js';
import type { DeviceChoice } from '../config/config.js';
import type { Generator, LatentGenerator } from '../contracts/generator.js';
import { openArithmetic } from '../device/open.js';
import { openAutoencoder } from '../device/open-autoencoder.js';
import type { Trajectory } from '../diffusion/sampler.js';
import type { Schedule } from '../diffusion/schedule.js';
import type { AutoencoderWeights } from '../io/autoencoder.js';
import { readWeights } from '../io/weights.js';
import type { StateDict } from '../network/state.js';
import { onEngine, openSampler, withNetworks } from '../sample/open-sampler.js';
import { ReversePool } from '../wasm/reverse-pool.js';
import { largestBatch, WasmGenerator } from '../wasm/wasm-generator.js';
import { DecodingGenerator } from './decoding-generator.js';
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
interface Options
  extends Pick<
    GenerateOptions,
    'computing' | 'model' | 'sampling' | 'condition' | 'guide' | 'seed' | 'requireCuda'
  > {
  readonly autoencoder?: AutoencoderWeights | null;
}

/** A generator on the chosen device, with these weights. @throws UsageError if it does not fit */
export async function openGenerator(
  options: Options,
  device: DeviceChoice['device'],
  trajectory: Trajectory,
  schedule: Schedule,
  share: Share,
  state: StateDict,
): Promise<Generator> {
  const open = () => openOfNetwork(options, device, trajectory, schedule, share, state);
  const { autoencoder: files, model, requireCuda } = options;
  if (!files) return open();
  const computing = { ...options.computing, threads: share.workers };
  const autoencoder = await openAutoencoder(files, model.size, { computing, requireCuda });
  try {
    // The decoder takes its memory first: where that is short, it is the batch that can be smaller.
    await autoencoder.decode(new Float32Array());
    return new DecodingGenerator(await open(), autoencoder);
  } catch (error) {
    await autoencoder.dispose();
    throw error;
  }
}

/** One of the network's images. */
async function openOfNetwork(
  options: Options,
  device: DeviceChoice['device'],
  trajectory: Trajectory,
  schedule: Schedule,
  share: Share,
  state: StateDict,
): Promise<Generator & LatentGenerator> {
  const { computing, model, sampling, condition = null, guide = null, seed } = options;
  const { workers, batch } = share;
  const { timesteps } = schedule;
  const shape = { architecture: model, size: model.size, timesteps, batch };
  if (computing.arithmetic === 'tensorflow') {
    const steps = trajectory.timesteps.length;
    const arithmetic = await openArithmetic(computing);
    const pooled = { ...options, computing: { ...computing, threads: workers } };
    const sampler = await openSampler(pooled, trajectory, schedule, batch, state);
    return new SamplerGenerator(sampler, arithmetic, { device, build: 'tensorflow', steps });
  }
  const kernels = kernelsOf(computing);
  const { norm } = sampling;
  if (device === 'wasm') {
    const reverse = { trajectory, norm, condition, seed };
    const generator = {
      ...shape,
      ...reverse,
      workers,
      ...kernels,
      guide: guide && onEngine(guide),
    };
    const most = share.yields ? Math.max(1, largestBatch(generator)) : batch;
    const other = guide ? await readWeights(guide.weights) : undefined;
    return WasmGenerator.create({ ...generator, batch: most }, state, other);
  }
  return withNetworks(device, options, { schedule, batch, state }, async (networks) => {
    const each = model.size ** 2 * model.channels;
    const pool = ReversePool.create({ ...share, trajectory, seed, each, ...kernels });
    const lanes = { lanes: share.lanes, trajectory, norm, condition, guide: networks.guide };
    return new OverlappedGenerator(networks.unet, pool, lanes);
  });
}
