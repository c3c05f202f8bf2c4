import type { OptimizerState } from '../../contracts/device.js';
import { RunError } from '../../errors.js';
import type { StateDict } from '../../network/state.js';
import type { Engine } from '../engine.js';
import type { Pointer } from '../pointer.js';
import { type NetworkMemory, type TrainingMemory, trainingMemory } from './memory.js';
import {
  type Average,
  readParameters,
  readState,
  writeParameters,
  writeStatistics,
} from './parameters.js';
import { copyInto, copyOf, type Snapshot } from './snapshot.js';

/** All that training changes, in a network's memory: by name in PyTorch's layouts, or copied as it lies there. */
export class NetworkStates {
  /** Steps of the optimizer so far. */
  steps = 0;
  private readonly engine: Engine;
  private readonly memory: NetworkMemory;
  /** How many batches each norm has seen. */
  #batches = new Map<string, bigint>();

  constructor(engine: Engine, memory: NetworkMemory) {
    this.engine = engine;
    this.memory = memory;
  }

  read(): StateDict {
    return this.#read(this.memory.regions);
  }

  /** Averages begin at the new weights. */
  write(state: StateDict): void {
    const { training } = this.memory.regions;
    this.#batches = this.#write(this.memory.regions, state);
    for (const average of training?.averages ?? []) this.#write(average, state);
  }

  readAverage(index: number): StateDict {
    return this.#read(this.#average(index));
  }

  writeAverage(index: number, state: StateDict): void {
    this.#write(this.#average(index), state);
  }

  /** Exchanges an average with the weights. */
  exchangeAverage(index: number): void {
    const { weights, statistics } = this.memory.regions;
    const average = this.#average(index);
    exchange(this.#region(weights), this.#region(average.weights));
    exchange(this.#statistics(statistics), this.#statistics(average.statistics));
  }

  readOptimizer(): OptimizerState {
    const { layout, regions } = this.#training;
    const { m, v } = regions.training;
    return {
      step: this.steps,
      m: readParameters(layout, this.#region(m)),
      v: readParameters(layout, this.#region(v)),
    };
  }

  writeOptimizer(state: OptimizerState): void {
    const { layout, regions } = this.#training;
    writeParameters(layout, this.#region(regions.training.m), state.m);
    writeParameters(layout, this.#region(regions.training.v), state.v);
    this.steps = state.step;
  }

  /** A copy of everything, in arrays of its own or in those of `into`. */
  snapshot(into?: Snapshot): Snapshot {
    if (!into) return copyOf(this.#live);
    copyInto(into, this.#live);
    return into;
  }

  /** Goes on from a copy; from one without moments with those that are there. */
  restore(snapshot: Snapshot): void {
    const live = this.#live;
    copyInto(live, snapshot);
    this.#batches = live.batches;
    this.steps = live.steps;
  }

  /** Call after a batch in training. */
  countBatches(): void {
    // A norm that is applied twice has seen two batches.
    for (const node of this.memory.shape.graph.nodes) {
      if (node.op !== 'norm' || node.layer.kind !== 'batchNorm') continue;
      const { name } = node.layer;
      this.#batches.set(name, (this.#batches.get(name) ?? 0n) + 1n);
    }
  }

  /** Everything as it lies in memory: what is written to it changes the network. */
  get #live(): Snapshot {
    const { regions } = this.#training;
    const { m, v, averages } = regions.training;
    return {
      weights: this.#region(regions.weights),
      statistics: this.#statistics(regions.statistics),
      averages: averages.flatMap((average) => [
        this.#region(average.weights),
        this.#statistics(average.statistics),
      ]),
      moments: [this.#region(m), this.#region(v)],
      batches: this.#batches,
      steps: this.steps,
    };
  }

  get #training(): TrainingMemory {
    return trainingMemory(this.memory);
  }

  #read({ weights, statistics }: Average): StateDict {
    const moving = this.#statistics(statistics);
    return readState(this.memory.layout, this.#region(weights), moving, this.#batches);
  }

  /** Returns how many batches each norm has seen. */
  #write({ weights, statistics }: Average, state: StateDict): Map<string, bigint> {
    const { layout } = this.memory;
    writeParameters(layout, this.#region(weights), state);
    return writeStatistics(layout, this.#statistics(statistics), state);
  }

  /** @throws RunError for an average that was not planned */
  #average(index: number): Average {
    const average = this.#training.regions.training.averages[index];
    if (!average) throw new RunError(`this network was planned without average ${index}`);
    return average;
  }

  #region(at: Pointer): Float32Array {
    return this.engine.floats(at, this.memory.layout.floats);
  }

  #statistics(at: Pointer): Float32Array {
    return this.engine.floats(at, this.memory.layout.statistics);
  }
}

/** Floats to swap at a time. */
const PIECE = 1 << 16;

function exchange(a: Float32Array, b: Float32Array): void {
  for (let at = 0; at < a.length; at += PIECE) {
    const [one, other] = [a, b].map((array) => array.subarray(at, at + PIECE));
    const kept = one!.slice();
    one!.set(other!);
    other!.set(kept);
  }
}
