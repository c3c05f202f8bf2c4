import { RunError, ShapeError } from '../../errors.js';
import type { BatchNormMode, OptimizerState, UnetDevice, UnetInput } from '../../unet/device.js';
import type { StateDict } from '../../unet/state.js';
import { timeTable } from '../../unet/time-table.js';
import { checkFits, planRoom } from '../arena.js';
import { Engine, type LoadedProgram, type Times } from '../engine.js';
import type { Program } from '../program.js';
import { padded } from '../tensors.js';
import { trainingPlan } from './backward.js';
import type { TrainingPlan, UnetMemory } from './memory.js';
import { readParameters, readState, writeParameters, writeStatistics } from './parameters.js';
import {
  type Extension,
  largestBatch,
  planLayout,
  planPrograms,
  type UnetPlanOptions,
} from './plan.js';

export interface WasmUnetOptions extends UnetPlanOptions {
  readonly strict?: boolean;
}

/** The U-Net on the WebAssembly engine. */
export class WasmUnet implements UnetDevice {
  readonly name = 'wasm';
  readonly batch: number;
  readonly engine: Engine;
  readonly memory: UnetMemory;
  private readonly programs = new Map<string, LoadedProgram>();
  private batches = new Map<string, bigint>();
  private adamSteps = 0;
  /** What of `prepare` belongs to the present weights and running statistics. */
  private ready = { norms: false, weights: false };

  private constructor(engine: Engine, memory: UnetMemory) {
    this.engine = engine;
    this.memory = memory;
    this.batch = memory.shape.batch;
  }

  /**
   * `extend` lays out what a trainer or sampler needs beside the U-Net in the same memory, and `program` plans what is
   * to run over both: programs last, since those of a model that is far too large would fill the heap.
   * @throws UsageError for an impossible architecture or size, or a model that does not fit.
   */
  static create<T, P>(
    options: WasmUnetOptions,
    extend: Extension<T>,
    program: (memory: UnetMemory, extra: T) => P,
  ): { unet: WasmUnet; extra: T; program: P };
  static create<T>(options: WasmUnetOptions, extend: Extension<T>): { unet: WasmUnet; extra: T };
  static create(options: WasmUnetOptions): { unet: WasmUnet };
  static create<T, P>(
    options: WasmUnetOptions,
    extend?: Extension<T>,
    plan?: (memory: UnetMemory, extra: T) => P,
  ) {
    const { arena, memory } = planLayout(options);
    const extra = extend?.(arena, memory);
    checkUnetFits(options, arena.size, extend);
    const programs = planPrograms(options, memory);
    const program = plan?.(memory, extra!);
    checkUnetFits(options, arena.size, extend);
    const engine = Engine.create({
      threads: options.threads,
      strict: options.strict ?? false,
      bytes: arena.size,
    });
    const unet = new WasmUnet(engine, memory);
    for (const [name, sections] of programs) unet.programs.set(name, engine.load(sections));
    for (const { at, words } of memory.placed)
      new Int32Array(engine.memory.buffer, at, words.length).set(words);
    const { architecture, timesteps } = options;
    const table = timeTable(timesteps, architecture.timeDim, padded(architecture.timeDim));
    engine.floats(memory.table, table.length).set(table);
    return { unet, extra, program };
  }

  get description(): string {
    return `wasm (${this.engine.description})`;
  }

  async predict(input: UnetInput, norm: BatchNormMode): Promise<Float32Array> {
    this.feed(input);
    await this.prepare(norm);
    if (norm === 'batch') this.ready.norms = false;
    await this.engine.run(this.program(norm));
    return this.engine.floats(this.memory.epsilon, this.denseLength).slice();
  }

  async gradients(input: UnetInput, noise: Float32Array) {
    this.feed(input, noise);
    await this.run('gradients');
    const plan = this.plan;
    return {
      loss: this.readLoss(),
      epsilon: this.engine.floats(this.memory.epsilon, this.denseLength).slice(),
      gradients: readParameters(plan.layout, this.region(plan.regions.training.gradients)),
    };
  }

  async trainStep(input: UnetInput, noise: Float32Array, lr: number): Promise<number> {
    this.feed(input, noise);
    this.setRates(lr);
    await this.run('train');
    return this.finishStep();
  }

  /** Sections of a whole training step whose x_t, t and ε already stand in memory. */
  trainSections(): Program {
    return this.program('train').program;
  }

