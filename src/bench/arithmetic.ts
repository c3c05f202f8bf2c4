/** The kernels around the U-Net, one at a time: wasm, plain JavaScript, TensorFlow. */
import type { ModelConfig } from '../config/config.js';
import { DIFFUSION_DEFAULTS } from '../config/diffusion.js';
import { PRESETS } from '../config/presets.js';
import { CounterRandom, PURPOSE } from '../diffusion/random.js';
import { makeTrajectory, type Trajectory } from '../diffusion/sampler.js';
import { makeSchedule } from '../diffusion/schedule.js';
import { type KernelCall, KernelRunner, OUTPUT } from '../engine/kernel-runner.js';
import { splitSeed } from '../engine/seed.js';
import type { TensorflowArithmetic } from '../tensorflow/arithmetic.js';
import { measureBesidePeers } from './beside-peers.js';
import { microTurn } from './micro.js';
import type { BenchOptions } from './options.js';
import { ours, type Variant, variants } from './paths.js';
import * as plain from './plain.js';
import type { Missing, Work } from './result.js';
import type { Contender } from './rounds.js';
import { digest } from './statistics.js';
import { type Findings, join, wantsTensorflow } from './suite.js';
import { f32, temporarily, writeTask } from './task.js';

/** Values of the reference's batch: 1.57 million. */
const BATCH = PRESETS.reference.batch;

/** Calls per task of the workers, since a training step makes many calls. */
const TIMES = 8;

/** Runs of a peer in a turn. */
const PEER_REPEAT = 9;

/**
 * Normals of another generator agree only in mean and deviation, and less closely the fewer they are: six standard
 * deviations of the difference of two means.
 */
const anotherGenerator = (values: number): number => 6 * Math.sqrt(2 / values);

const NAMES = [
  'gaussian',
  'qSample',
  'pSample',
  'ddimStep',
  'toFloat',
  'toBytes',
  'batchToFloat',
] as const;

type Name = (typeof NAMES)[number];

export interface Inputs {
  readonly image: { readonly height: number; readonly width: number; readonly channels: number };
  readonly values: number;
  readonly key: readonly [number, number];
  readonly x0: Float32Array;
  readonly eps: Float32Array;
  readonly z: Float32Array;
  readonly pixels: Uint8Array;
  readonly flips: Uint32Array;
  /** √ᾱ_t and √(1−ᾱ_t). */
  readonly signal: number;
  readonly noise: number;
  readonly ancestral: Float32Array;
  readonly ddim: Float32Array;
}

export async function benchArithmetic(options: BenchOptions): Promise<Findings> {
  const { model } = options.chosen ?? PRESETS.reference;
  const batch = options.batch ?? BATCH;
  const inputs = kernelInputs(model, batch, options.seed);
  const runners = options.only.arithmetic === 'tensorflow' ? [] : openRunners(inputs, options);
  try {
    return await temporarily(async (folder) => {
      const file = options.peers ? await writeKernelTask(folder, inputs) : '';
      const all: Findings[] = [];
      for (const what of NAMES) {
        const work = { subject: 'arithmetic', what, model: null, batch, size: model.size } as const;
        all.push(await benchKernel(work, what, inputs, runners, options, file));
      }
      return join(all);
    });
  } finally {
    for (const { runner } of runners) await runner.destroy();
  }
}

async function benchKernel(
  work: Work,
  what: Name,
  inputs: Inputs,
  runners: readonly Runner[],
  options: BenchOptions,
  file: string,
): Promise<Findings> {
  const missing: Missing[] = [];
  const contenders = runners.map((runner) => onEngine(what, runner));
  contenders.push(inJavaScript(what, inputs));
  const onTensorflow = TENSORFLOW[what];
  if (!onTensorflow && options.only.arithmetic !== 'wasm')
    missing.push({ ...work, by: 'haze, tensorflow', why: "its noise is the engine's" });
  else if (onTensorflow && wantsTensorflow(options.only.arithmetic, work, missing)) {
    const { createTensorflowArithmetic } = await import('../tensorflow/arithmetic.js');
    contenders.push(throughTensorflow(onTensorflow, await createTensorflowArithmetic(), inputs));
  }
  const threads = variants(options)[0]!.threads;
  const generator =
    what === 'gaussian' ? { tolerance: anotherGenerator(inputs.values), comparable: 2 } : {};
  return measureBesidePeers(work, contenders, options, {
    // f32 against f64, a different order of operations, and for bytes rounding to the neighbouring level.
    tolerance: what === 'toBytes' ? 1 : 1e-4,
    task: () => ({ file, threads }),
    peers: { repeat: PEER_REPEAT, ...generator },
    missing,
  });
}

interface Runner {
  readonly variant: Variant;
  readonly runner: KernelRunner<Name>;
}

/** These kernels have no relaxed operations, so the two builds would give the same row twice. */
function openRunners(inputs: Inputs, options: BenchOptions): Runner[] {
  const [first] = variants(options);
  return variants(options)
    .filter(({ build }) => build === first!.build)
    .map((variant) => {
      const { threads, build, wide } = variant;
      const strict = build === 'strict';
      const runner = new KernelRunner(calls(inputs), { threads, strict, wide });
      return { variant, runner };
    });
}

function onEngine(what: Name, { variant, runner }: Runner): Contender {
  return {
    path: ours({ device: null, arithmetic: 'wasm', ...variant }),
    check: async () => {
      await runner.run(what, 1);
      return digest(runner.output(what));
    },
    turn: async () => (await microTurn(() => runner.run(what, TIMES))) / TIMES,
  };
}

