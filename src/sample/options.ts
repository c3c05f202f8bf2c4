import type {
  ComputingConfig,
  DiffusionConfig,
  ModelConfig,
  SamplingConfig,
} from '../config/config.js';
import type { Drawn } from '../config/guide.js';
import type { Redrawing } from '../diffusion/redraw.js';
import type { AutoencoderFiles } from '../io/autoencoder.js';

/** Images to draw from a model's weights. Image k of a seed is the same for any count, batch or number of threads. */
export interface SampleOptions extends Partial<Drawn> {
  /** Path of the file of weights, as `readWeights` takes it. */
  readonly weights: string;
  /** Passed on first, as notes: what was assumed about the weights. */
  readonly notes?: readonly string[];
  readonly model: ModelConfig;
  /** What decodes the images of a model of latents; default null, images are pictures. */
  readonly autoencoder?: AutoencoderFiles | null;
  readonly diffusion: DiffusionConfig;
  readonly sampling: SamplingConfig;
  /** A picture that all images begin with, of the pictures' size; default null, noise alone. */
  readonly redrawing?: Redrawing | null;
  readonly computing: ComputingConfig;
  readonly seed: number;
  readonly count: number;
  /** Moments of the trajectory to keep, evenly spaced from x_T to the result, and of how many images; null keeps none. */
  readonly frames: { readonly moments: number; readonly images: number } | null;
  /** Fail with a CheckError unless a CUDA GPU computes. */
  readonly requireCuda: boolean;
  /** Aborted when the user interrupts: Interrupted is thrown. */
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: SampleEvent) => void;
}

export type SampleEvent =
  | { readonly kind: 'note'; readonly text: string }
  /** Finished reverse steps of all (batches × steps). */
  | { readonly kind: 'progress'; readonly done: number; readonly total: number }
  /** Decoded pictures of all, those in frames among them: of a model of latents. */
  | { readonly kind: 'decoding'; readonly done: number; readonly total: number };

/** A moment of the trajectory: f32 [images, size, size, channels] of the pictures; the first is x_T, the last the result. */
export interface Frame {
  /** Its timestep: T (for flow 1,000) for x_T, that of its noise for a picture's beginning, 0 for the result. */
  readonly t: number;
  readonly images: Float32Array;
}

export interface SampleResult {
  /** f32 [count, size, size, channels] of the pictures, around [-1, 1], not clamped. */
  readonly images: Float32Array;
  /** In the order of sampling; empty without `frames`. */
  readonly frames: readonly Frame[];
}