  /** Sections of a pass with running statistics (after `prepare`) whose x_t and t stand in memory. */
  predictSections(): Program {
    return this.program('running').program;
  }

  /** Adam's bias-corrected rates for the step that is about to run. */
  setRates(lr: number): void {
    const step = this.adamSteps + 1;
    const rates = this.engine.floats(this.plan.training.rates, 2);
    rates[0] = lr / (1 - 0.9 ** step);
    rates[1] = 1 / Math.sqrt(1 - 0.999 ** step);
  }

  /** Books a step that ran: resolves to its loss. */
  finishStep(): number {
    this.adamSteps++;
    this.countBatches();
    return this.readLoss();
  }

  /** Transforms the weights and makes the norms' scale and shift for passes in this mode, where they are out of date. */
  async prepare(norm: BatchNormMode): Promise<void> {
    if (!this.ready.weights && this.memory.transformedWeights.size > 0)
      await this.engine.run(this.program('prepareWeights'));
    this.ready.weights = true;
    if (norm === 'batch' || this.ready.norms) return;
    await this.engine.run(this.program('prepareNorms'));
    this.ready.norms = true;
  }

  async exportState(): Promise<StateDict> {
    const { layout, regions } = this.memory;
    const statistics = this.engine.floats(regions.statistics, layout.statistics);
    return readState(layout, this.region(regions.weights), statistics, this.batches);
  }

  async importState(state: StateDict): Promise<void> {
    const { layout, regions } = this.memory;
    writeParameters(layout, this.region(regions.weights), state);
    const statistics = this.engine.floats(regions.statistics, layout.statistics);
    this.batches = writeStatistics(layout, statistics, state);
    this.outdate();
  }

  async exportOptimizer(): Promise<OptimizerState> {
    const { m, v } = this.plan.regions.training;
    const { layout } = this.memory;
    return {
      step: this.adamSteps,
      m: readParameters(layout, this.region(m)),
      v: readParameters(layout, this.region(v)),
    };
  }

  async importOptimizer(state: OptimizerState): Promise<void> {
    const { m, v } = this.plan.regions.training;
    writeParameters(this.memory.layout, this.region(m), state.m);
    writeParameters(this.memory.layout, this.region(v), state.v);
    this.adamSteps = state.step;
  }

  async dispose(): Promise<void> {
    await this.engine.destroy();
  }

  private get plan(): TrainingPlan {
    return trainingPlan(this.memory);
  }

  private get denseLength(): number {
    const { batch, size, architecture } = this.memory.shape;
    return batch * size * size * architecture.channels;
  }

  private region(at: number): Float32Array {
    return this.engine.floats(at, this.memory.layout.floats);
  }

  private program(name: string): LoadedProgram {
    const program = this.programs.get(name);
    if (!program) throw new RunError(`this U-Net was planned without ${name}`);
    return program;
  }

  private async run(name: string): Promise<Times> {
    this.outdate();
    const times = await this.engine.run(this.program(name));
    if (name === 'gradients') this.countBatches();
    return times;
  }

  private feed(input: UnetInput, noise?: Float32Array): void {
    expectLength('x_t', input.xt.length, this.denseLength);
    expectLength('t', input.t.length, this.batch);
    this.engine.floats(this.memory.xt, this.denseLength).set(input.xt);
    new Int32Array(this.engine.memory.buffer, this.memory.t, this.batch).set(input.t);
    if (!noise) return;
    expectLength('noise', noise.length, this.denseLength);
    this.engine.floats(this.memory.noise, this.denseLength).set(noise);
  }

  private readLoss(): number {
    return new Float64Array(this.engine.memory.buffer, this.plan.training.loss, 1)[0]!;
  }

  private outdate(): void {
    this.ready = { norms: false, weights: false };
  }

  private countBatches(): void {
    this.outdate();
    for (const stage of this.memory.stages)
      for (const name of stage.norms) this.batches.set(name, (this.batches.get(name) ?? 0n) + 1n);
  }
}

function expectLength(what: string, got: number, expected: number): void {
  if (got !== expected)
    throw new ShapeError(`U-Net: ${what} has ${got} elements, expected ${expected}`);
}

function checkUnetFits(options: UnetPlanOptions, bytes: number, extend?: Extension): void {
  checkFits(bytes, planRoom(options), () => {
    const largest = largestBatch(options, extend);
    return largest ? `the largest batch that fits is ${largest}` : 'not even a batch of 1 fits';
  });
}
