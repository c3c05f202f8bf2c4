/** Preprocessing of batches on the pool, for a U-Net that computes elsewhere: the kernels and bits of `WasmTrainer`. */

import type { Prepared, Preprocessing } from '../contracts/preprocessing.js';
import type { BatchImages, EvaluationBatch, PartBatch } from '../contracts/trainer.js';
import { type Mixture, mixture, type Weights } from '../diffusion/mixture.js';
import type { Schedule } from '../diffusion/schedule.js';
import { Arena } from '../engine/arena.js';
import { Engine, type LoadedProgram } from '../engine/engine.js';
import type { KernelChoice } from '../engine/module.js';
import {
  type BatchInput,
  type BatchMemory,
  batchSection,
  planBatch,
  writeBatch,
} from './batch-program.js';

export interface PreprocessingOptions extends KernelChoice {
  readonly batch: number;
  readonly size: number;
  readonly channels: number;
  readonly schedule: Schedule;
  readonly seed: number;
  /** Weights of the loss; default none. */
  readonly lossWeights?: Weights;
  /** Whether its images are latents; default false. */
  readonly latents?: boolean;
  readonly threads: number;
}

type Pair = Pick<Prepared, 'xt' | 'noise'>;

export class WasmPreprocessing implements Preprocessing {
  readonly apart = true;
  readonly #engine: Engine;
  readonly #memory: BatchMemory;
  readonly #schedule: Schedule;
  readonly #lossWeights: Weights;
  readonly #train: LoadedProgram;
  readonly #evaluate: LoadedProgram;
  /** Copies of training batches, in turn. Into new arrays a copy takes seven times as long: their pages are not mapped yet. */
  readonly #copies: readonly [Pair, Pair];
  #turn = 0;

  constructor(options: PreprocessingOptions) {
    const { batch, size, channels, schedule, seed, threads, strict, wide } = options;
    const { latents = false } = options;
    const arena = new Arena();
    const values = batch * size * size * channels;
    const targets = {
      xt: arena.floats('images', values),
      noise: arena.floats('images', values),
    };
    this.#schedule = schedule;
    this.#lossWeights = options.lossWeights ?? null;
    this.#memory = planBatch(arena, { batch, size, channels, latents }, targets);
    this.#engine = Engine.create({ threads, strict, wide, bytes: arena.size });
    const target = schedule.objective === 'epsilon' ? 'noise' : 'mixture';
    const section = (source: 'step' | 'image') => batchSection(this.#memory, seed, source, target);
    this.#train = this.#engine.load([section('step')]);
    this.#evaluate = this.#engine.load([section('image')]);
    this.#copies = [this.#pair(), this.#pair()];
  }

  get memoryBytes(): number {
    const copies = this.#copies.flatMap(({ xt, noise }) => [xt.byteLength, noise.byteLength]);
    return copies.reduce((sum, bytes) => sum + bytes, this.#engine.memory.buffer.byteLength);
  }

  async train(batch: PartBatch): Promise<Prepared> {
    const mixed = this.#write(batch);
    await this.#engine.run(this.#train, batch.step, batch.step + 1);
    this.#turn = 1 - this.#turn;
    return this.#copied(mixed, this.#copies[this.#turn]!);
  }

  async evaluate(batch: EvaluationBatch): Promise<Prepared> {
    const mixed = this.#write(batch);
    await this.#engine.run(this.#evaluate);
    return this.#copied(mixed, this.#pair());
  }

  #write(
    batch: BatchImages & Omit<BatchInput, keyof BatchImages | 'mixture'> & Pick<PartBatch, 't'>,
  ): Mixture {
    const mixed = mixture(this.#schedule, batch.t, this.#lossWeights);
    writeBatch(this.#engine, this.#memory, { ...batch, mixture: mixed });
    return mixed;
  }

  async dispose(): Promise<void> {
    await this.#engine.destroy();
  }

  /** Copies the batch out: the next one overwrites it, and native code does not accept shared memory. */
  #copied(mixture: Mixture, { xt, noise }: Pair): Prepared {
    xt.set(this.#engine.floats(this.#memory.xt, xt.length));
    noise.set(this.#engine.floats(this.#memory.noise, noise.length));
    return { xt, noise, mixture };
  }

  #pair(): Pair {
    const { batch, size, channels } = this.#memory;
    const values = batch * size * size * channels;
    return { xt: new Float32Array(values), noise: new Float32Array(values) };
  }
}
