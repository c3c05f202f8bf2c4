/** The reverse process with any function as the network, for programs. */
import { readSeed } from '../config/computing.js';
import { CONDITION_SETTINGS } from '../config/condition.js';
import type { DiffusionConfig } from '../config/config.js';
import {
  DIFFUSION_DEFAULTS,
  readDiffusion,
  readObjective,
  withDiffusion,
} from '../config/diffusion.js';
import { JsonObject } from '../config/json.js';
import { type GivenPictures, redrawingOf } from '../config/redraw.js';
import { SAMPLING_SETTINGS } from '../config/sampling.js';
import { requireFinite } from '../diffusion/finite.js';
import { PictureRedraw } from '../diffusion/picture-redraw.js';
import { CounterRandom, PURPOSE, type Purpose } from '../diffusion/random.js';
import { ReverseWalk } from '../diffusion/reverse-walk.js';
import { makeTrajectory } from '../diffusion/sampler.js';
import { makeSchedule } from '../diffusion/schedule.js';
import { Arithmetic } from '../engine/arithmetic.js';
import { Interrupted, ShapeError, UsageError } from '../errors.js';
import { plural } from '../units.js';
import { arrayOf } from './array-of.js';
import { type AnySamplingSettings, readAnySampling, split } from './draw.js';
import { withOwnArrays } from './own-arrays.js';
import { settingsOf } from './settings-of.js';
import { asProgramEach } from './spelling.js';

/**
 * A network's predictions for images x, all at the same timestep t: an array of x's length. t is in the units of the network's
 * training: a timestep of the schedule, counted from 0, possibly fractional; for `flow` 1000·s.
 */
export type Network = (x: Float32Array, t: number) => Float32Array | Promise<Float32Array>;

/** Settings of the reverse process that a model's network has: a function handles its own norms and classes. */
const OF_MODELS = ['norm', ...CONDITION_SETTINGS] as const;
const DRAWN = SAMPLING_SETTINGS.filter((name) => !OF_MODELS.some((other) => other === name));

/** How to draw. The settings are the flags of `haze sample`, with the flags' defaults. */
export interface DrawWithSettings
  extends Omit<AnySamplingSettings, (typeof OF_MODELS)[number]>,
    Partial<Omit<DiffusionConfig, 'loss'>> {
  /** Values per image, in any layout. E.g. `values: 32 * 32 * 3`. */
  readonly values: number;
  /** Images, which the network receives together. Default 1. E.g. `count: 16`. */
  readonly count?: number;
  /** Key of all noise. Default 0. Image k of a seed has the same noise as with `sample`. E.g. `seed: 7`. */
  readonly seed?: number;
  /** Standard normals for x_T, `count`·`values` of them. Default the seed's. E.g. `noise: normals`. */
  readonly noise?: Float32Array;
  /** Image to begin with, in place of noise alone: `values` of them, around [-1, 1]. Default none. E.g. `from: picture`. */
  readonly from?: Float32Array;
  /** Share of the reverse steps that redraws `from`, in (0, 1]. Default 0.8, with `mask` 1. E.g. `strength: 0.6`. */
  readonly strength?: number;
  /** By value: not 0 where `from` is drawn anew; elsewhere it is kept. Default everywhere. E.g. `mask: new Uint8Array(784).fill(1, 392)`. */
  readonly mask?: Uint8Array;
  /** With `mask`: how often each step but the last is taken, from 1 to 100 (Lugmayr et al. 2022). Default 1. E.g. `resample: 5`. */
  readonly resample?: number;
  /** Aborting it throws Interrupted before the next step. Default none. E.g. `signal: AbortSignal.timeout(60_000)`. */
  readonly signal?: AbortSignal;
}

/** The images after a step. */
export interface DrawStep {
  /** Number of finished steps, from 1; equals `steps` after the last. */
  readonly step: number;
  readonly steps: number;
  /** The network's timestep in this step. */
  readonly t: number;
  /** The current images: a copy. Those of a model of latents are latents. */
  readonly x: Float32Array<ArrayBuffer>;
}

