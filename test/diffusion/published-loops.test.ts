import test from 'ava';
import { JsonObject } from '../../src/config/json.js';
import { readSampling } from '../../src/config/sampling.js';
import { parseScheduler } from '../../src/config/scheduler.js';
import { ReverseWalk } from '../../src/diffusion/reverse-walk.js';
import { makeTrajectory } from '../../src/diffusion/sampler.js';
import { makeSchedule } from '../../src/diffusion/schedule.js';
import { Arithmetic } from '../../src/engine/arithmetic.js';

/*
 * Whole loops of diffusers' own scheduler tests (tests/schedulers/test_scheduler_*.py): the images are k/768 for k = 0 … 767,
 * the network is x·t/(t + 1), and published is the mean of |x_0|, some with the sum. The loops of Euler and Heun put the scaled
 * input of the network in the state's place; so does `scaled`.
 */

interface Loop {
  readonly title: string;
  readonly config: Record<string, unknown>;
  readonly steps: number;
  readonly mean: number;
  readonly sum?: number;
}

const BETAS = {
  num_train_timesteps: 1000,
  beta_start: 1e-4,
  beta_end: 0.02,
  beta_schedule: 'linear',
};
const V = { prediction_type: 'v_prediction' };
const KARRAS = { use_karras_sigmas: true };
const ddim = { ...BETAS, _class_name: 'DDIMScheduler', clip_sample: true };
const euler = { ...BETAS, _class_name: 'EulerDiscreteScheduler', num_train_timesteps: 1100 };
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
  { title: 'euler', config: euler, steps: 10, sum: 10.0807, mean: 0.0131 },
  { title: 'euler, v', config: { ...euler, ...V }, steps: 10, sum: 0.0002, mean: 2.2676e-6 },
  {
    title: 'euler, Karras',
    config: { ...euler, ...KARRAS },
    ...{ steps: 10, sum: 124.52299499511719, mean: 0.16213932633399963 },
  },
  { title: 'heun', config: heun, steps: 10, sum: 0.1233, mean: 0.0002 },
  { title: 'heun, v', config: { ...heun, ...V }, steps: 10, sum: 4.6934e-7, mean: 6.1112e-10 },
  {
    title: 'heun, Karras',
    config: { ...heun, ...KARRAS },
    ...{ steps: 10, sum: 0.00015, mean: 1.9869554535034695e-7 },
  },
  { title: 'dpm++2m', config: dpm, steps: 10, mean: 0.3301 },
  { title: 'dpm++2m, thresholds', config: { ...dpm, ...threshold }, steps: 10, mean: 1.1364 },
  { title: 'dpm++2m, v', config: { ...dpm, ...V }, steps: 10, mean: 0.2251 },
  { title: 'dpm++2m, Karras, v', config: { ...dpm, ...KARRAS, ...V }, steps: 10, mean: 0.2096 },
  { title: 'unipc', config: unipc, steps: 10, mean: 0.2464 },
  { title: 'unipc, Karras', config: { ...unipc, ...KARRAS }, steps: 10, mean: 0.2925 },
  { title: 'unipc, v', config: { ...unipc, ...V }, steps: 10, mean: 0.1014 },
  { title: 'unipc, Karras, v', config: { ...unipc, ...KARRAS, ...V }, steps: 10, mean: 0.1966 },
];

/** Four images of [3, 8, 8] in [channel, height, width, image]: value k of 768 is k/768. */
const COUNT = 4 * 3 * 8 * 8;
const images = Float32Array.from({ length: COUNT }, (_, i) => {
  const [image, place] = [Math.floor(i / 192), i % 192];
  return (4 * place + image) / COUNT;
});

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

for (const { title, config, steps, sum, mean } of LOOPS)
  test(`the loop of diffusers' own test: ${title}`, (t) => {
    const { diffusion, sampling } = parseScheduler(title, config);
    const source = new JsonObject(title, { steps }, 'all');
    const schedule = makeSchedule(diffusion);
    const trajectory = makeTrajectory(schedule, readSampling(source, diffusion, sampling));
    const walk = new ReverseWalk(trajectory, new Arithmetic(), images, 192);
    for (const [step, time] of trajectory.timesteps.entries()) {
      const seen = walk.x;
      const output = seen.map((v) => (v * time) / (time + 1));
      scaled(walk, step, () => walk.step(step, output));
    }
    const got = walk.x.reduce((total, v) => total + Math.abs(v), 0) * trajectory.scales.at(-1)!;
    if (sum !== undefined) t.true(Math.abs(got - sum) < 1e-2, `sum ${got}, published ${sum}`);
    t.true(Math.abs(got / COUNT - mean) < 1e-3, `mean ${got / COUNT}, published ${mean}`);
  });
