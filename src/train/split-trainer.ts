/**
 * A trainer with U-Net and preprocessing on any two devices: batches are passed between them as arrays.
 * If both are on the engine, `WasmTrainer` does the same in one program.
 */
import type { NetworkDevice, NetworkInput } from '../contracts/device.js';
import { partsOf, sumTimes } from '../contracts/parts.js';
import type { Prepared, Preprocessing } from '../contracts/preprocessing.js';
import type { EvaluationBatch, PartBatch, TrainBatch, Trainer } from '../contracts/trainer.js';
import type { Mixture } from '../diffusion/mixture.js';

/** Images that are being prepared, or are. */
interface Ahead {
  readonly images: PartBatch;
  readonly prepared: Promise<Prepared>;
}

export class SplitTrainer implements Trainer {
  readonly unet: NetworkDevice;
  readonly memoryBytes: number;
  readonly #preprocessing: Preprocessing;
  readonly #parts: number;
  /** The batch of the step after the next one. */
  #announced: TrainBatch | undefined;
  #ahead: Ahead | undefined;

  /**
   * @param unetBytes memory of the U-Net, or an estimate of it
   * @param parts batches of a step
   */
  constructor(unet: NetworkDevice, preprocessing: Preprocessing, unetBytes: number, parts = 1) {
    this.#parts = parts;
    this.unet = unet;
    this.#preprocessing = preprocessing;
    this.memoryBytes = unetBytes + preprocessing.memoryBytes;
  }

  prepare(batch: TrainBatch): void {
    this.#announced = batch;
  }

  async step(batch: TrainBatch) {
    const times: { data: number; unet: number }[] = [];
    const losses: number[] = [];
    let loss = 0;
    const parts = partsOf(batch, this.#parts);
    for (const [i, [part, images]] of parts.entries()) {
      const begun = performance.now();
      const { xt, noise, mixture } = await this.#prepared(images);
      // TensorFlow keeps this thread busy until the step has ended: what is to run beside it begins before.
      this.#begin(parts[i + 1]?.[1] ?? this.#firstAnnounced());
      const prepared = performance.now();
      loss +=
        (await this.unet.trainStep(inputOf(xt, mixture, images), noise, batch.lr, part)) / part.of;
      times.push({ data: prepared - begun, unet: performance.now() - prepared });
      losses.push(...this.unet.imageLosses());
    }
    return { loss, losses: Float64Array.from(losses), ms: sumTimes(times) };
  }

  async evaluate(batch: EvaluationBatch) {
    await this.#idle();
    const { xt, noise, mixture } = await this.#preprocessing.evaluate(batch);
    const { labels } = batch;
    const input = { xt, t: mixture.t, ...(labels && { labels }) };
    const epsilon = await this.unet.predict(input, 'running');
    return { epsilon, noise, weights: mixture.weights };
  }

  async dispose(): Promise<void> {
    await this.#idle();
    await this.#preprocessing.dispose();
    await this.unet.dispose();
  }

  async #prepared(images: PartBatch): Promise<Prepared> {
    const ahead = this.#ahead;
    this.#ahead = undefined;
    if (ahead && isSame(ahead.images, images)) return ahead.prepared;
    await ahead?.prepared.catch(() => {});
    return this.#preprocessing.train(images);
  }

  /** Prepares images while the network is in its step. Whoever takes them, or nobody, learns of a failure. */
  #begin(images: PartBatch | undefined): void {
    if (!images || !this.#preprocessing.apart) return;
    const prepared = this.#preprocessing.train(images);
    prepared.catch(() => {});
    this.#ahead = { images, prepared };
  }

  #firstAnnounced(): PartBatch | undefined {
    const batch = this.#announced;
    this.#announced = undefined;
    return batch && partsOf(batch, this.#parts)[0]![1];
  }

  /** Waits until nothing is being prepared; what is stays. */
  async #idle(): Promise<void> {
    await this.#ahead?.prepared.catch(() => {});
  }
}

/** Whether they are the same images of the same step: the same memory, since each batch is read into its own. */
function isSame(a: PartBatch, b: PartBatch): boolean {
  const [one, other] = [a.latents ?? a.pixels, b.latents ?? b.pixels];
  return a.step === b.step && one.buffer === other.buffer && one.byteOffset === other.byteOffset;
}

const inputOf = (
  xt: Float32Array,
  { t, weights }: Mixture,
  { labels }: PartBatch,
): NetworkInput => ({
  ...{ xt, t },
  ...(weights && { weights }),
  ...(labels && { labels }),
});
