import type { BatchNormMode } from '../contracts/device.js';
import { type Condition, guidanceWeights, passesOf } from '../diffusion/guidance.js';
import { PURPOSE, type Purpose } from '../diffusion/random.js';
import type { Trajectory } from '../diffusion/sampler.js';
import type { Arena } from '../engine/arena.js';
import { rankOf } from '../engine/arithmetic.js';
import type { Engine } from '../engine/engine.js';
import { type NetworkMemory, type NetworkShape, rowOfTime } from '../engine/network/memory.js';
import { dropPadding, forward } from '../engine/network/passes.js';
import { NULL, type Pointer, plusFloats } from '../engine/pointer.js';
import {
  type Address,
  type Call,
  call,
  type Phase,
  type Program,
  type Section,
  tuple,
} from '../engine/program.js';
import { splitSeed } from '../engine/seed.js';
import type { GuideMemory } from './guide.js';

/** The reverse process as programs: x_T, and a step that is run over the range of the trajectory. */
export interface ReverseOptions {
  readonly trajectory: Trajectory;
  readonly norm: BatchNormMode;
  readonly seed: number;
  /** The classes of the images, for a class-conditional network; default null. */
  readonly condition?: Condition | null;
}

/** The trajectory's tables, which every batch reads; byte addresses. */
export interface TrajectoryTables {
  /** u32 rows of the network's sinusoids, one per step. */
  readonly times: Pointer;
  /** u32 streams of the steps' noise, then a 0 for x_T's. */
  readonly streams: Pointer;
  readonly coefficients: Pointer;
}

/** The memory of a batch's reverse process beside the U-Net; byte addresses. */
export interface ReverseMemory extends TrajectoryTables {
  /** u32 image numbers, one per slot. */
  readonly images: Pointer;
  /** z, f32 [batch, size, size, channels]. */
  readonly z: Pointer;
  /** x̂_0 of one, two and three steps ago, of the same shape; null if the table does not read them. */
  readonly earlier: Pointer;
  readonly earliest: Pointer;
  readonly oldest: Pointer;
  /** f32 [batch], the limits of dynamic thresholding for each image; null without. */
  readonly limits: Pointer;
}

export function planTables(arena: Arena, { streams, coefficients }: Trajectory): TrajectoryTables {
  return {
    times: arena.bytes('tables', 4 * streams.length),
    streams: arena.bytes('tables', 4 * (streams.length + 1)),
    coefficients: arena.floats('tables', coefficients.length),
  };
}

/** Lays out what a table's steps store for a batch: `values` in total, for the given images. */
export function planMemory(
  arena: Arena,
  { history, threshold }: Trajectory,
  values: number,
  images: number,
): Pick<ReverseMemory, 'earlier' | 'earliest' | 'oldest' | 'limits'> {
  return {
    earlier: history > 0 ? arena.floats('images', values) : NULL,
    earliest: history > 1 ? arena.floats('images', values) : NULL,
    oldest: history > 2 ? arena.floats('images', values) : NULL,
    limits: threshold ? arena.floats('tables', images) : NULL,
  };
}

/** Lays out a batch's part beside its U-Net. */
export function planReverse(
  arena: Arena,
  { shape }: NetworkMemory,
  tables: TrajectoryTables,
  { trajectory, condition }: Pick<ReverseOptions, 'trajectory' | 'condition'>,
): ReverseMemory {
  const images = shape.batch / passesOf(condition);
  const values = images * shape.graph.size ** 2 * shape.graph.channels;
  return {
    ...tables,
    images: arena.bytes('tables', 4 * images),
    z: arena.floats('images', values),
    ...planMemory(arena, trajectory, values, images),
  };
}

/** @param shape of the network, if the engine has one */
export function writeTables(
  engine: Engine,
  tables: TrajectoryTables,
  { timesteps, streams, coefficients }: Trajectory,
  shape?: NetworkShape,
): void {
  const { buffer } = engine.memory;
  if (shape)
    new Uint32Array(buffer, tables.times, timesteps.length).set(
      Array.from(timesteps, (t) => rowOfTime(shape, t)),
    );
  new Uint32Array(buffer, tables.streams, streams.length).set(streams);
  engine.floats(tables.coefficients, coefficients.length).set(coefficients);
}

/** The data of a reverse step: a batch of images, or a part of one; byte addresses. */
export interface ReverseBatch extends ReverseMemory {
  /** x_t and ε̂, f32 [images, size, size, channels]. */
  readonly x: Pointer;
  readonly epsilon: Pointer;
  /** Number of images, and of values in each. */
  readonly count: number;
  readonly each: number;
}

/** x_T ~ N(0, 1), Ho et al. (2020), Algorithm 2, line 1. */
export function initProgram(
  unet: NetworkMemory,
  memory: ReverseMemory,
  { trajectory, seed, condition }: ReverseOptions,
): Program {
  const batch = batchOf(unet, memory, condition);
  return [{ name: 'noise', phases: drawStart(batch, trajectory, seed) }];
}

