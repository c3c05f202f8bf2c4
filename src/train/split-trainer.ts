/**
 * A trainer whose U-Net and preprocessing are apart, on any devices: batches pass between them as arrays.
 * Where both are on the engine, `WasmTrainer` does the same in one program.
 */
import type { NetworkDevice } from '../contracts/device.js';
import type { Preprocessing } from '../contracts/preprocessing.js';
import type { EvaluationBatch, TrainBatch, Trainer } from '../contracts/trainer.js';

export class SplitTrainer implements Trainer {
  readonly unet: NetworkDevice;
  readonly memoryBytes: number;
  readonly #preprocessing: Preprocessing;

  /** @param unetBytes memory of the U-Net, or an estimate of it */
  constructor(unet: NetworkDevice, preprocessing: Preprocessing, unetBytes: number) {
    this.unet = unet;
    this.#preprocessing = preprocessing;
    this.memoryBytes = unetBytes + preprocessing.memoryBytes;
  }

  async step(batch: TrainBatch) {
    const begun = performance.now();
    const { xt, noise } = await this.#preprocessing.train(batch);
    const prepared = performance.now();
    const loss = await this.unet.trainStep({ xt, t: batch.t }, noise, batch.lr);
    return { loss, ms: { data: prepared - begun, unet: performance.now() - prepared } };
  }

  async evaluate(batch: EvaluationBatch) {
    const { xt, noise } = await this.#preprocessing.evaluate(batch);
    const epsilon = await this.unet.predict({ xt, t: batch.t }, 'running');
    return { epsilon, noise };
  }

  async dispose(): Promise<void> {
    await this.#preprocessing.dispose();
    await this.unet.dispose();
  }
}
