import { kernelsOf, threadCount } from '../config/computing.js';
import type { Guide } from '../config/guide.js';
import type { NetworkDevice } from '../contracts/device.js';
import type { Sampler } from '../contracts/sampler.js';
import { chooseDevice } from '../device/choose.js';
import { openArithmetic, openUnet } from '../device/open.js';
import { passesOf } from '../diffusion/guidance.js';
import { CounterRandom } from '../diffusion/random.js';
import type { Trajectory } from '../diffusion/sampler.js';
import type { Schedule } from '../diffusion/schedule.js';
import { readWeights } from '../io/weights.js';
import type { StateDict } from '../network/state.js';
import { ReversePool } from '../wasm/reverse-pool.js';
import { WasmSampler } from '../wasm/wasm-sampler.js';
import type { SampleOptions } from './options.js';
import { PooledSampler } from './pooled-sampler.js';
import { SplitSampler, type SplitSamplerOptions } from './split-sampler.js';

/** The options that a sampler needs. */
export type SamplerOptions = Pick<
  SampleOptions,
  'computing' | 'model' | 'sampling' | 'condition' | 'guide' | 'seed' | 'requireCuda'
>;

/** A sampler on the chosen device, with these weights and the guide's. @throws UsageError if it does not fit */
export async function openSampler(
  options: SamplerOptions,
  trajectory: Trajectory,
  schedule: Schedule,
  batch: number,
  state: StateDict,
): Promise<Sampler> {
  const guide = options.guide ? await openGuide(options, options.guide, schedule, batch) : null;
  const { sampler, unet } = await open(options, trajectory, schedule, batch, guide).catch(
    async (error: unknown) => {
      await guide?.unet.dispose();
      throw error;
    },
  );
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
  guide: NonNullable<SplitSamplerOptions['guide']> | null,
): Promise<{ sampler: Sampler; unet: NetworkDevice }> {
  const { computing, model, sampling, condition = null, seed, requireCuda } = options;
  const { device } = await chooseDevice(computing, requireCuda);
  const { timesteps } = schedule;
  const shape = { architecture: model, size: model.size, batch, timesteps };
  const reverse = { trajectory, norm: sampling.norm, condition };
  if (device === 'wasm' && computing.arithmetic === 'wasm' && !guide) {
    const engine = { ...kernelsOf(computing), threads: threadCount(computing) };
    const sampler = WasmSampler.create({ ...shape, ...engine, ...reverse, seed });
    return { sampler, unet: sampler.unet };
  }
  const passes = { ...shape, batch: batch * passesOf(condition) };
  const { unet } = await openUnet(device, computing, { ...passes, training: false });
  const each = model.size ** 2 * model.channels;
  if (device === 'tensorflow' && computing.arithmetic === 'wasm') {
    const workers = threadCount(computing);
    const kernels = kernelsOf(computing);
    try {
      const pool = ReversePool.create({
        ...{ trajectory, seed, batch, each, lanes: 1, workers },
        ...kernels,
      });
      return { sampler: new PooledSampler({ unet, pool, ...reverse, guide }), unet };
    } catch (error) {
      await unet.dispose();
      throw error;
    }
  }
  const arithmetic = await openArithmetic(computing);
  const random = new CounterRandom(seed);
  const apart = { unet, arithmetic, ...reverse, guide, random, each };
  return { sampler: new SplitSampler(apart), unet };
}

/** The guide in one line, for notes. */
export const guideInWords = ({ weights, guidance }: Guide): string =>
  `guided away from ${weights}, W = ${guidance}`;

/** The guide's network, on the same device. */
async function openGuide(
  { computing, requireCuda }: SamplerOptions,
  { weights, model, guidance }: Guide,
  { timesteps }: Schedule,
  batch: number,
): Promise<NonNullable<SplitSamplerOptions['guide']>> {
  const { device } = await chooseDevice(computing, requireCuda);
  const state = await readWeights(weights);
  const shape = { architecture: model, size: model.size, batch, timesteps, training: false };
  const { unet } = await openUnet(device, computing, shape);
  try {
    await unet.importState(state);
    return { unet, guidance };
  } catch (error) {
    await unet.dispose();
    throw error;
  }
}
