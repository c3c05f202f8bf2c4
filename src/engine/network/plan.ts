import { CLIP_BLOCK } from '../../../assembly/constants.js';
import { ADAM, type NetworkOptions } from '../../contracts/device.js';
import { type Graph, inputValues, outputValues } from '../../network/graph.js';
import { buildNetwork } from '../../network/network.js';
import { positionTable } from '../../network/positions.js';
import { Arena, type Demand, planRoom } from '../arena.js';
import { MAX_BYTES } from '../host/host.js';
import { NULL, type Pointer } from '../pointer.js';
import type { Program } from '../program.js';
import { paddedChannels, paddedPlaces } from '../tensors.js';
import { Buffers } from './buffers.js';
import { keptWeights } from './layer-weights.js';
import { realName } from './lowering.js';
import {
  channelsOf,
  type NetworkMemory,
  type NetworkShape,
  RATES,
  reserver,
  type SharedMemory,
  sinusoidRows,
  tableName,
} from './memory.js';
import { members, membersName } from './norms.js';
import { allocateParameters, layoutParameters } from './parameters.js';
import {
  dropPadding,
  forward,
  optimizing,
  prepareKeptWeights,
  prepareNorms,
  summing,
  survey,
  training,
} from './passes.js';
import { place, schedule } from './schedule.js';
import { affineOf, savedOf, Walk } from './walk.js';

/** Plans a network: its memory and the programs over it. It only computes addresses and allocates nothing. */

export interface PlanOptions extends NetworkOptions, Demand {
  /** Timesteps beyond the schedule's that programs visit; default none. */
  readonly times?: readonly number[];
}

/** The same for a custom network without a config. */
export interface GraphOptions extends Omit<NetworkOptions, 'architecture' | 'size'>, Demand {
  readonly graph: Graph;
  readonly times?: readonly number[];
}

export type AnyOptions = PlanOptions | GraphOptions;

/**
 * The programs over a layout that fits, by name. Their length grows with the batch; their tables, a few kilobytes more in
 * the arena, do not.
 */
export function planPrograms(
  { training: trains = true, loss = 'l1', optimizer = ADAM, accumulate = 1 }: AnyOptions,
  memory: NetworkMemory,
): ReadonlyMap<string, Program> {
  const t = { at: memory.t, every: true };
  const unet = (phases: Program[number]['phases']) => ({ name: 'unet', phases });
  const programs = new Map<string, Program>([
    ['prepareNorms', [unet([prepareNorms(memory)])]],
    ['prepareWeights', [unet(prepareKeptWeights(memory))]],
  ]);
  for (const mode of ['running', 'batch'] as const)
    programs.set(mode, [unet([...forward(memory, mode, t), dropPadding(memory)])]);
  if (trains) {
    const pass = unet(training(memory, loss));
    const step = { name: 'optimizer', phases: optimizing(memory, optimizer) };
    if (memory.shape.accumulates) {
      programs.set('pass', [pass]);
      programs.set('optimize', [step]);
      for (const more of [false, true])
        programs.set(more ? 'sum' : 'first', [summing(memory, 1 / accumulate, more)]);
    } else programs.set('train', [pass, step]);
    programs.set('gradients', [pass, unet([dropPadding(memory)])]);
  }
  return programs;
}

/** Lays out further memory beside a network, for any batch. */
export type Extension<T = unknown> = (arena: Arena, memory: NetworkMemory) => T;

/** Bytes by contents and in total, for a network of this shape. For one that does not fit, without its programs' tables. */
export function planBytes(
  options: AnyOptions,
  extend?: Extension,
): { groups: ReadonlyMap<string, number>; total: number } {
  const { arena, memory } = planLayout(options);
  extend?.(arena, memory);
  if (arena.size <= MAX_BYTES) planPrograms(options, memory);
  return { groups: arena.groups, total: arena.size };
}

type WithoutBatch = Omit<PlanOptions, 'batch'> | Omit<GraphOptions, 'batch'>;

/**
 * The largest batch that fits into the available memory, 0 if none does. Uses layouts without programs, whose length grows
 * with the batch and whose tables do not.
 */
export function largestBatch(options: WithoutBatch, extend?: Extension): number {
  const one = planLayout({ ...options, batch: 1 });
  const layoutBytes = one.arena.size;
  planPrograms({ ...options, batch: 1 }, one.memory);
  const tableBytes = one.arena.size - layoutBytes;
  const room = planRoom(options).bytes;
  const fits = (batch: number) => {
    const { arena, memory } = planLayout({ ...options, batch });
    extend?.(arena, memory);
    return arena.size + tableBytes <= room;
  };
  let low = 0;
  let high = 1;
  while (fits(high)) [low, high] = [high, 2 * high];
  while (low + 1 < high) {
    const middle = Math.floor((low + high) / 2);
    if (fits(middle)) low = middle;
    else high = middle;
  }
  return low;
}

/**
 * Lays out a network in its own arena.
 * @throws UsageError for an invalid config or size
 */
