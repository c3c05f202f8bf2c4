import test from 'ava';
import { JsonObject } from '../../src/config/json.js';
import { readSampling } from '../../src/config/sampling.js';
import { parseScheduler } from '../../src/config/scheduler.js';
import { ReverseWalk } from '../../src/diffusion/reverse-walk.js';
import { makeTrajectory, type Trajectory } from '../../src/diffusion/sampler.js';
import { makeSchedule } from '../../src/diffusion/schedule.js';
import { Arithmetic } from '../../src/engine/arithmetic.js';
import { TorchRandom } from '../helpers/torch-random.js';

/*
 * Whole loops of diffusers' own scheduler tests (tests/schedulers/test_scheduler_*.py): the images are k/768 for k = 0 … 767,
 * or k/96 where they have one row of pixels, the network is x·t/(t + 1), and published is the mean of |x_0|, some with the sum. The loops of Euler and Heun put the scaled
 * input of the network in the state's place; so does `scaled`. Noise is that of PyTorch's generator of seed 0. Loops `from` a
 * step begin with noised images, as redrawings do.
 */

interface Loop {
  readonly title: string;
  readonly config: Record<string, unknown>;
  readonly steps: number;
  readonly mean: number;
  readonly sum?: number;
  /** The first step; default 0. */
  readonly from?: number;
  /** How far the sum may be off, where PyTorch's tables in f32 are further off than its tests' tolerance; default theirs, 0.01. */
  readonly slack?: number;
  /** Values in an image; default 192. */
  readonly each?: number;
}

const BETAS = {
  num_train_timesteps: 1000,
  beta_start: 1e-4,
  beta_end: 0.02,
  beta_schedule: 'linear',
};
const V = { prediction_type: 'v_prediction' };
const KARRAS = { use_karras_sigmas: true };
const ddpm = {
  ...{ ...BETAS, _class_name: 'DDPMScheduler', variance_type: 'fixed_small', clip_sample: true },
};
const ddim = { ...BETAS, _class_name: 'DDIMScheduler', clip_sample: true };
const euler = { ...BETAS, _class_name: 'EulerDiscreteScheduler', num_train_timesteps: 1100 };
const eulerAncestral = { ...euler, _class_name: 'EulerAncestralDiscreteScheduler' };
const heun = { ...euler, _class_name: 'HeunDiscreteScheduler' };
const dpm = {
  ...BETAS,
  _class_name: 'DPMSolverMultistepScheduler',
  solver_order: 2,
  algorithm_type: 'dpmsolver++',
  solver_type: 'midpoint',
  lower_order_final: false,
  final_sigmas_type: 'sigma_min',
};
const threshold = { thresholding: true, dynamic_thresholding_ratio: 0.87, sample_max_value: 0.5 };
const unipc = {
  ...BETAS,
  _class_name: 'UniPCMultistepScheduler',
  solver_order: 2,
  solver_type: 'bh2',
  final_sigmas_type: 'sigma_min',
};

const LOOPS: readonly Loop[] = [
  { title: 'ddpm', config: ddpm, steps: 1000, sum: 258.9606, mean: 0.3372 },
  { title: 'ddpm, v', config: { ...ddpm, ...V }, steps: 1000, sum: 202.0296, mean: 0.2631 },
  // 1 − ᾱ of the first timesteps, 1e-4, has four digits in f32; with tables in f64 PyTorch's loop gives 387.9673.
  {
    title: 'ddpm, noised',
    config: ddpm,
    ...{ steps: 1000, from: 998, sum: 387.9466, mean: 0.5051, slack: 0.03 },
  },
  { title: 'ddim', config: ddim, steps: 10, sum: 172.0067, mean: 0.223967 },
  { title: 'ddim, v', config: { ...ddim, ...V }, steps: 10, sum: 52.5302, mean: 0.0684 },
  {
    title: 'ddim, ᾱ of 1 at the end',
    config: { ...ddim, set_alpha_to_one: true, beta_start: 0.01 },
    ...{ steps: 10, sum: 149.8295, mean: 0.1951 },
  },
  {
    title: 'ddim, ᾱ of t = 0 at the end',
    config: { ...ddim, set_alpha_to_one: false, beta_start: 0.01 },
    ...{ steps: 10, sum: 149.0784, mean: 0.1941 },
  },
  { title: 'ddim, noised', config: ddim, steps: 10, from: 8, sum: 354.5418, mean: 0.4616 },
  { title: 'euler', config: euler, steps: 10, sum: 10.0807, mean: 0.0131 },
  { title: 'euler, v', config: { ...euler, ...V }, steps: 10, sum: 0.0002, mean: 2.2676e-6 },
  {
    title: 'euler, Karras',
    config: { ...euler, ...KARRAS },
    ...{ steps: 10, sum: 124.52299499511719, mean: 0.16213932633399963 },
  },
  // A millionth of the sum, whose images are as large as the noise at the start, 148.
  {
    title: 'euler, noised',
    config: euler,
    ...{ steps: 10, from: 8, sum: 57062.9297, mean: 74.3007, slack: 0.1 },
  },
  { title: 'euler ancestral', config: eulerAncestral, steps: 10, sum: 152.3192, mean: 0.1983 },
  {
    title: 'euler ancestral, v',
    config: { ...eulerAncestral, ...V },
    ...{ steps: 10, sum: 108.4439, mean: 0.1412 },
  },
  {
    title: 'euler ancestral, noised',
    config: eulerAncestral,
    ...{ steps: 10, from: 8, sum: 56163.0508, mean: 73.129 },
  },
  { title: 'heun', config: heun, steps: 10, sum: 0.1233, mean: 0.0002 },
  { title: 'heun, v', config: { ...heun, ...V }, steps: 10, sum: 4.6934e-7, mean: 6.1112e-10 },
  {
    title: 'heun, Karras',
    config: { ...heun, ...KARRAS },
    ...{ steps: 10, sum: 0.00015, mean: 1.9869554535034695e-7 },
  },
  {
    title: 'heun, noised',
    config: heun,
    ...{ steps: 10, from: 8, sum: 75074.8906, mean: 97.7538, slack: 0.1 },
  },
  { title: 'dpm++2m', config: dpm, steps: 10, mean: 0.3301 },
  { title: 'dpm++2m, noised', config: dpm, steps: 10, from: 5, sum: 318.4111, mean: 0.4146 },
  { title: 'dpm++2m, thresholds', config: { ...dpm, ...threshold }, steps: 10, mean: 1.1364 },
  { title: 'dpm++2m, v', config: { ...dpm, ...V }, steps: 10, mean: 0.2251 },
  { title: 'dpm++2m, Karras, v', config: { ...dpm, ...KARRAS, ...V }, steps: 10, mean: 0.2096 },
  { title: 'unipc', config: unipc, steps: 10, mean: 0.2464 },
  { title: 'unipc, Karras', config: { ...unipc, ...KARRAS }, steps: 10, mean: 0.2925 },
  { title: 'unipc, v', config: { ...unipc, ...V }, steps: 10, mean: 0.1014 },
  { title: 'unipc, Karras, v', config: { ...unipc, ...KARRAS, ...V }, steps: 10, mean: 0.1966 },
  { title: 'unipc, noised', config: unipc, steps: 10, from: 8, sum: 315.5757, mean: 0.4109 },
  { title: 'unipc of a row', config: unipc, steps: 10, each: 24, mean: 0.2441 },
  {
    title: 'unipc of a row, Karras',
    config: { ...unipc, ...KARRAS },
    ...{ steps: 10, each: 24, mean: 0.2898 },
  },
  { title: 'unipc of a row, v', config: { ...unipc, ...V }, steps: 10, each: 24, mean: 0.1014 },
  {
    title: 'unipc of a row, Karras, v',
    config: { ...unipc, ...KARRAS, ...V },
    ...{ steps: 10, each: 24, mean: 0.1944 },
  },
  {
    title: 'unipc of a row, noised',
    config: unipc,
    ...{ steps: 10, from: 8, each: 24, sum: 39.087, mean: 0.4072 },
  },
];