function inJavaScript(what: Name, inputs: Inputs): Contender {
  const { run, out } = plainCall(what, inputs);
  return {
    path: { by: 'plain JS', device: null, arithmetic: null, build: null, threads: 1 },
    check: async () => {
      run();
      return digest(out);
    },
    turn: () => microTurn(run),
  };
}

type OnTensorflow = (tf: TensorflowArithmetic, inputs: Inputs) => Float32Array | Uint8Array;

function throughTensorflow(
  compute: OnTensorflow,
  arithmetic: TensorflowArithmetic,
  inputs: Inputs,
): Contender {
  return {
    path: ours({ device: null, arithmetic: 'tensorflow', build: null, threads: null }),
    check: async () => digest(compute(arithmetic, inputs)),
    turn: () =>
      microTurn(() => {
        compute(arithmetic, inputs);
      }),
  };
}

/** Takes and returns arrays, like the sampler and the trainer. The noise is Haze's. */
const TENSORFLOW: Partial<Record<Name, OnTensorflow>> = {
  qSample: (tf, i) => tf.qSample(i.x0, i.eps, i.signal, i.noise),
  pSample: (tf, i) => tf.reverseStep('pSample', i.x0, i.eps, i.z, i.ancestral),
  ddimStep: (tf, i) => tf.reverseStep('ddimStep', i.x0, i.eps, i.z, i.ddim),
  toFloat: (tf, i) => tf.toFloat(i.pixels),
  toBytes: (tf, i) => tf.toBytes(i.x0),
  batchToFloat: (tf, i) => tf.batchToFloat(i.pixels, i.flips, i.image),
};

function calls(i: Inputs): Record<Name, KernelCall> {
  const floats = { type: 'f32', length: i.values } as const;
  const each = { items: i.values, grain: 16, output: floats };
  const { height, width, channels } = i.image;
  const steps = [OUTPUT, i.x0, i.eps, i.z] as const;
  return {
    gaussian: { kernel: 'gaussian', args: [OUTPUT, ...i.key, PURPOSE.bench, 9, 0], ...each },
    qSample: { kernel: 'qSample', args: [OUTPUT, i.x0, i.eps, i.signal, i.noise], ...each },
    pSample: { kernel: 'pSample', args: [...steps, i.ancestral], ...each },
    ddimStep: { kernel: 'ddimStep', args: [...steps, i.ddim], ...each },
    toFloat: { kernel: 'toFloat', args: [OUTPUT, i.pixels], ...each },
    toBytes: {
      ...{ kernel: 'toBytes', args: [OUTPUT, i.x0], ...each },
      output: { type: 'u8', length: i.values },
    },
    batchToFloat: {
      kernel: 'batchToFloat',
      args: [OUTPUT, i.pixels, i.flips, height, width, channels],
      items: i.flips.length * height,
      output: floats,
    },
  };
}

function plainCall(what: Name, i: Inputs): { run: () => void; out: ArrayLike<number> } {
  const out = new Float32Array(i.values);
  switch (what) {
    case 'gaussian':
      return { out, run: () => plain.gaussian(out, i.key, PURPOSE.bench, 9, 0) };
    case 'qSample':
      return { out, run: () => plain.qSample(out, i.x0, i.eps, i.signal, i.noise) };
    case 'pSample':
      return { out, run: () => plain.pSample(out, i.x0, i.eps, i.z, i.ancestral) };
    case 'ddimStep':
      return { out, run: () => plain.ddimStep(out, i.x0, i.eps, i.z, i.ddim) };
    case 'toFloat':
      return { out, run: () => plain.toFloat(out, i.pixels) };
    case 'batchToFloat':
      return { out, run: () => plain.batchToFloat(out, i.pixels, i.flips, i.image) };
    case 'toBytes': {
      const levels = new Uint8ClampedArray(i.values);
      return { out: levels, run: () => plain.toBytes(levels, i.x0) };
    }
    default:
      return what satisfies never;
  }
}

/** Seeded, except for the pixels, which count up so that peers can make them too: pixel i is i mod 251. */
export function kernelInputs(model: ModelConfig, batch: number, seed: number): Inputs {
  const { size, channels } = model;
  const values = batch * size * size * channels;
  const random = new CounterRandom(seed);
  const schedule = makeSchedule(DIFFUSION_DEFAULTS);
  const t = schedule.timesteps >> 1;
  const row = ({ timesteps, coefficients, width }: Trajectory) => {
    const at = timesteps.indexOf(t);
    return coefficients.slice(at * width, (at + 1) * width);
  };
  return {
    image: { height: size, width: size, channels },
    values,
    key: splitSeed(seed),
    x0: random.uniform(PURPOSE.bench, 0, values, -1, 1),
    eps: random.normals(PURPOSE.bench, 1, 0, values),
    z: random.normals(PURPOSE.bench, 2, 0, values),
    pixels: Uint8Array.from({ length: values }, (_, i) => i % 251),
    flips: Uint32Array.from({ length: batch }, (_, i) => i & 1),
    signal: schedule.sqrtAlphaBar[t]!,
    noise: schedule.sqrtOneMinusAlphaBar[t]!,
    ancestral: row(makeTrajectory(schedule, { sampler: 'ancestral' })),
    ddim: row(makeTrajectory(schedule, { sampler: 'ddim', steps: schedule.timesteps, eta: 0.5 })),
  };
}

/** The inputs of the kernels that peers also implement. */
export function writeKernelTask(folder: string, i: Inputs): Promise<string> {
  const shape = [i.flips.length, i.image.height, i.image.width, i.image.channels];
  return writeTask(folder, {
    x0: f32(shape, i.x0),
    eps: f32(shape, i.eps),
    z: f32(shape, i.z),
    forward: f32([2], Float32Array.of(i.signal, i.noise)),
    ancestral: f32([3], i.ancestral),
  });
}
