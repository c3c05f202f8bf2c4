import {
  ADAM,
  averageRate,
  type BatchNormMode,
  type NetworkDevice,
  type NetworkInput,
  type Optimizer,
  type OptimizerState,
  type Part,
  WHOLE,
} from '../../contracts/device.js';
import { RunError } from '../../errors.js';
import { checkInput } from '../../network/check-input.js';
import type { NodeOf } from '../../network/graph.js';
import { type Times as InputTimes, sinusoids, timesteps } from '../../network/sinusoid.js';
import type { StateDict } from '../../network/state.js';
import { checkFits, planRoom } from '../arena.js';
import { Engine, type LoadedProgram, type Times } from '../engine.js';
import type { KernelChoice } from '../module.js';
import { type Pointer, plusFloats } from '../pointer.js';
import type { Program } from '../program.js';
import { tableName } from './lowering.js';
import {
  channelsOf,
  type NetworkMemory,
  RATES,
  type TrainingMemory,
  trainingMemory,
} from './memory.js';
import {
  type Average,
  readParameters,
  readState,
  writeParameters,
  writeStatistics,
} from './parameters.js';
import {
  type AnyOptions,
  type Extension,
  type GraphOptions,
  largestBatch,
  type PlanOptions,
  planLayout,
  planPrograms,
} from './plan.js';
import { copyInto, copyOf, type Snapshot } from './snapshot.js';

export interface WasmNetworkOptions extends PlanOptions, KernelChoice {}

/** For a custom network. */
export interface WasmGraphOptions extends GraphOptions, KernelChoice {}

type Options = WasmNetworkOptions | WasmGraphOptions;

/** A network on the WebAssembly engine. */
export class WasmNetwork implements NetworkDevice {
  readonly name = 'wasm';
  readonly batch: number;
  readonly engine: Engine;
  readonly memory: NetworkMemory;
  readonly #programs = new Map<string, LoadedProgram>();
  readonly #optimizer: Optimizer;
  readonly #ema: readonly number[];
  /** Batches of a step. */
  readonly #accumulate: number;
  #batches = new Map<string, bigint>();
  #steps = 0;
  /** Which results of `prepare` match the current weights and running statistics. */
  #ready = { norms: false, weights: false };

  private constructor(engine: Engine, memory: NetworkMemory, options: Options) {
    this.engine = engine;
    this.memory = memory;
    this.batch = memory.shape.batch;
    this.#optimizer = options.optimizer ?? ADAM;
    this.#ema = options.ema ?? [];
    this.#accumulate = options.accumulate ?? 1;
  }

  /**
   * `extend` lays out what a trainer or sampler needs beside the network in the same memory, and `program` plans the
   * programs over both; it runs last, since the programs of a model that is far too large would fill the heap.
   * @throws UsageError for an invalid config or size, or a model that does not fit
   */
  static create<T, P>(
    options: Options,
    extend: Extension<T>,
    program: (memory: NetworkMemory, extra: T) => P,
  ): { network: WasmNetwork; extra: T; program: P };
  static create<T>(options: Options, extend: Extension<T>): { network: WasmNetwork; extra: T };
  static create(options: Options): { network: WasmNetwork };
  static create<T, P>(
    options: Options,
    extend?: Extension<T>,
    plan?: (memory: NetworkMemory, extra: T) => P,
  ) {
    const { arena, memory } = planLayout(options);
    const extra = extend?.(arena, memory);
    checkNetworkFits(options, arena.size, extend);
    const programs = planPrograms(options, memory);
    const program = plan?.(memory, extra!);
    checkNetworkFits(options, arena.size, extend);
    const { threads, strict, wide } = options;
    const engine = Engine.create({ threads, strict, wide, bytes: arena.size });
    const network = new WasmNetwork(engine, memory, options);
    for (const [name, sections] of programs) network.#programs.set(name, engine.load(sections));
    writeReserved(engine, memory);
    return { network, extra, program };
  }

  get description(): string {
    return `wasm (${this.engine.description})`;
  }

