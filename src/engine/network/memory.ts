import { RunError } from '../../errors.js';
import type { Graph, Value } from '../../network/graph.js';
import type { Arena } from '../arena.js';
import type { Pointer } from '../pointer.js';
import { paddedChannels } from '../tensors.js';
import type { Buffers } from './buffers.js';
import type { ParameterLayout, ParameterRegions } from './parameters.js';
import type { Placement, Schedule } from './schedule.js';

/** What determines a network's memory. */
export interface NetworkShape {
  readonly graph: Graph;
  readonly batch: number;
  /** Timesteps of the schedule. */
  readonly timesteps: number;
  /** Other timesteps that programs visit, which may be any real numbers. */
  readonly times: readonly number[];
  /** Whether to keep gradients and the optimizer's moments. */
  readonly training: boolean;
  /** Whether Muon updates the matrices. */
  readonly muon: boolean;
  /** Whether gradients of several batches are added up. */
  readonly accumulates: boolean;
  /** Whether images' losses have weights. */
  readonly weighted: boolean;
  /** Averages of the weights to keep in training. */
  readonly averages: number;
  /** Seed of the dropout masks. */
  readonly seed: number;
}

/** All addresses of a network of one shape. Images are [batch, height, width, channel]. */
export interface NetworkMemory {
  readonly shape: NetworkShape;
  readonly schedule: Schedule;
  readonly placed: ReadonlyMap<number, Placement>;
  readonly layout: ParameterLayout;
  readonly regions: ParameterRegions;
  /** Dense images, f32: x_t and ε̂ always; ε in training. */
  readonly xt: Pointer;
  readonly epsilon: Pointer;
  readonly noise: Pointer;
  /** u32 rows of the sinusoid tables (a schedule timestep is its own row) and labels, one per image. */
  readonly t: Pointer;
  readonly labels: Pointer;
  /** Persistent data by name: tables and transformed weights, which plans of one network share. */
  readonly kept: ReadonlyMap<string, Pointer>;
  /** Persistent data of this plan alone: scales and statistics of batch norms. */
  readonly norms: ReadonlyMap<string, Pointer>;
  /** Values, gradients and scratch. */
  readonly buffers: Buffers;
  /** Workers that divide a pass, and those that have scratch: at least as many. */
  readonly workers: number;
  readonly scratches: number;
  /** Bytes of each worker's own scratch. */
  readonly workerBytes: number;
  /** Reserves memory for words that are written once the memory exists. */
  readonly reserve: (words: Int32Array) => Pointer;
  readonly reserved: { readonly at: Pointer; readonly words: Int32Array }[];
  /** Loss (f64), and the optimizer's rates (see `RATES`); 0 without training. */
  readonly loss: Pointer;
  readonly rates: Pointer;
  /** f64 losses of the images, f32 weights for them (null for 1), and u32 the index of the first image in its step. */
  readonly imageLosses: Pointer;
  readonly lossWeights: Pointer;
  readonly first: Pointer;
  /** f64 sums of the gradients' squares, by blocks. */
  readonly normPartial: Pointer;
}

/**
 * Offsets into `rates`, f32: Adam's three (see `adamW`), Muon's, the gradient's norm and its clip factor, and a rate for each
 * average.
 */
export const RATES = { muon: 3, norm: 4, averages: 8 } as const;

/** A plan that has a backward pass. */
export type TrainingMemory = NetworkMemory & { readonly regions: Required<ParameterRegions> };

/** @throws RunError if the plan was made without training */
export function trainingMemory(memory: NetworkMemory): TrainingMemory {
  if (!memory.regions.training) throw new RunError('this network was planned without training');
  return memory as TrainingMemory;
}

/** The parts that several plans of one network and size can share: everything that a pass only reads, except its inputs. */
export type SharedMemory = Pick<NetworkMemory, 'layout' | 'regions' | 'kept'>;

/**
 * The sinusoid tables have a row per timestep of the schedule, then one per image, which a pass with real
 * timesteps fills, then one for each of `times`.
 */
export const sinusoidRows = ({ timesteps, batch, times }: NetworkShape): number =>
  timesteps + batch + times.length;

/** The row of a timestep from the schedule or from `times`. */
export const rowOfTime = ({ timesteps, batch, times }: NetworkShape, t: number): number =>
  Number.isInteger(t) && t >= 0 && t < timesteps ? t : timesteps + batch + times.indexOf(t);

/** The distinct timesteps that the schedule lacks: the `times` of a plan that visits them. */
export const otherTimes = (visited: Iterable<number>, timesteps: number): number[] => [
  ...new Set([...visited].filter((t) => !(Number.isInteger(t) && t >= 0 && t < timesteps))),
];

/** Name of stored rows that a step adds or copies: the sinusoids of every timestep or label, or of the pixels' coordinates. */
export const tableName = (id: number): string => `table ${id}`;

/** Channels of a value as stored. */
export const channelsOf = ({ parts }: Value): number => paddedChannels(parts);

/** Pixels of a value; a vector has one. */
export const pixelsOf = ({ side }: Value): number => Math.max(1, side) ** 2;

/** Reserves memory from the arena, for words to be written later. */
export function reserver(arena: Arena): Pick<NetworkMemory, 'reserve' | 'reserved'> {
  const reserved: NetworkMemory['reserved'] = [];
  return {
    reserved,
    reserve: (words) => {
      const at = arena.bytes('tables', words.byteLength);
      reserved.push({ at, words });
      return at;
    },
  };
}