export function planLayout(options: AnyOptions): { arena: Arena; memory: NetworkMemory } {
  const arena = new Arena();
  const graph =
    'graph' in options ? options.graph : buildNetwork(options.architecture, options.size);
  const { batch, timesteps, times = [], seed = 0, training = true } = options;
  const averages = options.ema?.length ?? 0;
  const { accumulate = 1, weighted = false, optimizer = ADAM } = options;
  const shape = {
    ...{ graph, batch, timesteps, times, seed, training, weighted, averages },
    muon: training && optimizer.muon !== undefined,
    accumulates: training && accumulate > 1,
  };
  return { arena, memory: planMemory(arena, shape, options.threads) };
}

/**
 * Lays out a network. Deterministic; only computes addresses.
 * @param shared memory of a plan whose weights this one reads, for independent passes side by side; neither trains
 * @param preparing workers that prepare the weights, if they are more than a pass has
 */
export function planMemory(
  arena: Arena,
  shape: NetworkShape,
  workers: number,
  shared?: SharedMemory,
  preparing = workers,
): NetworkMemory {
  const { graph, batch } = shape;
  const order = schedule(graph);
  const layout = shared?.layout ?? layoutParameters(graph);
  const regions = shared?.regions ?? allocateParameters(arena, layout, shape);
  const { reserve, reserved } = reserver(arena);
  const outputs = batch * outputValues(graph);
  const norms = new Map<string, Pointer>();
  for (const step of order.images)
    if (step.op === 'batchNorm')
      for (const name of [affineOf(step), savedOf(step)])
        norms.set(name, arena.floats('tables', 2 * channelsOf(step.out)));
  const blank: NetworkMemory = {
    ...{ shape, schedule: order, layout, regions, norms, reserve, reserved },
    placed: place(order, shape.training, channelsOf),
    xt: arena.floats('images', batch * inputValues(graph)),
    epsilon: arena.floats('images', outputs),
    noise: shape.training ? arena.floats('images', outputs) : NULL,
    t: arena.bytes('tables', 4 * batch),
    labels: arena.bytes('tables', graph.labelled ? 4 * batch : 0),
    loss: arena.bytes('tables', 8),
    rates: arena.floats('tables', RATES.averages + shape.averages),
    imageLosses: arena.bytes('tables', 8 * batch),
    lossWeights: shape.weighted ? arena.floats('tables', batch) : NULL,
    first: shape.training ? arena.bytes('tables', 4) : NULL,
    normPartial: arena.bytes('tables', shape.training ? normBytes(layout.floats) : 0),
    kept: new Map(),
    buffers: new Buffers(),
    workers,
    scratches: Math.max(workers, preparing),
    workerBytes: 0,
  };
  const kept = shared
    ? new Map([...shared.kept, ...labelTables(arena, blank)])
    : keep(arena, blank);
  const memory = { ...blank, kept };
  const walk = survey(memory);
  // One cache line between workers.
  const workerBytes = 64 * Math.ceil(walk.workerBytes / 64) + 64;
  walk.noteScratch(memory.scratches, workerBytes);
  memory.buffers.place(arena);
  return { ...memory, workerBytes };
}

const normBytes = (floats: number): number => 8 * Math.ceil(floats / CLIP_BLOCK);

/** The real channel at each padded one, −1 for padding. */
function realChannels(parts: readonly number[]): Int32Array {
  const table = new Int32Array(paddedChannels(parts)).fill(-1);
  for (const [c, place] of paddedPlaces(parts).entries()) table[place] = c;
  return table;
}

/** Sinusoids of the labels of a pass, a row per image: separate for each plan, since passes side by side have different labels. */
function labelTables(arena: Arena, { schedule, shape }: NetworkMemory): Map<string, Pointer> {
  const tables = new Map<string, Pointer>();
  for (const step of schedule.waves.flat())
    if (step.op === 'sinusoid' && step.of === 'label') {
      const values = shape.batch * channelsOf(step.out);
      tables.set(tableName(step.out.id), arena.floats('tables', values));
    }
  return tables;
}

/** Lays out persistent data: tables of the graph, and transformed weights if they are fixed. */
function keep(arena: Arena, memory: NetworkMemory): ReadonlyMap<string, Pointer> {
  const { training } = memory.shape;
  const { waves, images } = memory.schedule;
  const kept = labelTables(arena, memory);
  for (const step of [...waves.flat(), ...images]) {
    if (step.op === 'sinusoid' && step.of === 'time') {
      const values = sinusoidRows(memory.shape) * channelsOf(step.out);
      kept.set(tableName(step.out.id), arena.floats('tables', values));
    }
    if (step.op === 'groupNorm') {
      const { name, groups } = step.layer;
      kept.set(membersName(name), memory.reserve(members(memory.layout.layers.get(name)!, groups)));
    }
    if (step.op === 'positions') {
      const table = positionTable(step, channelsOf(step.out));
      kept.set(tableName(step.out.id), memory.reserve(new Int32Array(table.buffer)));
    }
    if (step.op === 'dropout' && !kept.has(realName(step.x)))
      kept.set(realName(step.x), memory.reserve(realChannels(step.x.parts)));
  }
  if (training) return kept;
  const shapes = { ...memory, buffers: new Buffers() };
  const walk = new Walk(shapes, 'running', { at: NULL, every: true }, false);
  for (const step of images) {
    if (step.op === 'batchNorm') walk.lazy.set(step.out.id, step);
    if (step.op !== 'convolve') continue;
    for (const [name, bytes] of keptWeights(walk, step))
      if (!kept.has(name)) kept.set(name, arena.bytes('transformed weights', bytes));
  }
  return kept;
}