/**
 * Draws images with a function as the network, step by step: the last step has the finished images.
 * @example
 * for await (const { step, x } of drawWith(network, { values: 784, sampler: 'dpm++2m', steps: 20 })) show(step, x);
 * @throws UsageError for invalid settings; ShapeError for an output of another type or length; RunError for images that are not finite; Interrupted
 */
export const drawWith = (
  network: Network,
  settings: DrawWithSettings,
): AsyncGenerator<DrawStep, void, undefined> =>
  asProgramEach('drawWith', walkSteps(network, withOwnArrays(settings)));

async function* walkSteps(
  network: Network,
  settings: DrawWithSettings,
): AsyncGenerator<DrawStep, void, undefined> {
  if (typeof network !== 'function')
    throw new UsageError(`drawWith: expected a function as the network, got ${typeof network}`);
  const { signal, noise, from, mask, ...given } = settingsOf('drawWith', settings);
  const { trajectory, redrawing, count, values, seed } = readSettings(given, {
    from: arrayOf('drawWith.from', from, Float32Array),
    mask: arrayOf('drawWith.mask', mask, Uint8Array),
  });
  const random = new CounterRandom(seed);
  const draw = (purpose: Purpose, stream: number): Float32Array => {
    const all = new Float32Array(count * values);
    for (let k = 0; k < count; k++) all.set(random.normals(purpose, k, stream, values), k * values);
    return all;
  };
  const start = noise ?? draw(PURPOSE.sampleInit, 0);
  expectLength('drawWith.noise', start, count * values);
  const walk = new ReverseWalk(trajectory, new Arithmetic(), start, values);
  const redraw = redrawing && new PictureRedraw(redrawing, trajectory, random);
  const images = Uint32Array.from({ length: count }, (_, k) => k);
  redraw?.begin(walk.x);
  for (let step = 0; step < walk.steps; step++) {
    if (signal?.aborted) throw new Interrupted('interrupted');
    const t = trajectory.timesteps[step]!;
    const output = await network(walk.x.slice(), t);
    expectLength("drawWith: the network's output", output, count * values);
    if (walk.isNoisy(step))
      walk.step(step, output, draw(PURPOSE.sampleNoise, trajectory.streams[step]!));
    else walk.step(step, output);
    redraw?.after(step, walk.x, images);
    if (step + 1 === walk.steps) requireFinite(walk.x, count);
    yield { step: step + 1, steps: walk.steps, t, x: walk.x.slice() };
  }
}

/** The most values of an image, and of all together: 4 GiB. */
const MOST_VALUES = 2 ** 30;

function readSettings(given: object, pictures: GivenPictures) {
  const [ofRedraw, others] = split(given, ['strength', 'resample']);
  const [draw, rest] = split(others, DRAWN);
  const source = new JsonObject('drawWith', rest, 'all');
  const whole = (name: string, max: number) => source.whole(name, { min: 1, max });
  const [values, count] = [whole('values', MOST_VALUES), whole('count', 65_536) ?? 1];
  if (values === undefined)
    throw new UsageError('drawWith.values: expected a whole number of 1 or more, got nothing');
  const most = Math.floor(MOST_VALUES / values);
  if (count > most)
    throw new UsageError(
      `drawWith.count: expected at most ${plural(most, 'image')} of ${values} values, got ${count}`,
    );
  const seed = readSeed(source) ?? 0;
  const asked = { ...readDiffusion(source), ...readObjective(source) };
  const diffusion = withDiffusion(DIFFUSION_DEFAULTS, asked);
  const sampling = readAnySampling('drawWith', draw, diffusion);
  source.finish();
  const redraw = new JsonObject('drawWith', ofRedraw, 'all');
  const redrawing = redrawingOf(redraw, pictures, { pixels: values, channels: 1 });
  const trajectory = makeTrajectory(makeSchedule(diffusion), sampling, redrawing);
  return { count, values, seed, trajectory, redrawing };
}

function expectLength(what: string, values: unknown, expected: number) {
  if (!(values instanceof Float32Array))
    throw new ShapeError(
      `${what}: expected a Float32Array of ${expected} values, got ${values === undefined ? 'nothing' : typeof values}`,
    );
  if (values.length !== expected)
    throw new ShapeError(`${what}: expected ${expected} values, got ${values.length}`);
}
