import { PURPOSE } from '../diffusion/random.js';
import type { Trajectory } from '../diffusion/sampler.js';
import type { BatchNormMode } from '../unet/device.js';
import type { Arena } from './arena.js';
import type { Engine } from './engine.js';
import type { Argument, Program, Section } from './program.js';
import { splitSeed } from './seed.js';
import { dropPadding, forward } from './unet/forward.js';
import type { UnetMemory } from './unet/memory.js';

/** The reverse process as programs: x_T, and a step that is run over the range of the trajectory. */
export interface ReverseOptions {
  readonly trajectory: Trajectory;
  readonly norm: BatchNormMode;
  readonly seed: number;
}

/** The trajectory's tables, which every batch reads; byte addresses. */
export interface TrajectoryTables {
  /** u32 visited timesteps, then a 0 for x_T's noise. */
  readonly timesteps: number;
  readonly coefficients: number;
}

/** What the reverse process of a batch keeps beside the U-Net; byte addresses. */
export interface ReverseMemory extends TrajectoryTables {
  /** u32 image numbers, one a slot. */
  readonly images: number;
  /** z, f32 [batch, size, size, channels]. */
  readonly z: number;
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
  { shape }: UnetMemory,
  tables: TrajectoryTables,
): ReverseMemory {
  return {
    ...tables,
    images: arena.bytes('tables', 4 * shape.batch),
    z: arena.floats('images', shape.batch * shape.size ** 2 * shape.architecture.channels),
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

/** x_T ~ N(0, 1), Ho et al. (2020), Algorithm 2, line 1. */
export function initProgram(
  unet: UnetMemory,
  memory: ReverseMemory,
  { trajectory, seed }: ReverseOptions,
): Program {
  const zero = memory.timesteps + 4 * trajectory.timesteps.length;
  return [noiseSection(unet, memory, unet.xt, zero, seed, PURPOSE.sampleInit)];
}

/** Ho et al. (2020), Algorithm 2, lines 2 to 4 (or DDIM's step): z, ε̂, x_{t−1}. */
export function stepProgram(
  unet: UnetMemory,
  memory: ReverseMemory,
  { trajectory, norm, seed }: ReverseOptions,
): Program {
  const t: Argument = { base: memory.timesteps, perStep: 4 };
  const row: Argument = { base: memory.coefficients, perStep: 4 * trajectory.width };
  const { batch, size, architecture } = unet.shape;
  return [
    noiseSection(unet, memory, memory.z, t, seed, PURPOSE.sampleNoise),
    {
      name: 'unet',
      phases: [...forward(unet, norm, { at: t, every: false }), dropPadding(unet)],
    },
    {
      name: 'step',
      phases: [
        [
          {
            kernel: trajectory.kernel,
            args: [unet.xt, unet.xt, unet.epsilon, memory.z, row],
            items: batch * size * size * architecture.channels,
            grain: 4,
          },
        ],
      ],
    },
  ];
}

function noiseSection(
  { shape }: UnetMemory,
  memory: ReverseMemory,
  out: number,
  timestep: Argument,
  seed: number,
  purpose: number,
): Section {
  const each = shape.size ** 2 * shape.architecture.channels;
  const [low, high] = splitSeed(seed);
  return {
    name: 'noise',
    phases: [
      [
        {
          kernel: 'gaussianImages',
          args: [out, memory.images, timestep, each, low, high, purpose],
          items: shape.batch * each,
          grain: 4,
        },
      ],
    ],
  };
}
