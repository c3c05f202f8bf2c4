import type { Mixture } from '../diffusion/mixture.js';
import type { EvaluationBatch, PartBatch } from './trainer.js';

/** A batch as the U-Net takes it: f32 [batch, size, size, channels]. */
export interface Prepared {
  readonly xt: Float32Array;
  /** ε, or what else is to be predicted. */
  readonly noise: Float32Array;
  /** What the images were mixed by. */
  readonly mixture: Mixture;
}

/** Bytes to [−1, 1] (mirrored where asked), the noise of the seed's streams, x_t and the target. */
export interface Preprocessing {
  /** Memory of its own, in bytes. */
  readonly memoryBytes: number;
  train(batch: PartBatch): Promise<Prepared>;
  evaluate(batch: EvaluationBatch): Promise<Prepared>;
  dispose(): Promise<void>;
}
