/** Whole images as files: `haze generate` by workers and batch, beside `haze sample` and the sampling loops of peers. */
import { rm } from 'node:fs/promises';
import { join as joinPath } from 'node:path';
import type { ModelConfig } from '../config/config.js';
import { DIFFUSION_DEFAULTS } from '../config/diffusion.js';
import { CounterRandom, PURPOSE } from '../diffusion/random.js';
import { makeTrajectory, type SamplerOptions } from '../diffusion/sampler.js';
import { makeSchedule } from '../diffusion/schedule.js';
import { Arithmetic } from '../engine/arithmetic.js';
import { generate } from '../generate/generate.js';
import type { GenerateOptions } from '../generate/options.js';
import { writeSafetensors } from '../io/safetensors.js';
import { networkCost } from '../network/cost.js';
import { initialState } from '../network/initial-state.js';
import { buildNetwork } from '../network/network.js';
import type { StateDict } from '../network/state.js';
import { batchFor } from '../sample/draw-images.js';
import { sampleFrom } from '../sample/sample.js';
import { measureBesidePeers, PIXEL_TOLERANCE } from './beside-peers.js';
import { FEW_STEPS, GENERATED, MODELS } from './models.js';
import type { BenchOptions, NamedModel } from './options.js';
import { ours, variants } from './paths.js';
import type { Missing, Path, Work } from './result.js';
import type { Contender } from './rounds.js';
import { digest } from './statistics.js';
import { type Findings, join, wantsTensorflow } from './suite.js';
import { f32, i64, temporarily, writeTask } from './task.js';

/** Batches per worker; the first is the default. */
const BATCHES = [16, 8, 4];

/** The fewest images, so that the last batches of two workers carry little weight. */
const IMAGES = 32;

/** Operations per turn: about a second on two cores; a dozen paths take turns. */
const OPERATIONS = 150e9;

/** Steps per image: enough that fixed costs per image weigh no more than they do with 300, and few. */
const STEPS = { least: 2, most: 100 };

/** Batches of peers, besides all images at once: the best one counts. */
const PEER_BATCH = 8;

export async function benchGenerate(options: BenchOptions): Promise<Findings> {
  const models = options.chosen ? [options.chosen] : GENERATED.map((name) => MODELS[name]);
  const all: Findings[] = [];
  for (const one of models) all.push(await benchModel(one, options));
  return join(all);
}

async function benchModel({ name, model }: NamedModel, options: BenchOptions): Promise<Findings> {
  const [first] = variants(options);
  const extent = extentOf(model, options.batch, first!.threads);
  const work: Work = {
    ...{ subject: 'generate', what: generatedBy(model), model: name, size: model.size },
    batch: extent.batches[0]!,
    images: extent.images,
    steps: extent.steps,
  };
  const missing: Missing[] = [];
  return temporarily(async (folder) => {
    const state = initialState(buildNetwork(model), new CounterRandom(options.seed));
    const weights = joinPath(folder, 'model.safetensors');
    await writeSafetensors(weights, state);
    const base = baseOptions(model, weights, options, extent);
    const contenders = [
      ...(options.only.device === 'tensorflow' ? [] : onEngine(base, extent, options, folder)),
      ...(options.only.device === 'tensorflow' ? [] : [samplePath(base, state, options)]),
      ...(wantsTensorflow(options.only.device, work, missing)
        ? onTensorflow(base, extent, options, folder)
        : []),
    ];
    const batches = [...new Set([Math.min(PEER_BATCH, extent.images), extent.images])];
    const task = async () => ({
      file: await writeSamplingTask(folder, model, extent, options.seed, state),
      ...{ threads: first!.threads, network: model.kind },
    });
    const peers = { repeat: 1, batches };
    const how = { tolerance: PIXEL_TOLERANCE, task, peers, missing };
    return measureBesidePeers(work, contenders, options, how);
  });
}

/** The amount of work in a turn. */
export interface Extent {
  readonly batches: readonly number[];
  readonly images: number;
  readonly steps: number;
}

/** Enough images to give every worker whole batches of each size, and enough steps for about a second. */
export function extentOf(model: ModelConfig, batch: number | null, workers: number): Extent {
  const batches = batch === null ? BATCHES : [batch];
  const share = workers * Math.max(...batches);
  const images = share * Math.ceil(IMAGES / share);
  const { forward } = networkCost(buildNetwork(model, model.size));
  const steps = Math.round(OPERATIONS / (forward * images));
  return { batches, images, steps: Math.min(STEPS.most, Math.max(STEPS.least, steps)) };
}

/** How a network is sampled: diffusers' own as its users do, the reference by its own loop. */
export const GENERATED_BY = { simple: 'ancestral', unet2d: 'ddim', dit: 'ddim' } as const;

export const generatedBy = ({ kind }: ModelConfig): 'ancestral' | 'ddim' => GENERATED_BY[kind];

/** The reverse process. Ancestral steps visit every timestep, so their schedule has no others. */
function processOf(model: ModelConfig, steps: number) {
  const sampler = generatedBy(model);
  const diffusion = sampler === 'ddim' ? FEW_STEPS : { ...DIFFUSION_DEFAULTS, timesteps: steps };
  const sampling = { sampler, steps, eta: sampler === 'ddim' ? 0 : 1 } satisfies SamplerOptions;
  return { diffusion, sampling };
}

