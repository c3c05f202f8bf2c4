import type { NetworkDevice } from './device.js';

/** One batch of a training step. Its noise is the stream (trainNoise, step) of the run's seed. */
export interface TrainBatch {
  /** Steps taken before this one. */
  readonly step: number;
  /** u8 [batch, size, size, channels]. */
  readonly pixels: Uint8Array;
  /** 1 mirrors the image left to right; one an image. */
  readonly flips: Uint32Array;
  /** Timesteps in [0, T), one an image. */
  readonly t: Int32Array;
  readonly lr: number;
}

/** Images that are not trained on. The noise of each is the stream (heldOutNoise, its number). */
export interface EvaluationBatch {
  /** Their numbers, `batch` of them. */
  readonly images: Uint32Array;
  readonly pixels: Uint8Array;
  readonly t: Int32Array;
}

/** A U-Net with all that a step does around it: noise, q(x_t|x_0), loss, Adam. */
export interface Trainer {
  readonly unet: NetworkDevice;
  /** Memory the training takes, in bytes. */
  readonly memoryBytes: number;
  /** Ho et al. (2020), Algorithm 1, on one batch. Milliseconds by part: data, unet, optimizer. */
  step(batch: TrainBatch): Promise<{ loss: number; ms: Readonly<Record<string, number>> }>;
  /** ε̂ (running statistics) and ε, f32 [batch, size, size, channels]; valid until the next call. */
  evaluate(batch: EvaluationBatch): Promise<{ epsilon: Float32Array; noise: Float32Array }>;
  dispose(): Promise<void>;
}
