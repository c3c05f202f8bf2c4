import { RunError } from '../../errors.js';
import type { Graph, Value } from '../../network/graph.js';
import type { Arena } from '../arena.js';
import type { Pointer } from '../pointer.js';
import { paddedChannels } from '../tensors.js';
import type { Buffers } from './buffers.js';
import type { ParameterLayout, ParameterRegions } from './parameters.js';
import type { Placement, Schedule } from './schedule.js';

/** What a network's memory is planned for. */
export interface NetworkShape {
  readonly graph: Graph;
  readonly batch: number;
  /** Timesteps of the schedule. */
  readonly timesteps: number;
  /** Other timesteps that programs visit, which may be any real numbers. */
  readonly times: readonly number[];
  /** Whether gradients and the optimizer's moments are kept. */
  readonly training: boolean;
  /** Whether Muon moves the matrices. */
  readonly muon: boolean;
  /** Whether gradients of several batches are summed up. */
  readonly accumulates: boolean;
  /** Whether images' losses have weights. */
  readonly weighted: boolean;
  /** Averages of the weights that are kept in training. */
  readonly averages: number;
  /** Of the dropouts' masks. */
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
  /** u32 rows of the sinusoids' tables (of a timestep of the schedule: itself) and labels, one an image. */
  readonly t: Pointer;
  readonly labels: Pointer;
  /** What stays while others come and go, by name: tables and transformed weights, which plans of one network share. */
  readonly kept: ReadonlyMap<string, Pointer>;
  /** The same of this plan alone: scales and statistics of batch norms. */
  readonly norms: ReadonlyMap<string, Pointer>;
  /** Values, gradients and scratch. */
  readonly buffers: Buffers;
  /** Bytes of each worker's own scratch. */
  readonly workerBytes: number;
  /** Reserves memory for words that are written once the memory exists. */
  readonly reserve: (words: Int32Array) => Pointer;
  readonly reserved: { readonly at: Pointer; readonly words: Int32Array }[];
  /** Loss (f64), and the optimizer's rates (see `RATES`); 0 without training. */
  readonly loss: Pointer;
  readonly rates: Pointer;
  /** f64 losses of the images, f32 weights of these (null for 1), and u32 the number of the first image in its step. */
  readonly imageLosses: Pointer;
  readonly lossWeights: Pointer;
  readonly first: Pointer;
  /** f64 sums of the gradients' squares, by blocks. */
  readonly normPartial: Pointer;
}

/**
 * Places in `rates`, f32: Adam's three (see `adamW`), Muon's, the gradient's norm and what it is clipped by, and a rate of each
 * average.
 */
export const RATES = { muon: 3, norm: 4, averages: 8 } as const;

/** A plan that has a backward pass. */
export type TrainingMemory = NetworkMemory & { readonly regions: Required<ParameterRegions> };

/** @throws RunError if the plan was made without training. */
export function trainingMemory(memory: NetworkMemory): TrainingMemory {
  if (!memory.regions.training) throw new RunError('this network was planned without training');
  return memory as TrainingMemory;
}

/** What several plans of one network and size may have in common: all that a pass reads and does not write, but for its inputs. */
export type SharedMemory = Pick<NetworkMemory, 'layout' | 'regions' | 'kept'>;

/**
 * The tables of sinusoids have a row for each timestep of the schedule, then one for each image, which a pass with real
 * timesteps fills, then one for each of `times`.
 */
export const sinusoidRows = ({ timesteps, batch, times }: NetworkShape): number =>
  timesteps + batch + times.length;

/** The row of a timestep that is of the schedule or in `times`. */
export const rowOfTime = ({ timesteps, batch, times }: NetworkShape, t: number): number =>
  Number.isInteger(t) && t >= 0 && t < timesteps ? t : timesteps + batch + times.indexOf(t);

/** Those of some timesteps that the schedule does not have, each once: the `times` of a plan that visits them. */
export const otherTimes = (visited: Iterable<number>, timesteps: number): number[] => [
  ...new Set([...visited].filter((t) => !(Number.isInteger(t) && t >= 0 && t < timesteps))),
];

/** Channels of a value as it is stored. */
export const channelsOf = ({ parts }: Value): number => paddedChannels(parts);

/** Pixels of a value; a vector is one. */
export const pixelsOf = ({ side }: Value): number => Math.max(1, side) ** 2;

/** Reserves memory as the arena goes, for words to be written later. */
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
