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
import { inputValues, outputValues } from '../../network/graph.js';
import type { StateDict } from '../../network/state.js';
import { checkFits, planRoom } from '../arena.js';
import { Engine, type LoadedProgram, type Times } from '../engine.js';
import type { KernelChoice } from '../module.js';
import type { Program } from '../program.js';
import { writeLabels, writeLossWeights, writeReserved, writeTimes } from './inputs.js';
import { type NetworkMemory, RATES, type TrainingMemory, trainingMemory } from './memory.js';
import { readParameters, writeParameters } from './parameters.js';
import {
  type AnyOptions,
  type Extension,
  type GraphOptions,
  largestBatch,
  type PlanOptions,
  planLayout,
  planPrograms,
} from './plan.js';
import type { Snapshot } from './snapshot.js';
import { NetworkStates } from './states.js';

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
  readonly #states: NetworkStates;
  /** Which results of `prepare` match the current weights and running statistics. */
  #ready = { norms: false, weights: false };

  private constructor(engine: Engine, memory: NetworkMemory, options: Options) {
    this.engine = engine;
    this.memory = memory;
    this.batch = memory.shape.batch;
    this.#optimizer = options.optimizer ?? ADAM;
    this.#ema = options.ema ?? [];
    this.#accumulate = options.accumulate ?? 1;
    this.#states = new NetworkStates(engine, memory);
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
    return this.engine.floats(this.memory.epsilon, this.#outputLength).slice();
  }

  async gradients(input: NetworkInput, noise: Float32Array) {
    this.#feed(input, noise);
    await this.#run('gradients');
    const { layout, regions } = this.#training;
    return {
      loss: this.#readLoss(),
      epsilon: this.engine.floats(this.memory.epsilon, this.#outputLength).slice(),
      gradients: readParameters(
        layout,
        this.engine.floats(regions.training.gradients, layout.floats),
      ),
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
    this.#states.steps++;
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
    const step = this.#states.steps + 1;
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
    return this.#states.read();
  }

  async importState(state: StateDict): Promise<void> {
    this.#states.write(state);
    this.#outdate();
  }

  async exportAverage(index: number): Promise<StateDict> {
    return this.#states.readAverage(index);
  }

  async importAverage(index: number, state: StateDict): Promise<void> {
    this.#states.writeAverage(index, state);
  }

  async exchangeAverage(index: number): Promise<void> {
    this.#states.exchangeAverage(index);
    this.#outdate();
  }

  async exportOptimizer(): Promise<OptimizerState> {
    return this.#states.readOptimizer();
  }

  async importOptimizer(state: OptimizerState): Promise<void> {
    this.#states.writeOptimizer(state);
  }

  /** A copy of all that training steps change, in arrays of its own or in those of `into`. */
  snapshot(into?: Snapshot): Snapshot {
    return this.#states.snapshot(into);
  }

  /** Goes on from a copy; from one without moments with those that are there. */
  restore(snapshot: Snapshot): void {
    this.#states.restore(snapshot);
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

  get #inputLength(): number {
    const { graph, batch } = this.memory.shape;
    return batch * inputValues(graph);
  }

  get #outputLength(): number {
    const { graph, batch } = this.memory.shape;
    return batch * outputValues(graph);
  }

  #program(name: string): LoadedProgram {
    const program = this.#programs.get(name);
    if (!program) throw new RunError(`this network was planned without ${name}`);
    return program;
  }

  async #run(name: string): Promise<Times> {
    this.#outdate();
    // A dropout mask belongs to the step that is being taken.
    const step = this.#states.steps;
    const times = await this.engine.run(this.#program(name), step, step + 1);
    if (name === 'gradients') this.#countBatches();
    return times;
  }

  #feed(input: NetworkInput, noise?: Float32Array): void {
    const { shape, xt, noise: epsilon } = this.memory;
    checkInput(shape.graph, shape, input, noise);
    this.engine.floats(xt, this.#inputLength).set(input.xt);
    writeTimes(this.engine, this.memory, input.t);
    writeLabels(this.engine, this.memory, input.labels);
    if (noise) this.engine.floats(epsilon, this.#outputLength).set(noise);
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
    this.#states.countBatches();
  }
}

function checkNetworkFits(options: AnyOptions, bytes: number, extend?: Extension): void {
  checkFits(bytes, planRoom(options), () => {
    const largest = largestBatch(options, extend);
    return largest ? `the largest batch that fits is ${largest}` : 'not even a batch of 1 fits';
  });
}
