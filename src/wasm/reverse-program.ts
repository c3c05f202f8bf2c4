import type { BatchNormMode } from '../contracts/device.js';
import { PURPOSE, type Purpose } from '../diffusion/random.js';
import type { Trajectory } from '../diffusion/sampler.js';
import type { Arena } from '../engine/arena.js';
import type { Engine } from '../engine/engine.js';
import type { NetworkMemory } from '../engine/network/memory.js';
import { dropPadding, forward } from '../engine/network/passes.js';
import { type Pointer, plusFloats } from '../engine/pointer.js';
import { type Address, type Call, call, type Program, type Section } from '../engine/program.js';
import { splitSeed } from '../engine/seed.js';

/** The reverse process as programs: x_T, and a step that is run over the range of the trajectory. */
export interface ReverseOptions {
  readonly trajectory: Trajectory;
  readonly norm: BatchNormMode;
  readonly seed: number;
}

/** The trajectory's tables, which every batch reads; byte addresses. */
export interface TrajectoryTables {
  /** u32 visited timesteps, then a 0 for x_T's noise. */
  readonly timesteps: Pointer;
  readonly coefficients: Pointer;
}

/** What the reverse process of a batch keeps beside the U-Net; byte addresses. */
export interface ReverseMemory extends TrajectoryTables {
  /** u32 image numbers, one a slot. */
  readonly images: Pointer;
  /** z, f32 [batch, size, size, channels]. */
  readonly z: Pointer;
}

export function planTables(
  arena: Arena,
  { timesteps, coefficients }: Trajectory,
): TrajectoryTables {
  return {
    timesteps: arena.bytes('tables', 4 * (timesteps.length + 1)),
    coefficients: arena.floats('tables', coefficients.length),
  };
}

/** Lays out a batch's part beside its U-Net. */
export function planReverse(
  arena: Arena,
  { shape }: NetworkMemory,
  tables: TrajectoryTables,
): ReverseMemory {
  return {
    ...tables,
    images: arena.bytes('tables', 4 * shape.batch),
    z: arena.floats('images', shape.batch * shape.graph.size ** 2 * shape.graph.channels),
  };
}

export function writeTables(
  engine: Engine,
  tables: TrajectoryTables,
  { timesteps, coefficients }: Trajectory,
): void {
  new Uint32Array(engine.memory.buffer, tables.timesteps, timesteps.length).set(timesteps);
  engine.floats(tables.coefficients, coefficients.length).set(coefficients);
}

/** What the arithmetic of a reverse step works on: a batch of images, or some of one; byte addresses. */
export interface ReverseBatch extends ReverseMemory {
  /** x_t and ε̂, f32 [images, size, size, channels]. */
  readonly x: Pointer;
  readonly epsilon: Pointer;
  /** How many images, and the values in each. */
  readonly count: number;
  readonly each: number;
}

/** x_T ~ N(0, 1), Ho et al. (2020), Algorithm 2, line 1. */
export function initProgram(
  unet: NetworkMemory,
  memory: ReverseMemory,
  { trajectory, seed }: ReverseOptions,
): Program {
  return [{ name: 'noise', phases: [[drawStart(batchOf(unet, memory), trajectory, seed)]] }];
}

/** Ho et al. (2020), Algorithm 2, lines 2 to 4 (or DDIM's step): z, ε̂, x_{t−1}. */
export function stepProgram(
  unet: NetworkMemory,
  memory: ReverseMemory,
  { trajectory, norm, seed }: ReverseOptions,
): Program {
  const t: Address = { base: memory.timesteps, perStep: 4 };
  const batch = batchOf(unet, memory);
  const noise: Section = { name: 'noise', phases: [[drawNoise(batch, seed)]] };
  return [
    ...(readsNoise(trajectory) ? [noise] : []),
    {
      name: 'unet',
      phases: [...forward(unet, norm, { at: t, every: false }), dropPadding(unet)],
    },
    { name: 'step', phases: [[takeStep(batch, trajectory)]] },
  ];
}

/** Whether any step of the trajectory adds noise: the last number of a row is its σ, and where that is 0 no z is read. */
export const readsNoise = ({ coefficients, width }: Trajectory): boolean =>
  coefficients.some((value, i) => i % width === width - 1 && value !== 0);

/** x_T, into x. */
export function drawStart(batch: ReverseBatch, { timesteps }: Trajectory, seed: number): Call {
  const zero = plusFloats(batch.timesteps, timesteps.length);
  return normals(batch, batch.x, zero, seed, PURPOSE.sampleInit);
}

/** z of the step that the program is at, into z. */
export function drawNoise(batch: ReverseBatch, seed: number): Call {
  const t: Address = { base: batch.timesteps, perStep: 4 };
  return normals(batch, batch.z, t, seed, PURPOSE.sampleNoise);
}

/** x_t to x_{t−1} with the coefficients of the step that the program is at, in place. */
export function takeStep(
  { x, epsilon, z, coefficients, count, each }: ReverseBatch,
  { kernel, width }: Trajectory,
): Call {
  const row: Address = { base: coefficients, perStep: 4 * width };
  return call(kernel, [x, x, epsilon, z, row], count * each, { grain: 4 });
}

function batchOf({ shape, xt, epsilon }: NetworkMemory, memory: ReverseMemory): ReverseBatch {
  const each = shape.graph.size ** 2 * shape.graph.channels;
  return { ...memory, x: xt, epsilon, count: shape.batch, each };
}

function normals(
  { images, count, each }: ReverseBatch,
  out: Pointer,
  timestep: Address,
  seed: number,
  purpose: Purpose,
): Call {
  const [low, high] = splitSeed(seed);
  return call('gaussianImages', [out, images, timestep, each, low, high, purpose], count * each, {
    grain: 4,
  });
}