/** Four images in [channel, height, width, image]: value k of n is k/n. */
const imagesOf = (each: number) =>
  Float32Array.from({ length: 4 * each }, (_, i) => {
    const [image, place] = [Math.floor(i / each), i % each];
    return (4 * place + image) / (4 * each);
  });

/** Their noise where loops begin with some: n − 1 − k in the place of k. */
const noiseOf = (images: Float32Array) =>
  images.map((value) => (images.length - 1) / images.length - value);

/** What a loop in the middle begins with: of the schedulers that let the noise grow, images as large as their noise at the start. */
function noised(
  whole: Trajectory,
  { levels }: Trajectory,
  images: Float32Array<ArrayBuffer>,
): Float32Array<ArrayBuffer> {
  const noise = noiseOf(images);
  const bar = levels![0]!.from.alpha ** 2;
  const size = whole.start * whole.scales[0]!;
  return images.map((x, i) => Math.sqrt(bar) * size * x + Math.sqrt(1 - bar) * noise[i]!);
}

/** A step from α·x; Heun's second half goes on from the state before that, and takes its slope from α·x. */
function scaled(walk: ReverseWalk, step: number, take: () => void): void {
  const { scales, coefficients, width } = walk.trajectory;
  const alpha = 1 / scales[step]!;
  const before = walk.x;
  walk.x = before.map((v) => alpha * v);
  take();
  const [ofImage, ofEarlier] = [4, 6].map((i) => coefficients[step * width + i]!);
  const isSecondHalf = alpha !== 1 && ofEarlier !== 0;
  if (!isSecondHalf) return;
  const slope = -ofImage! / alpha;
  walk.x = walk.x.map((v, i) => v + (1 - alpha) * (1 - slope) * before[i]!);
}

for (const { title, config, steps, sum, mean, from = 0, slack = 1e-2, each = 192 } of LOOPS)
  test(`the loop of diffusers' own test gives its result: ${title}`, (t) => {
    const { diffusion, sampling } = parseScheduler(title, config);
    const source = new JsonObject(title, { steps }, 'all');
    const schedule = makeSchedule(diffusion);
    const options = readSampling(source, diffusion, sampling);
    const whole = makeTrajectory(schedule, options);
    const part = { strength: (steps - from) / steps, resample: 1 };
    const trajectory = from > 0 ? makeTrajectory(schedule, options, part) : whole;
    const images = imagesOf(each);
    const walk = new ReverseWalk(trajectory, new Arithmetic(), images, each);
    if (from > 0) walk.x = noised(whole, trajectory, images);
    const random = new TorchRandom(0);
    for (const [step, time] of trajectory.timesteps.entries()) {
      const seen = walk.x;
      const output = seen.map((v) => (v * time) / (time + 1));
      const z = walk.isNoisy(step) ? random.normals(images.length) : undefined;
      scaled(walk, step, () => walk.step(step, output, z));
    }
    const got = walk.x.reduce((total, v) => total + Math.abs(v), 0) * trajectory.scales.at(-1)!;
    if (sum !== undefined) t.true(Math.abs(got - sum) < slack, `sum ${got}, published ${sum}`);
    const gotMean = got / images.length;
    t.true(Math.abs(gotMean - mean) < 1e-3, `mean ${gotMean}, published ${mean}`);
  });