/**
 * Ho et al. (2020), Algorithm 2, lines 2 to 4 (or DDIM's step): z, ε̂, x_{t−1}. A pass that classes guide evaluates each image twice;
 * otherwise another network may guide it.
 */
export function stepProgram(
  unet: NetworkMemory,
  memory: ReverseMemory,
  { trajectory, norm, seed, condition = null }: ReverseOptions,
  other?: GuideMemory,
): Program {
  const t: Address = { base: memory.times, perStep: 4 };
  const batch = batchOf(unet, memory, condition);
  const guides = condition !== null && passesOf(condition) === 2;
  const predict = (network: NetworkMemory): Phase[] => [
    ...forward(network, norm, { at: t, every: false }),
    dropPadding(network),
  ];
  const values = batch.count * batch.each;
  const noise: Section = { name: 'noise', phases: [[drawNoise(batch, seed)]] };
  return [
    ...(readsNoise(trajectory) ? [noise] : []),
    {
      name: 'unet',
      phases: [
        ...(guides ? [copyImages(batch)] : []),
        ...predict(unet),
        ...(guides ? [guide(batch, plusFloats(batch.epsilon, values), condition)] : []),
        ...(other ? [...predict(other.unet), guide(batch, other.unet.epsilon, other)] : []),
      ],
    },
    { name: 'step', phases: takeStep(batch, trajectory) },
  ];
}

/** Whether any step of the trajectory adds noise: the last number of a row is its σ, and if it is 0 no z is read. */
export const readsNoise = ({ coefficients, width }: Trajectory): boolean =>
  coefficients.some((value, i) => i % width === width - 1 && value !== 0);

/** Draws x_T into x. */
export function drawStart(
  batch: ReverseBatch,
  { streams, start }: Trajectory,
  seed: number,
): Phase[] {
  const { x, count, each } = batch;
  const zero = plusFloats(batch.streams, streams.length);
  const draw: Phase = [normals(batch, x, zero, seed, PURPOSE.sampleInit)];
  if (start === 1) return [draw];
  // start·x + 0·x.
  return [draw, [call('qSample', [x, x, x, start, 0], count * each, { grain: 4 })]];
}

/** Draws z of the program's current step into z. */
export function drawNoise(batch: ReverseBatch, seed: number): Call {
  const stream: Address = { base: batch.streams, perStep: 4 };
  return normals(batch, batch.z, stream, seed, PURPOSE.sampleNoise);
}

/** x_t to x_{t−1} in place, with the coefficients of the program's current step. */
export function takeStep(batch: ReverseBatch, { kernel, width, threshold }: Trajectory): Phase[] {
  const { x, epsilon, z, coefficients, count, each } = batch;
  const row: Address = { base: coefficients, perStep: 4 * width };
  const values = count * each;
  switch (kernel) {
    case 'pSample':
      return [[call(kernel, [x, x, epsilon, z, row], values, { grain: 4 })]];
    case 'ddimStep':
      return [[call(kernel, [x, x, epsilon, z, row], values, { grain: 4 })]];
    case 'tableStep': {
      const { earlier, earliest, oldest, limits } = batch;
      const arrays = tuple(x, x, epsilon, z, earlier, earliest, oldest, limits);
      const step: Phase = [call(kernel, [...arrays, each, row], values, { grain: 4 })];
      if (!threshold) return [step];
      const rank = rankOf(threshold.quantile, each);
      const bounds = tuple(each, rank, threshold.most);
      return [[call('imageLimits', [limits, x, epsilon, row, ...bounds], count)], step];
    }
    default:
      return kernel satisfies never;
  }
}

/** Copies the images after themselves. */
function copyImages({ x, count, each }: ReverseBatch): Phase {
  const values = count * each;
  return [call('qSample', [plusFloats(x, values), x, x, 1, 0], values, { grain: 4 })];
}

/** Moves the outputs away from others, of no class or another network: W·m + (1 − W)·m_other. */
function guide(
  { epsilon, count, each }: ReverseBatch,
  other: Pointer,
  by: Pick<Condition, 'guidance'>,
): Phase {
  const outputs = tuple(epsilon, epsilon, other);
  return [call('qSample', [...outputs, ...guidanceWeights(by)], count * each, { grain: 4 })];
}

function batchOf(
  { shape, xt, epsilon }: NetworkMemory,
  memory: ReverseMemory,
  condition: Condition | null | undefined,
): ReverseBatch {
  const each = shape.graph.size ** 2 * shape.graph.channels;
  return { ...memory, x: xt, epsilon, count: shape.batch / passesOf(condition), each };
}

function normals(
  { images, count, each }: ReverseBatch,
  out: Pointer,
  stream: Address,
  seed: number,
  purpose: Purpose,
): Call {
  const [low, high] = splitSeed(seed);
  return call('gaussianImages', [out, images, stream, each, low, high, purpose], count * each, {
    grain: 4,
  });
}
