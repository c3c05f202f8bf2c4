/** Preprocessing of batches on the pool, for a U-Net that computes elsewhere: the kernels and bits of `WasmTrainer`. */

import type { Prepared, Preprocessing } from '../contracts/preprocessing.js';
import type { EvaluationBatch, TrainBatch } from '../contracts/trainer.js';
import type { Schedule } from '../diffusion/schedule.js';
import { Arena } from '../engine/arena.js';
import { Engine, type LoadedProgram } from '../engine/engine.js';
import type { KernelChoice } from '../engine/module.js';
import {
  type BatchMemory,
  batchSection,
  planBatch,
  writeBatch,
  writeSchedule,
} from './batch-program.js';

export interface PreprocessingOptions extends KernelChoice {
  readonly batch: number;
  readonly size: number;
  readonly channels: number;
  readonly schedule: Schedule;
  readonly seed: number;
  readonly threads: number;
}

export class WasmPreprocessing implements Preprocessing {
  readonly #engine: Engine;
  readonly #memory: BatchMemory;
  readonly #train: LoadedProgram;
  readonly #evaluate: LoadedProgram;

  constructor(options: PreprocessingOptions) {
    const { batch, size, channels, schedule, seed, threads, strict, wide } = options;
    const arena = new Arena();
    const values = batch * size * size * channels;
    const targets = {
      xt: arena.floats('images', values),
      noise: arena.floats('images', values),
      t: arena.bytes('tables', 4 * batch),
    };
    const { timesteps } = schedule;
    this.#memory = planBatch(arena, { batch, size, channels, timesteps }, targets);
    this.#engine = Engine.create({ threads, strict, wide, bytes: arena.size });
    this.#train = this.#engine.load([batchSection(this.#memory, seed, 'step')]);
    this.#evaluate = this.#engine.load([batchSection(this.#memory, seed, 'image')]);
    writeSchedule(this.#engine, this.#memory, schedule);
  }

  get memoryBytes(): number {
    return this.#engine.memory.buffer.byteLength;
  }

  async train(batch: TrainBatch): Promise<Prepared> {
    writeBatch(this.#engine, this.#memory, batch);
    await this.#engine.run(this.#train, batch.step, batch.step + 1);
    return this.#prepared();
  }

  async evaluate(batch: EvaluationBatch): Promise<Prepared> {
    writeBatch(this.#engine, this.#memory, batch);
    await this.#engine.run(this.#evaluate);
    return this.#prepared();
  }

  async dispose(): Promise<void> {
    await this.#engine.destroy();
  }

  /** Copies: the next batch is written over these, and native code takes no shared memory. */
  #prepared(): Prepared {
    const { batch, size, channels, xt, noise } = this.#memory;
    const values = batch * size * size * channels;
    return {
      xt: this.#engine.floats(xt, values).slice(),
      noise: this.#engine.floats(noise, values).slice(),
    };
  }
}