/** The run that all of Haze's paths modify. */
function baseOptions(
  model: ModelConfig,
  weights: string,
  { computing, seed }: BenchOptions,
  { images, steps }: Extent,
): Omit<GenerateOptions, 'out' | 'workers' | 'batch'> {
  const { diffusion, sampling } = processOf(model, steps);
  return {
    ...{ weights, model, seed, computing, count: images, format: 'png' },
    diffusion,
    sampling: { ...sampling, norm: 'running' },
    ...{ shard: { index: 1, of: 1 }, resume: false, requireCuda: false },
  };
}

type Base = ReturnType<typeof baseOptions>;

/** All workers, and one, with each batch. */
function onEngine(base: Base, { batches }: Extent, options: BenchOptions, folder: string) {
  if (options.only.arithmetic === 'tensorflow') return [];
  const [first] = variants(options);
  const { build, wide, threads } = first!;
  const computing = { ...base.computing, device: 'wasm', arithmetic: 'wasm' } as const;
  const engine = { device: 'wasm', arithmetic: 'wasm', build, wide } as const;
  return [...new Set([threads, 1])].flatMap((workers) =>
    batches.map((batch) => {
      const path = ours({ ...engine, threads: workers, batch });
      return generatePath(path, { ...base, computing, workers, batch }, folder);
    }),
  );
}

/** Two batches, which overlap if the pool computes the arithmetic. */
function onTensorflow(base: Base, { images }: Extent, options: BenchOptions, folder: string) {
  const { threads } = variants(options)[0]!;
  const batch = Math.ceil(images / 2);
  return (['wasm', 'tensorflow'] as const)
    .filter((arithmetic) => (options.only.arithmetic ?? arithmetic) === arithmetic)
    .map((arithmetic) => {
      const computing = { ...base.computing, device: 'tensorflow', arithmetic } as const;
      const workers = arithmetic === 'wasm' ? threads : null;
      const path = ours({ device: 'tensorflow', arithmetic, build: null, threads: workers, batch });
      return generatePath(path, { ...base, computing, workers: threads, batch }, folder);
    });
}

/** `haze generate` into a new folder; its own clock runs from the first batch to the last file. */
function generatePath(
  path: Path,
  options: Omit<GenerateOptions, 'out'>,
  folder: string,
): Contender {
  const out = joinPath(folder, 'images');
  const make = async <T>(look: () => Promise<T>): Promise<{ seconds: number; seen: T }> => {
    try {
      const { seconds } = await generate({ ...options, out });
      return { seconds, seen: await look() };
    } finally {
      await rm(out, { recursive: true, force: true });
    }
  };
  return {
    path,
    check: async () => digest((await make(() => readPixels(out, options.count))).seen),
    turn: async () => 1000 * (await make(async () => undefined)).seconds,
  };
}

/** Pixels of all files, in [-1, 1]. */
async function readPixels(out: string, count: number): Promise<Float32Array> {
  const { default: sharp } = await import('sharp');
  const name = (k: number) => joinPath(out, `${String(k).padStart(6, '0')}.png`);
  const files = Array.from({ length: count }, (_, k) => sharp(name(k)).raw().toBuffer());
  return new Arithmetic().toFloat(Buffer.concat(await Promise.all(files)));
}

/** `haze sample` on all threads, from its first step to its last; it writes no file. */
function samplePath(base: Base, state: StateDict, options: BenchOptions): Contender {
  const { build, wide, threads } = variants(options)[0]!;
  const { weights: _, ...rest } = base;
  const computing = { ...base.computing, device: 'wasm', arithmetic: 'wasm', threads } as const;
  const sample = async () => {
    let [begun, ended] = [0, 0];
    const { images } = await sampleFrom(state, {
      ...{ ...rest, computing, frames: null },
      onEvent: ({ kind }) => {
        if (kind === 'note') begun = performance.now();
        else ended = performance.now();
      },
    });
    return { images, ms: ended - begun };
  };
  const path = { device: 'wasm', arithmetic: 'wasm', build, wide, threads } as const;
  return {
    path: { by: 'haze sample', ...path, batch: batchFor(base.count) },
    check: async () => {
      const arithmetic = new Arithmetic();
      return digest(arithmetic.toFloat(arithmetic.toBytes((await sample()).images)));
    },
    turn: async () => (await sample()).ms,
  };
}

/** For peers: x_T of all images, the steps' timesteps and coefficients, and the noise of ancestral ones. */
export function writeSamplingTask(
  folder: string,
  model: ModelConfig,
  { images, steps }: Extent,
  seed: number,
  state: StateDict,
): Promise<string> {
  const { size, channels } = model;
  const { diffusion, sampling } = processOf(model, steps);
  const { timesteps, coefficients, width } = makeTrajectory(makeSchedule(diffusion), sampling);
  const random = new CounterRandom(seed);
  const each = size ** 2 * channels;
  const shape = [images, size, size, channels];
  const draw = (purpose: 9 | 10, t: number, out: Float32Array) => {
    for (let k = 0; k < images; k++) out.set(random.normals(purpose, k, t, each), k * each);
  };
  const start = new Float32Array(images * each);
  draw(PURPOSE.sampleInit, 0, start);
  const noise = new Float32Array(sampling.eta === 0 ? 0 : steps * images * each);
  if (noise.length > 0)
    timesteps.forEach((t, i) => {
      draw(PURPOSE.sampleNoise, t, noise.subarray(i * images * each, (i + 1) * images * each));
    });
  const tensors = {
    xt: f32(shape, start),
    ...(noise.length > 0 && { noise: f32([steps, ...shape], noise) }),
    t: i64(timesteps),
    [sampling.sampler]: f32([steps, width], coefficients),
  };
  return writeTask(folder, tensors, { model, state });
}
