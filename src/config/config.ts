import type { BatchNormMode, Loss } from '../contracts/device.js';
import type { Objective } from '../diffusion/objective.js';
import type { SamplerOptions } from '../diffusion/sampler.js';
import type { ScheduleOptions } from '../diffusion/schedule.js';
import type { NetworkConfig } from '../network/network.js';

/*
 * What a command computes, as plain data: the parsed flags, and the contents of `run/config.json`.
 * Everything here has been validated (flags.ts, read.ts); what receives it trusts it.
 */

/** Where and how the numbers are computed. Nothing here changes what a run means, only its bits. */
export interface ComputingConfig {
  /** Where the U-Net's forward and backward run; `auto` is tensorflow with a usable GPU, else wasm. */
  readonly device: 'wasm' | 'tensorflow' | 'auto';
  /** Where q(x_t|x_0), the reverse step and pixel conversion run. */
  readonly arithmetic: 'wasm' | 'tensorflow';
  /** Workers of the wasm engine; null is one for each core of the machine it runs on. */
  readonly threads: number | null;
  /** The build without relaxed SIMD, whose bits are the same on every machine. */
  readonly strict: boolean;
  /** Vectors of 256 bits on the wasm engine: the same bits in less time. */
  readonly wide: boolean;
  /** TensorFlow operation by operation instead of one graph. */
  readonly eager: boolean;
}

/** The U-Net and the side of its square images in pixels. */
export type ModelConfig = NetworkConfig & { readonly size: number };

/** The forward process and the loss on its noise (Ho et al. 2020, section 4). */
export interface DiffusionConfig {
  /** T: t runs over [0, T). */
  readonly timesteps: number;
  readonly schedule: ScheduleOptions['schedule'];
  /** First and last beta of all schedules but the cosine one (Nichol & Dhariwal 2021), which has its own. */
  readonly betaStart: number;
  readonly betaEnd: number;
  /** Both times 1000/T; default false. */
  readonly scaleBetas?: boolean;
  /** Betas rescaled so that x_T is noise alone (Lin et al. 2024); default false. */
  readonly zeroTerminalSnr?: boolean;
  /** What the network predicts; default `epsilon`. */
  readonly objective?: Objective;
  readonly loss: Loss;
}

/** The reverse process. */
export interface SamplingConfig extends Omit<SamplerOptions, 'steps' | 'eta'> {
  /** Reverse steps. */
  readonly steps: number;
  /** DDIM's η: 0 is deterministic, 1 has the ancestral variance (Song et al. 2021, eq. 16). */
  readonly eta: number;
  readonly norm: BatchNormMode;
}

/** Images kept aside: a folder's (or file's) own, or a seeded share of the data. */
export type HeldOut = { readonly source: string } | { readonly fraction: number };

/** How an image becomes a square: stretched, or its middle cut out after scaling the short side. */
export type Fit = 'squash' | 'crop';

export interface DataConfig {
  /** `toy-cars`, or the absolute path of a folder of images, an IDX file or a CIFAR binary file. */
  readonly source: string;
  readonly fit: Fit;
  /** Mirror half of the images, chosen anew each epoch. */
  readonly flip: boolean;
  readonly heldOut: HeldOut | null;
}

export interface TrainingConfig {
  readonly batch: number;
  readonly lr: number;
  /** Adam; AdamW, which has a weight decay; or Muon for the matrices, with AdamW for the rest. */
  readonly optimizer: 'adam' | 'adamw' | 'muon';
  /** Muon's step size, which rises and falls as `lr` does; null without Muon. */
  readonly muonLr: number | null;
  readonly betas: readonly [number, number];
  readonly epsilon: number;
  /** Of what AdamW moves; 0 for Adam. */
  readonly weightDecay: number;
  /** Largest norm of all gradients together, to which they are scaled; null: as they are. */
  readonly clip: number | null;
  /** Steps in which `lr` is reached. */
  readonly warmup: number;
  /** How `lr` falls until the end of the run, to `decayFloor` of it. */
  readonly decay: 'constant' | 'linear' | 'cosine';
  readonly decayFloor: number;
  /** Decays of the averages (EMA) that are kept of the weights; sampling takes the first. */
  readonly ema: readonly number[];
  /** Batches of each step, whose gradients are summed up. */
  readonly accumulate: number;
  /** γ of min-SNR, which weighs the loss; null: all timesteps count alike. */
  readonly snrGamma: number | null;
  /** Weights of the loss of a program's own, one a timestep (of `flow` at 0 … 1000); null: none. */
  readonly lossWeights: readonly number[] | null;
  /** How timesteps are drawn. */
  readonly timeSampling: 'uniform' | 'logit-normal';
  /** Total length of the run, resumes included: one of the two is null. */
  readonly epochs: number | null;
  readonly steps: number | null;
  /** Steps between checkpoints; 0 writes one at the end alone. */
  readonly saveEvery: number;
  /** Steps between sample grids; 0 makes none. */
  readonly sampleEvery: number;
  /** Newest checkpoints kept; older ones are removed. */
  readonly keep: number;
  /** Whether the layers that end each branch of a unet2d began as zero. */
  readonly zeroInit: boolean;
  /** Absolute path of the weights it started from, or null for PyTorch's initialisation from the seed. */
  readonly init: string | null;
}

/** Which device computed, and why that one. */
export interface DeviceChoice {
  readonly device: 'wasm' | 'tensorflow';
  /** NetworkDevice.description, e.g. `wasm (relaxed SIMD, 2 threads)`. */
  readonly description: string;
  readonly why: string;
}

/** Everything needed to repeat a run: `run/config.json`. */
export interface RunConfig {
  readonly version: 1;
  readonly seed: number;
  readonly data: DataConfig;
  readonly model: ModelConfig;
  readonly diffusion: DiffusionConfig;
  readonly training: TrainingConfig;
  readonly computing: ComputingConfig;
  /** Filled in by the run when it opens its device. */
  readonly chosen: DeviceChoice | null;
}
