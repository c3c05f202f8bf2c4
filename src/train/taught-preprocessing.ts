import type { Prepared, Preprocessing } from '../contracts/preprocessing.js';
import type { EvaluationBatch, PartBatch } from '../contracts/trainer.js';
import type { Teacher } from './teacher.js';

/** Batches whose targets are a teacher's in place of the images' own. */
export class TaughtPreprocessing implements Preprocessing {
  /** The teacher takes the same cores as the network. */
  readonly apart = false;
  readonly #inner: Preprocessing;
  readonly #teacher: Teacher;

  constructor(inner: Preprocessing, teacher: Teacher) {
    this.#inner = inner;
    this.#teacher = teacher;
  }

  get memoryBytes(): number {
    return this.#inner.memoryBytes + this.#teacher.memoryBytes;
  }

  async train(batch: PartBatch): Promise<Prepared> {
    return this.#taught(await this.#inner.train(batch), batch);
  }

  async evaluate(batch: EvaluationBatch): Promise<Prepared> {
    return this.#taught(await this.#inner.evaluate(batch), batch);
  }

  async dispose(): Promise<void> {
    await this.#inner.dispose();
    await this.#teacher.dispose();
  }

  async #taught(
    { xt, mixture }: Prepared,
    { t, labels }: Pick<PartBatch, 't' | 'labels'>,
  ): Promise<Prepared> {
    return { xt, mixture, noise: await this.#teacher.targets(xt, t, labels) };
  }
}
