import type { EvaluationBatch, TrainBatch } from './trainer.js';

/** A batch as the U-Net takes it: f32 [batch, size, size, channels]. */
export interface Prepared {
  readonly xt: Float32Array;
  readonly noise: Float32Array;
}

/** Bytes to [−1, 1] (mirrored where asked), the noise of the seed's streams, and q(x_t|x_0). */
export interface Preprocessing {
  /** Memory of its own, in bytes. */
  readonly memoryBytes: number;
  train(batch: TrainBatch): Promise<Prepared>;
  evaluate(batch: EvaluationBatch): Promise<Prepared>;
  dispose(): Promise<void>;
}
