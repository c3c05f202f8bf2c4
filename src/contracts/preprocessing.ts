import type { Mixture } from '../diffusion/mixture.js';
import type { EvaluationBatch, PartBatch } from './trainer.js';

/** A batch as input of the U-Net: f32 [batch, size, size, channels]. */
export interface Prepared {
  readonly xt: Float32Array;
  /** ε, or another target. */
  readonly noise: Float32Array;
  /** The coefficients that mixed the images. */
  readonly mixture: Mixture;
}

/** Bytes to [−1, 1] (mirrored if flipped) or latents as they are, the noise from the seed's streams, x_t and the target. */
export interface Preprocessing {
  /** Its own memory, in bytes. */
  readonly memoryBytes: number;
  /** Whether it computes on threads of its own, and so beside a network that keeps the calling one busy. */
  readonly apart: boolean;
  /** One call at a time, of `evaluate` too. The arrays are valid until the next call but one of `train`. */
  train(batch: PartBatch): Promise<Prepared>;
  evaluate(batch: EvaluationBatch): Promise<Prepared>;
  dispose(): Promise<void>;
}
