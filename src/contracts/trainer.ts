import type { Positions } from '../diffusion/mixture.js';
import type { StateDict } from '../network/state.js';
import type { NetworkDevice } from './device.js';

/** u8 [images, size, size, channels]. */
export interface PixelImages {
  readonly pixels: Uint8Array;
  /** One per image; 1 mirrors it left to right. Missing: none is. */
  readonly flips?: Uint32Array;
  readonly latents?: undefined;
}

/** Latents, f32 [images, size, size, channels]: of mirrored pictures, where these were to be mirrored. */
export interface LatentImages {
  readonly latents: Float32Array;
  readonly pixels?: undefined;
  readonly flips?: undefined;
}

/** What a trainer takes, of which it is opened for one. */
export type BatchImages = PixelImages | LatentImages;

/**
 * One batch of a training step: all batches of the step together if the trainer accumulates. Its noise is the stream (trainNoise,
 * step) of the run's seed.
 */
export type TrainBatch = BatchImages & {
  /** Steps taken before this one. */
  readonly step: number;
  /** How noisy each image is. */
  readonly t: Positions;
  /** Labels, one per image: for networks that read them. */
  readonly labels?: Int32Array;
  readonly lr: number;
  /** The number of its first image in the step, where others take the images before it; default 0. */
  readonly first?: number;
};

/** Some images of a step, starting with `first`, which their noise and dropouts depend on. */
export type PartBatch = Omit<TrainBatch, keyof BatchImages | 'lr' | 'first'> &
  BatchImages & { readonly first: number };

/** Images that are not trained on. The noise of each is the stream (heldOutNoise, image number). */
export type EvaluationBatch = BatchImages & {
  /** Their image numbers, `batch` of them. */
  readonly images: Uint32Array;
  readonly t: Positions;
  /** Labels, one per image: for networks that read them. */
  readonly labels?: Int32Array;
};

export interface StepResult {
  readonly loss: number;
  /** Per image. */
  readonly losses: Float64Array;
  readonly ms: Readonly<Record<string, number>>;
  /** How long it took, where it was not computed when it was asked for. */
  readonly milliseconds?: number;
}

export interface Evaluated {
  readonly epsilon: Float32Array;
  /** ε, or another target. */
  readonly noise: Float32Array;
  /** Weights of the images' losses; null for 1. */
  readonly weights: Float32Array | null;
}

/**
 * Replicas that a trainer takes in turn. Each has weights, running statistics, averages and moments of its own within a round, which
 * begins and ends with the same weights for all.
 */
export interface Replicas {
  readonly count: number;
  /** Whether steps have been taken since the last round ended. */
  readonly inRound: boolean;
  /** Ends a round: all go on from what they have come to together, which the network holds from here until the next step. */
  endRound(): void;
  /** Until the next step the network holds what the last round ended with, or all that is a replica's. */
  show(which: number | 'shared'): void;
  /** Takes what the network holds for what the last round ended with, and for each replica. */
  takeAll(): void;
  /** Takes it for one replica, `within` a round. */
  take(replica: number, within: boolean): void;
  /** Whether the outer optimizer has a momentum. */
  readonly hasMomentum: boolean;
  /** It by parameter. */
  exportMomentum(): StateDict;
  importMomentum(state: StateDict): void;
}

/** A U-Net with everything else in a step: noise, q(x_t|x_0), loss, Adam. */
export interface Trainer {
  readonly unet: NetworkDevice;
  /** Of a trainer that has several. Its steps take the images of all of them. */
  readonly replicas?: Replicas;
  /**
   * Of one whose steps others compute, a round at a time, who read the images themselves: whether there are steps that nobody has asked
   * for yet.
   */
  readonly elsewhere?: { readonly ahead: boolean };
  /** Memory that training takes, in bytes. */
  readonly memoryBytes: number;
  /** Ho et al. (2020), Algorithm 1, on one batch or several. Milliseconds by part: data, unet, optimizer. */
  step(batch: TrainBatch): Promise<StepResult>;
  /**
   * Of one that computes on two devices: announces the batch of the step after the next one, so that one device can prepare it
   * while the other is in that step. It is optional, and does not change the bits.
   */
  prepare?(batch: TrainBatch): void;
  /**
   * The network's predictions (with running statistics) and their targets, f32 [batch, size, size, channels]; valid until the next
   * call.
   */
  evaluate(batch: EvaluationBatch): Promise<Evaluated>;
  dispose(): Promise<void>;
}
