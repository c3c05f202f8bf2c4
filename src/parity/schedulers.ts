import { JsonObject } from '../config/json.js';
import { readSampling } from '../config/sampling.js';
import { parseScheduler } from '../config/scheduler.js';
import { ReverseWalk } from '../diffusion/reverse-walk.js';
import { makeTrajectory } from '../diffusion/sampler.js';
import { makeSchedule, type Schedule } from '../diffusion/schedule.js';
import { UsageError } from '../errors.js';
import { isObject, parseJson } from '../io/json.js';
import { Comparison, type Group } from './compare.js';
import type { Fixture } from './fixture.js';
import type { Subject } from './subject.js';
import { constant, schedulerTolerance, scheduleTolerance } from './tolerances.js';

/*
 * Trajectories of diffusers' schedulers with the network x·t/(t + 1). The file's metadata describe the cases under `cases`:
 * the scheduler's class and config, its steps, and further arguments of a step (η). Its tensors, below the case's name, are `start`,
 * `noise` (of the steps that use it), `trajectory` (x after each step, or each `every`-th) and `timesteps`. A case with a `strength`
 * begins in the middle: `start` is `picture` with the noise `first`.
 */

const TENSORS = [
  ...['start', 'noise', 'trajectory', 'timesteps', 'alphas_cumprod'],
  ...['picture', 'first'],
];

/** One case in the metadata. */
interface Case {
  readonly name: string;
  readonly json: Readonly<Record<string, unknown>>;
  readonly steps: number;
  readonly eta: number | undefined;
  readonly every: number;
  readonly strength: number | undefined;
}

export const hasSchedulers = ({ metadata }: Fixture): boolean => metadata.cases !== undefined;

/** The names of the tensors of every case. */
export const schedulerTensors = (fixture: Fixture): string[] =>
  hasSchedulers(fixture)
    ? casesOf(fixture).flatMap(({ name }) => TENSORS.map((tensor) => `${name}/${tensor}`))
    : [];

/** @throws UsageError for an incomplete case, and for what Haze does not support */
export function compareSchedulers(fixture: Fixture, subject: Subject): Group[] {
  return casesOf(fixture).flatMap((one) => {
    const where = `${fixture.path}: ${one.name}`;
    const { diffusion, sampling } = parseScheduler(where, one.json);
    const { steps, eta, strength } = one;
    const source = new JsonObject(
      where,
      { steps, ...(sampling.sampler === 'ddim' && { eta }) },
      'all',
    );
    const schedule = makeSchedule(diffusion);
    const redraw = strength === undefined ? null : { strength, resample: 1 };
    const trajectory = makeTrajectory(schedule, readSampling(source, diffusion, sampling), redraw);
    const groups = [
      compareTimes(fixture, one, schedule, trajectory.timesteps),
      compareSignal(fixture, one, schedule),
      compareStart(fixture, one, trajectory),
      compareWalk(fixture, one, subject, trajectory),
    ];
    return groups.filter((group) => group !== null);
  });
}

const LIMITS = { depth: 8, names: 10_000 };

function casesOf({ path, metadata }: Fixture): Case[] {
  let cases: unknown;
  try {
    cases = parseJson(metadata.cases!, LIMITS);
  } catch {
    cases = undefined;
  }
  if (!isObject(cases))
    throw new UsageError(
      `${path}: metadata: expected cases as a JSON object, got ${metadata.cases}`,
    );
  return Object.entries(cases).map(([name, value]) => {
    const o = new JsonObject(`${path}: ${name}`, value, ['every', 'extra', 'strength']);
    const { config } = value as { config?: unknown };
    if (!isObject(config))
      throw new UsageError(`${path}: ${name}.config: expected an object, got none`);
    const { extra } = value as { extra?: unknown };
    const more = new JsonObject(`${path}: ${name}.extra`, extra ?? {}, 'all');
    return {
      name,
      json: { _class_name: o.text('cls'), ...config },
      steps: o.whole('steps', { min: 1, max: 100_000 })!,
      eta: more.real('eta', { min: 0, max: 1 }),
      every: o.whole('every', { min: 1, max: 100_000 }) ?? 1,
      strength: o.real('strength', { above: 0, max: 1 }),
    };
  });
}

