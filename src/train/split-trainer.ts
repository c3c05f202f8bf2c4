/**
 * A trainer with U-Net and preprocessing on any two devices: batches are passed between them as arrays.
 * If both are on the engine, `WasmTrainer` does the same in one program.
 */
import type { NetworkDevice, NetworkInput } from '../contracts/device.js';
import { partsOf, sumTimes } from '../contracts/parts.js';
import type { Preprocessing } from '../contracts/preprocessing.js';
import type { EvaluationBatch, PartBatch, TrainBatch, Trainer } from '../contracts/trainer.js';
import type { Mixture } from '../diffusion/mixture.js';

export class SplitTrainer implements Trainer {
  readonly unet: NetworkDevice;
  readonly memoryBytes: number;
  readonly #preprocessing: Preprocessing;
  readonly #parts: number;

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

  async step(batch: TrainBatch) {
    const times: { data: number; unet: number }[] = [];
    const losses: number[] = [];
    let loss = 0;
    for (const [part, images] of partsOf(batch, this.#parts)) {
      const begun = performance.now();
      const { xt, noise, mixture } = await this.#preprocessing.train(images);
      const prepared = performance.now();
      loss +=
        (await this.unet.trainStep(inputOf(xt, mixture, images), noise, batch.lr, part)) / part.of;
      times.push({ data: prepared - begun, unet: performance.now() - prepared });
      losses.push(...this.unet.imageLosses());
    }
    return { loss, losses: Float64Array.from(losses), ms: sumTimes(times) };
  }

  async evaluate(batch: EvaluationBatch) {
    const { xt, noise, mixture } = await this.#preprocessing.evaluate(batch);
    const { labels } = batch;
    const input = { xt, t: mixture.t, ...(labels && { labels }) };
    const epsilon = await this.unet.predict(input, 'running');
    return { epsilon, noise, weights: mixture.weights };
  }

  async dispose(): Promise<void> {
    await this.#preprocessing.dispose();
    await this.unet.dispose();
  }
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
