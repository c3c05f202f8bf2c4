import type { Positions } from '../diffusion/mixture.js';
import type { NetworkDevice } from './device.js';

/** One batch of a training step. Its noise is the stream (trainNoise, step) of the run's seed. */
export interface TrainBatch {
  /** Steps taken before this one. */
  readonly step: number;
  /** u8 [batch, size, size, channels]: all batches of the step together if the trainer accumulates. */
  readonly pixels: Uint8Array;
  /** One per image; 1 mirrors it left to right. */
  readonly flips: Uint32Array;
  /** How noisy each image is. */
  readonly t: Positions;
  /** Labels, one per image: for networks that read them. */
  readonly labels?: Int32Array;
  readonly lr: number;
}

/** Some images of a step, starting with `first`, which their noise depends on. */
export interface PartBatch extends Omit<TrainBatch, 'lr'> {
  readonly first: number;
}

/** Images that are not trained on. The noise of each is the stream (heldOutNoise, image number). */
export interface EvaluationBatch {
  /** Their image numbers, `batch` of them. */
  readonly images: Uint32Array;
  readonly pixels: Uint8Array;
  readonly t: Positions;
  /** Labels, one per image: for networks that read them. */
  readonly labels?: Int32Array;
}

export interface StepResult {
  readonly loss: number;
  /** Per image. */
  readonly losses: Float64Array;
  readonly ms: Readonly<Record<string, number>>;
}

export interface Evaluated {
  readonly epsilon: Float32Array;
  /** ε, or another target. */
  readonly noise: Float32Array;
  /** Weights of the images' losses; null for 1. */
  readonly weights: Float32Array | null;
}

/** A U-Net with everything else in a step: noise, q(x_t|x_0), loss, Adam. */
export interface Trainer {
  readonly unet: NetworkDevice;
  /** Memory that training takes, in bytes. */
  readonly memoryBytes: number;
  /** Ho et al. (2020), Algorithm 1, on one batch or several. Milliseconds by part: data, unet, optimizer. */
  step(batch: TrainBatch): Promise<StepResult>;
  /**
   * The network's predictions (with running statistics) and their targets, f32 [batch, size, size, channels]; valid until the next
   * call.
   */
  evaluate(batch: EvaluationBatch): Promise<Evaluated>;
  dispose(): Promise<void>;
}