/** diffusers interpolates them in f32 among all timesteps of the schedule, so their error is relative to the largest. */
function compareTimes(
  fixture: Fixture,
  { name }: Case,
  { timesteps: T }: Schedule,
  timesteps: Float64Array,
): Group | null {
  const tensor = `${name}/timesteps`;
  const { data, shape } = fixture.f32(tensor, 1);
  const comparison = new Comparison(tensor);
  comparison.add(tensor, shape, timesteps, data, constant(schedulerTolerance([T], 1)));
  return comparison.result();
}

function compareSignal(fixture: Fixture, { name }: Case, { alphaBar }: Schedule): Group | null {
  const tensor = `${name}/alphas_cumprod`;
  if (!fixture.has(tensor)) return null;
  const { data, shape } = fixture.f32(tensor, 1);
  const comparison = new Comparison(tensor);
  comparison.add(tensor, shape, alphaBar, data, scheduleTolerance(data));
  return comparison.result();
}

/** What a picture that is redrawn begins with: α·x_0 + σ·ε, in diffusers' units. */
function compareStart(
  fixture: Fixture,
  { name, strength }: Case,
  { levels, scales }: ReverseWalk['trajectory'],
): Group | null {
  if (strength === undefined) return null;
  const { data, shape } = fixture.f32(`${name}/start`, 4);
  const [picture, first] = ['picture', 'first'].map(
    (tensor) => fixture.shaped(`${name}/${tensor}`, shape).data,
  );
  const { alpha, sigma } = levels![0]!.from;
  const got = picture!.map((v, i) => scales[0]! * (alpha * v + sigma * first![i]!));
  const comparison = new Comparison(`${name}/start`);
  comparison.add(`${name}/start`, shape, got, data, constant(schedulerTolerance(data, 1)));
  return comparison.result();
}

/** The states in diffusers' units, which for Euler and Heun are x/α. */
function compareWalk(
  fixture: Fixture,
  { name, every }: Case,
  { reverse }: Subject,
  trajectory: ReverseWalk['trajectory'],
): Group | null {
  const tensor = `${name}/trajectory`;
  const { data: start, shape } = fixture.f32(`${name}/start`, 4);
  const steps = trajectory.timesteps.length;
  const moments = Math.floor(steps / every);
  const expected = fixture.shaped(tensor, [moments, ...shape]);
  const noise = noiseOf(fixture, name, start.length);
  const walk = new ReverseWalk(trajectory, reverse, start, start.length / shape[0]!);
  walk.x = start.map((v) => v / trajectory.scales[0]!);
  const got = new Float32Array(expected.data.length);
  for (let step = 0; step < steps; step++) {
    const t = Math.fround(trajectory.timesteps[step]!);
    const output = walk.x.map((v) => Math.fround(v * t) / (t + 1));
    walk.step(step, output, walk.isNoisy(step) ? noise(step, steps) : output);
    if ((step + 1) % every > 0) continue;
    const scale = trajectory.scales[step + 1]!;
    got.set(
      walk.x.map((v) => v * scale),
      ((step + 1) / every - 1) * start.length,
    );
  }
  const comparison = new Comparison(name);
  const tolerance = constant(schedulerTolerance(expected.data, steps));
  comparison.add(tensor, expected.shape, got, expected.data, tolerance);
  return comparison.result();
}

/** z of the steps that use it: of each step, or of those that add it, in order. */
function noiseOf(fixture: Fixture, name: string, each: number) {
  let drawn = 0;
  return (step: number, steps: number): Float32Array => {
    const { data } = fixture.f32(`${name}/noise`, 5);
    const at = data.length === steps * each ? step : drawn++;
    if ((at + 1) * each > data.length)
      throw new UsageError(
        `${fixture.path}: ${name}/noise: expected noise for ${at + 1} steps, got ${data.length / each}`,
      );
    return data.slice(at * each, (at + 1) * each);
  };
}
