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
import type { GuideOptions } from '../wasm/guide.js';
import { ReversePool } from '../wasm/reverse-pool.js';
import { WasmSampler, type WasmSamplerOptions } from '../wasm/wasm-sampler.js';
import type { SampleOptions } from './options.js';
import { PooledSampler } from './pooled-sampler.js';
import { SplitSampler, type SplitSamplerOptions } from './split-sampler.js';

/** The options that a sampler needs. */
export type SamplerOptions = Pick<
  SampleOptions,
  'computing' | 'model' | 'sampling' | 'condition' | 'guide' | 'seed' | 'requireCuda'
>;

/** What a sampler draws, and from which weights. */
interface Work {
  readonly trajectory: Trajectory;
  readonly schedule: Schedule;
  readonly batch: number;
  readonly state: StateDict;
}

/** A sampler on the chosen device, with these weights and the guide's. @throws UsageError if it does not fit */
export async function openSampler(
  options: SamplerOptions,
  trajectory: Trajectory,
  schedule: Schedule,
  batch: number,
  state: StateDict,
): Promise<Sampler> {
  const { computing, requireCuda } = options;
  const { device } = await chooseDevice(computing, requireCuda);
  const work = { trajectory, schedule, batch, state };
  if (device !== 'wasm' || computing.arithmetic !== 'wasm') return openApart(device, options, work);
  const whole = wholeOptions(options, work);
  // Where two networks are too much for one engine's memory, each has its own.
  if (whole.guide && !WasmSampler.fits(whole)) return openApart(device, options, work);
  return openWhole(whole, options, state);
}

const wholeOptions = (
  { computing, model, sampling, condition = null, guide = null, seed }: SamplerOptions,
  { trajectory, schedule, batch }: Work,
): WasmSamplerOptions => ({
  ...{ architecture: model, size: model.size, batch, timesteps: schedule.timesteps },
  ...{ ...kernelsOf(computing), threads: threadCount(computing) },
  ...{ trajectory, norm: sampling.norm, condition, seed },
  guide: guide && onEngine(guide),
});

/** A guide as the engine's samplers and generators take it; its weights are read later. */
export const onEngine = ({ model, guidance }: Guide): GuideOptions => ({
  architecture: model,
  guidance,
});

/** Everything on one engine. */
async function openWhole(
  whole: WasmSamplerOptions,
  { guide = null }: SamplerOptions,
  state: StateDict,
): Promise<Sampler> {
  const guideState = guide && (await readWeights(guide.weights));
  const sampler = WasmSampler.create(whole);
  return disposedOnFailure(sampler, async () => {
    await sampler.unet.importState(state);
    if (guideState) await sampler.importGuide(guideState);
    return sampler;
  });
}

/** Networks and arithmetic each by itself. */
const openApart = (
  device: NetworkDevice['name'],
  options: SamplerOptions,
  work: Work,
): Promise<Sampler> =>
  withNetworks(device, options, work, (networks) => around(device, options, work, networks));

/** A model's network and its guide's, open on a device. */
export type Networks = Pick<SplitSamplerOptions, 'guide'> & { readonly unet: NetworkDevice };

/** What `use` makes of the networks, with their weights; if it fails, they are disposed of. @throws UsageError if one does not fit */
export async function withNetworks<T>(
  device: NetworkDevice['name'],
  options: SamplerOptions,
  { schedule, batch, state }: Omit<Work, 'trajectory'>,
  use: (networks: Networks) => Promise<T>,
): Promise<T> {
  const { computing, model, condition = null, guide = null } = options;
  const { timesteps } = schedule;
  const open = async (of: Pick<Guide, 'model'>, images: number) => {
    const { model: architecture } = of;
    const shape = { architecture, size: model.size, batch: images, timesteps, training: false };
    return (await openUnet(device, computing, shape)).unet;
  };
  const unet = await open({ model }, batch * passesOf(condition));
  return disposedOnFailure(unet, async () => {
    await unet.importState(state);
    if (!guide) return use({ unet, guide: null });
    const other = await open(guide, batch);
    return disposedOnFailure(other, async () => {
      await other.importState(await readWeights(guide.weights));
      return use({ unet, guide: { unet: other, guidance: guide.guidance } });
    });
  });
}

/** The arithmetic, around networks that are open. */
async function around(
  device: NetworkDevice['name'],
  options: SamplerOptions,
  { trajectory, batch }: Work,
  networks: Networks,
): Promise<Sampler> {
  const { computing, model, sampling, condition = null, seed } = options;
  const each = model.size ** 2 * model.channels;
  const shared = { ...networks, trajectory, norm: sampling.norm, condition };
  if (device === 'tensorflow' && computing.arithmetic === 'wasm') {
    const lane = { trajectory, seed, batch, each, lanes: 1, workers: threadCount(computing) };
    const pool = ReversePool.create({ ...lane, ...kernelsOf(computing) });
    return new PooledSampler({ ...shared, pool });
  }
  const arithmetic = await openArithmetic(computing);
  return new SplitSampler({ ...shared, arithmetic, random: new CounterRandom(seed), each });
}

/** The guide in one line, for notes. */
export const guideInWords = ({ weights, guidance }: Guide): string =>
  `guided away from ${weights}, W = ${guidance}`;

/** What `use` resolves to; if it fails, `opened` is disposed of. */
async function disposedOnFailure<T>(
  opened: { dispose(): Promise<void> },
  use: () => Promise<T>,
): Promise<T> {
  try {
    return await use();
  } catch (error) {
    await opened.dispose();
    throw error;
  }
}
