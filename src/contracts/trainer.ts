import type { Positions } from '../diffusion/mixture.js';
import type { NetworkDevice } from './device.js';

/** One batch of a training step. Its noise is the stream (trainNoise, step) of the run's seed. */
export interface TrainBatch {
  /** Steps taken before this one. */
  readonly step: number;
  /** u8 [batch, size, size, channels]: of all batches together where the trainer accumulates. */
  readonly pixels: Uint8Array;
  /** 1 mirrors the image left to right; one an image. */
  readonly flips: Uint32Array;
  /** Where each image is on the way to noise. */
  readonly t: Positions;
  /** Labels, one an image: for networks that read them. */
  readonly labels?: Int32Array;
  readonly lr: number;
}

/** Some images of a step, beginning with `first`, which their noise depends on. */
export interface PartBatch extends Omit<TrainBatch, 'lr'> {
  readonly first: number;
}

/** Images that are not trained on. The noise of each is the stream (heldOutNoise, its number). */
export interface EvaluationBatch {
  /** Their numbers, `batch` of them. */
  readonly images: Uint32Array;
  readonly pixels: Uint8Array;
  readonly t: Positions;
  /** Labels, one an image: for networks that read them. */
  readonly labels?: Int32Array;
}

export interface StepResult {
  readonly loss: number;
  /** Each image's own. */
  readonly losses: Float64Array;
  readonly ms: Readonly<Record<string, number>>;
}

export interface Evaluated {
  readonly epsilon: Float32Array;
  /** ε, or what else is to be predicted. */
  readonly noise: Float32Array;
  /** Weights of the images' losses; null for 1. */
  readonly weights: Float32Array | null;
}

/** A U-Net with all that a step does around it: noise, q(x_t|x_0), loss, Adam. */
export interface Trainer {
  readonly unet: NetworkDevice;
  /** Memory the training takes, in bytes. */
  readonly memoryBytes: number;
  /** Ho et al. (2020), Algorithm 1, on one batch or several. Milliseconds by part: data, unet, optimizer. */
  step(batch: TrainBatch): Promise<StepResult>;
  /**
   * What the network predicts (running statistics), and what it should, f32 [batch, size, size, channels]; valid until the next
   * call.
   */
  evaluate(batch: EvaluationBatch): Promise<Evaluated>;
  dispose(): Promise<void>;
}