  async predict(input: NetworkInput, norm: BatchNormMode): Promise<Float32Array> {
    this.#feed(input);
    await this.prepare(norm);
    if (norm === 'batch') this.#ready.norms = false;
    await this.engine.run(this.#program(norm));
    return this.engine.floats(this.memory.epsilon, this.#denseLength).slice();
  }

  async gradients(input: NetworkInput, noise: Float32Array) {
    this.#feed(input, noise);
    await this.#run('gradients');
    const { layout, regions } = this.#training;
    return {
      loss: this.#readLoss(),
      epsilon: this.engine.floats(this.memory.epsilon, this.#denseLength).slice(),
      gradients: readParameters(layout, this.#region(regions.training.gradients)),
    };
  }

  async trainStep(
    input: NetworkInput,
    target: Float32Array,
    lr: number,
    part = WHOLE,
  ): Promise<number> {
    this.#feed(input, target);
    this.beginPart(lr, part);
    await this.#run(this.#accumulate > 1 ? 'pass' : 'train');
    await this.endPart(part);
    return this.#readLoss();
  }

  imageLosses(): Float64Array {
    return new Float64Array(this.engine.memory.buffer, this.memory.imageLosses, this.batch).slice();
  }

  /** Sections of a part of a training step; x_t, t, labels, weights and target must be in memory. */
  trainSections(): Program {
    return this.#program(this.#accumulate > 1 ? 'pass' : 'train').program;
  }

  /**
   * Call before a part of a step.
   * @param first the number of its first image in the step
   * @throws RunError if the network was planned for another number of parts
   */
  beginPart(lr: number, { index, of }: Part, first = index * this.batch): void {
    if (of !== this.#accumulate)
      throw new RunError(`a step of this network has ${this.#accumulate} parts, got ${of}`);
    this.#first[0] = first;
    this.setRates(lr);
  }

  /**
   * Call after a part: adds up its gradients; after the last part runs the optimizer. Resolves to the times of that.
   */
  async endPart({ index, of }: Part): Promise<Times> {
    const times = of > 1 ? await this.engine.run(this.#program(index === 0 ? 'first' : 'sum')) : {};
    this.#countBatches();
    if (index + 1 < of) return times;
    const last = of > 1 ? await this.engine.run(this.#program('optimize')) : {};
    this.#steps++;
    return { optimizer: (times.optimizer ?? 0) + (last.optimizer ?? 0) };
  }

  /** The index of a part's first image. */
  get #first(): Uint32Array {
    return new Uint32Array(this.engine.memory.buffer, this.memory.first, 1);
  }

  /** Sections of a pass with running statistics (after `prepare`); x_t and t must be in memory. */
  predictSections(): Program {
    return this.#program('running').program;
  }

  /** Sets the optimizer's bias-corrected rates for the next step, and those of the averages. */
  setRates(lr: number): void {
    const step = this.#steps + 1;
    const { beta1, beta2, decay, muon } = this.#optimizer;
    const rates = this.engine.floats(this.memory.rates, RATES.averages + this.#ema.length);
    rates[0] = lr / (1 - beta1 ** step);
    rates[1] = 1 / Math.sqrt(1 - beta2 ** step);
    rates[2] = lr * decay;
    if (muon) rates[RATES.muon] = lr * muon.ratio;
    for (const [i, decay] of this.#ema.entries())
      rates[RATES.averages + i] = averageRate(decay, step);
  }

  /** The loss of the last batch. */
  get loss(): number {
    return this.#readLoss();
  }

  /** Transforms the weights and computes the norms' scale and shift for passes in this mode, if they are out of date. */
  async prepare(norm: BatchNormMode): Promise<void> {
    const weights = this.#program('prepareWeights');
    if (!this.#ready.weights && weights.program.some(({ phases }) => phases.length > 0))
      await this.engine.run(weights);
    this.#ready.weights = true;
    if (norm === 'batch' || this.#ready.norms) return;
    await this.engine.run(this.#program('prepareNorms'));
    this.#ready.norms = true;
  }

  async exportState(): Promise<StateDict> {
    return this.#read(this.memory.regions);
  }

  async importState(state: StateDict): Promise<void> {
    const { training } = this.memory.regions;
    this.#batches = this.#write(this.memory.regions, state);
    for (const average of training?.averages ?? []) this.#write(average, state);
    this.#outdate();
  }

  async exportAverage(index: number): Promise<StateDict> {
    return this.#read(this.#average(index));
  }

  async importAverage(index: number, state: StateDict): Promise<void> {
    this.#write(this.#average(index), state);
  }

  async exchangeAverage(index: number): Promise<void> {
    const { layout, regions } = this.memory;
    const average = this.#average(index);
    exchange(this.#region(regions.weights), this.#region(average.weights));
    const statistics = (at: Pointer) => this.engine.floats(at, layout.statistics);
    exchange(statistics(regions.statistics), statistics(average.statistics));
    this.#outdate();
  }

  async exportOptimizer(): Promise<OptimizerState> {
    const { layout, regions } = this.#training;
    const { m, v } = regions.training;
    return {
      step: this.#steps,
      m: readParameters(layout, this.#region(m)),
      v: readParameters(layout, this.#region(v)),
    };
  }

  async importOptimizer(state: OptimizerState): Promise<void> {
    const { layout, regions } = this.#training;
    writeParameters(layout, this.#region(regions.training.m), state.m);
    writeParameters(layout, this.#region(regions.training.v), state.v);
    this.#steps = state.step;
  }

  /** All that training steps change, as it lies in memory: what is written to it changes the network. */
  get #live(): Snapshot {
    const { regions, layout } = this.#training;
    const { m, v, averages } = regions.training;
    const statistics = (at: Pointer) => this.engine.floats(at, layout.statistics);
    return {
      weights: this.#region(regions.weights),
      statistics: statistics(regions.statistics),
      averages: averages.flatMap((average) => [
        this.#region(average.weights),
        statistics(average.statistics),
      ]),
      moments: [this.#region(m), this.#region(v)],
      batches: this.#batches,
      steps: this.#steps,
    };
  }

  /** A copy of all that training steps change, in arrays of its own or in those of `into`. */
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
    this.#steps = live.steps;
    this.#outdate();
  }

  /** Values that lie as the weights do, by parameter in PyTorch's layouts. */
  namedParameters(values: Float32Array): StateDict {
    return readParameters(this.memory.layout, values);
  }

  /** The way back. @throws UsageError for a missing name or a wrong shape */
  laidOut(parameters: StateDict): Float32Array {
    const { layout } = this.memory;
    const values = new Float32Array(layout.floats);
    writeParameters(layout, values, parameters);
    return values;
  }

  async dispose(): Promise<void> {
    await this.engine.destroy();
  }

  get #training(): TrainingMemory {
    return trainingMemory(this.memory);
  }

  get #denseLength(): number {
    const { graph, batch } = this.memory.shape;
    return batch * graph.size ** 2 * graph.channels;
  }

  #read({ weights, statistics }: Average): StateDict {
    const { layout } = this.memory;
    const moving = this.engine.floats(statistics, layout.statistics);
    return readState(layout, this.#region(weights), moving, this.#batches);
  }

  /** Returns how many batches each norm has seen. */
  #write({ weights, statistics }: Average, state: StateDict): Map<string, bigint> {
    const { layout } = this.memory;
    writeParameters(layout, this.#region(weights), state);
    return writeStatistics(layout, this.engine.floats(statistics, layout.statistics), state);
  }

  /** @throws RunError for an average that was not planned */
  #average(index: number): Average {
    const average = this.#training.regions.training.averages[index];
    if (!average) throw new RunError(`this network was planned without average ${index}`);
    return average;
  }

  #region(at: number): Float32Array {
    return this.engine.floats(at, this.memory.layout.floats);
  }

  #program(name: string): LoadedProgram {
    const program = this.#programs.get(name);
    if (!program) throw new RunError(`this network was planned without ${name}`);
    return program;
  }

  async #run(name: string): Promise<Times> {
    this.#outdate();
    // A dropout mask belongs to the step that is being taken.
    const step = this.#steps;
    const times = await this.engine.run(this.#program(name), step, step + 1);
    if (name === 'gradients') this.#countBatches();
    return times;
  }

  #feed(input: NetworkInput, noise?: Float32Array): void {
    const { shape, xt, noise: epsilon } = this.memory;
    checkInput(shape.graph, shape, input, noise);
    this.engine.floats(xt, this.#denseLength).set(input.xt);
    writeTimes(this.engine, this.memory, input.t);
    writeLabels(this.engine, this.memory, input.labels);
    if (noise) this.engine.floats(epsilon, this.#denseLength).set(noise);
    if (noise) writeLossWeights(this.engine, this.memory, input.weights ?? null);
  }

  #readLoss(): number {
    return new Float64Array(this.engine.memory.buffer, this.#training.loss, 1)[0]!;
  }

  #outdate(): void {
    this.#ready = { norms: false, weights: false };
  }

  #countBatches(): void {
    this.#outdate();
    // A norm that is applied twice has seen two batches.
    for (const node of this.memory.shape.graph.nodes) {
      if (node.op !== 'norm' || node.layer.kind !== 'batchNorm') continue;
      const { name } = node.layer;
      this.#batches.set(name, (this.#batches.get(name) ?? 0n) + 1n);
    }
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

/** Writes the reserved words of a plan into memory, and the sinusoids of every timestep that is known in advance. */
export function writeReserved(engine: Engine, memory: NetworkMemory): void {
  for (const { at, words } of memory.reserved)
    new Int32Array(engine.memory.buffer, at, words.length).set(words);
  const { shape } = memory;
  for (const node of sinusoidNodes(memory, 'time')) {
    writeSinusoids(engine, memory, node, timesteps(shape.timesteps));
    writeSinusoids(engine, memory, node, shape.times, shape.timesteps + shape.batch);
  }
}

/** Writes the timesteps of a pass, one per image, which must be valid, into the network's memory. */
export function writeTimes(engine: Engine, memory: NetworkMemory, t: InputTimes): void {
  const rows = new Int32Array(engine.memory.buffer, memory.t, t.length);
  const { timesteps } = memory.shape;
  rows.set(t instanceof Int32Array ? t : t.map((_, image) => timesteps + image));
  if (t instanceof Int32Array) return;
  for (const node of sinusoidNodes(memory, 'time'))
    writeSinusoids(engine, memory, node, t, timesteps);
}

/** Writes the weights of the images' losses into memory. @throws RunError if the network was planned otherwise */
export function writeLossWeights(
  engine: Engine,
  { lossWeights, shape }: NetworkMemory,
  weights: Float32Array | null,
): void {
  if ((weights !== null) !== shape.weighted)
    throw new RunError(`this network was planned ${shape.weighted ? 'for' : 'without'} weights`);
  if (weights) engine.floats(lossWeights, shape.batch).set(weights);
}

/** Writes labels, which must be valid, into the network's memory. */
export function writeLabels(
  engine: Engine,
  memory: NetworkMemory,
  labels: Int32Array | undefined,
): void {
  if (!labels) return;
  const words = new Int32Array(engine.memory.buffer, memory.labels, labels.length);
  words.set(labels);
  // Labels that are embedded like timesteps: a row of sinusoids for each image.
  for (const node of sinusoidNodes(memory, 'label')) {
    writeSinusoids(engine, memory, node, labels);
    words.set(labels.map((_, image) => image));
  }
}

const sinusoidNodes = ({ shape }: NetworkMemory, of: 'time' | 'label'): NodeOf<'sinusoid'>[] =>
  shape.graph.nodes.filter((n): n is NodeOf<'sinusoid'> => n.op === 'sinusoid' && n.of === of);

function writeSinusoids(
  engine: Engine,
  memory: NetworkMemory,
  node: NodeOf<'sinusoid'>,
  positions: ArrayLike<number>,
  firstRow = 0,
): void {
  const channels = channelsOf(node.out);
  const table = sinusoids(positions, node, channels);
  const at = plusFloats(memory.kept.get(tableName(node.out.id))!, firstRow * channels);
  engine.floats(at, table.length).set(table);
}

function checkNetworkFits(options: AnyOptions, bytes: number, extend?: Extension): void {
  checkFits(bytes, planRoom(options), () => {
    const largest = largestBatch(options, extend);
    return largest ? `the largest batch that fits is ${largest}` : 'not even a batch of 1 fits';
  });
}
