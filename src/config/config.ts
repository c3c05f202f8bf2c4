import type { BatchNormMode, Loss } from '../contracts/device.js';
import type { ClassKind } from '../data/classes.js';
import type { Objective } from '../diffusion/objective.js';
import type { SamplerOptions } from '../diffusion/sampler.js';
import type { ScheduleOptions } from '../diffusion/schedule.js';
import type { NetworkConfig, OfPixels } from '../network/network.js';

/*
 * What a command computes, as plain data: the parsed flags, and the contents of `run/config.json`.
 * Everything here has been validated (args.ts, read.ts); code that receives it trusts it.
 */

/** Where and how the numbers are computed. Nothing here changes the meaning of a run, only its bits. */
export interface ComputingConfig {
  /**
   * Where the U-Net's forward and backward run; `auto` is tensorflow with a usable GPU, else wasm. Default `wasm`.
   * E.g. `device: 'auto'`.
   */
  readonly device: 'wasm' | 'tensorflow' | 'auto';
  /** Where q(x_t|x_0), the reverse step and pixel conversion run. Default `wasm`. E.g. `arithmetic: 'tensorflow'`. */
  readonly arithmetic: 'wasm' | 'tensorflow';
  /** Workers of the wasm engine; null (the default) is one per core of the machine it runs on. E.g. `threads: 2`. */
  readonly threads: number | null;
  /** The build without relaxed SIMD, whose bits are the same on every machine. Default false. E.g. `strict: true`. */
  readonly strict: boolean;
  /**
   * 256-bit vectors on the wasm engine: the same bits in less time. Default null: where Haze has been tested with them (Node 24
   * to 26, on x64 with AVX2). E.g. `wide: false`.
   */
  readonly wide: boolean | null;
  /** Run TensorFlow operation by operation instead of as one graph. Default false. E.g. `eager: true`. */
  readonly eager: boolean;
}

/** The U-Net and the side of its square images in pixels. */
export type ModelConfig = NetworkConfig & { readonly size: number };

/** One whose images are pictures, not latents. */
export type PixelModel = ModelConfig & OfPixels;

/** The forward process and the loss on its noise (Ho et al. 2020, section 4). */
export interface DiffusionConfig {
  /** T: t runs over [0, T). Default 300. E.g. `timesteps: 1000`. */
  readonly timesteps: number;
  /** How β grows (see `ScheduleOptions`). Default `linear`. E.g. `schedule: 'cosine'`. */
  readonly schedule: ScheduleOptions['schedule'];
  /**
   * First β of all schedules but the cosine one (Nichol & Dhariwal 2021), which has its own. Default 0.0001.
   * E.g. `betaStart: 1e-5`.
   */
  readonly betaStart: number;
  /** Last β. Default 0.02. E.g. `betaEnd: 0.01`. */
  readonly betaEnd: number;
  /** Multiply both betas by 1000/T. Default false. E.g. `scaleBetas: true`. */
  readonly scaleBetas?: boolean;
  /** Rescale the betas so that x_T is pure noise (Lin et al. 2024). Default false. E.g. `zeroTerminalSnr: true`. */
  readonly zeroTerminalSnr?: boolean;
  /**
   * What the network predicts: the noise, the image, v or the velocity of flow matching. Default `epsilon`.
   * E.g. `objective: 'v'`.
   */
  readonly objective?: Objective;
  /** Distance between prediction and target. Default `l1`. E.g. `loss: 'l2'`. */
  readonly loss: Loss;
}

/** The reverse process. */
export interface SamplingConfig extends Omit<SamplerOptions, 'steps' | 'eta'> {
  /** Reverse steps, at most T (for flow 1000). Default is the sampler's own; for ancestral, T. E.g. `steps: 25`. */
  readonly steps: number;
  /** DDIM's η: 0 is deterministic, 1 has the ancestral variance (Song et al. 2021, eq. 16). Default 0. E.g. `eta: 0.5`. */
  readonly eta: number;
  /**
   * BatchNorm by running statistics, or by the batch's own: an image then depends on the others in its batch. Default `running`.
   * E.g. `norm: 'batch'`.
   */
  readonly norm: BatchNormMode;
}

/** A run's default sampling settings; the sampler's own defaults apply to the rest. */
export type RunSampling = Partial<SamplingConfig>;

/** Held-out images: a separate folder (or file), or a seeded share of the data. */
export type HeldOut = { readonly source: string } | { readonly fraction: number };

/** How an image becomes a square: stretched, or its centre cropped after scaling the short side. */
export type Fit = 'squash' | 'crop';

/** The classes of a run's images. */
export interface RunClasses {
  /** Where the classes come from: subfolders, labels in files, the bodies of toy-cars; `auto` until the run has checked. */
  readonly by: ClassKind | 'auto';
  /** Names by label, from 0; empty until the run has checked. */
  readonly names: readonly string[];
}

export interface DataConfig {
  /** `toy-cars`, or the absolute path of a folder of images, an IDX file or a CIFAR binary file. */
  readonly source: string;
  /** Make images square by stretching them, or by cropping their centre. Default `squash`. E.g. `fit: 'crop'`. */
  readonly fit: Fit;
  /** Mirror half of the images, chosen anew each epoch. Default true. E.g. `flip: false`. */
  readonly flip: boolean;
  readonly heldOut: HeldOut | null;
  /** The classes of the images that condition the network; null or missing: none. */
  readonly classes?: RunClasses | null;
  /**
   * The folder of the autoencoder whose latents are trained on, as it was given; the run has a copy. Missing (the default): pixels.
   * E.g. `autoencoder: 'taesd'`.
   */
  readonly autoencoder?: string;
}

export interface TrainingConfig {
  /** Images per batch. Default the preset's. E.g. `batch: 64`. */
  readonly batch: number;
  /** Learning rate of the optimizer. Default 0.001. E.g. `lr: 2e-4`. */
  readonly lr: number;
  /**
   * Adam; AdamW, which has a weight decay; or Muon for the matrices, with AdamW for the rest. Default `adam`.
   * E.g. `optimizer: 'muon'`.
   */
  readonly optimizer: 'adam' | 'adamw' | 'muon';
  /** Muon's learning rate, which warms up and decays like `lr`; null without Muon. Default 0.02. E.g. `muonLr: 0.01`. */
  readonly muonLr: number | null;
  /** Decay rates of both moments. Default `[0.9, 0.999]`. E.g. `betas: [0.9, 0.99]`. */
  readonly betas: readonly [number, number];
  /** Added to the root of the second moment. Default 1e-8. E.g. `epsilon: 1e-6`. */
  readonly epsilon: number;
  /** AdamW's weight decay per step, multiplied by `lr`. Default 0.01, with Adam 0. E.g. `weightDecay: 0.05`. */
  readonly weightDecay: number;
  /** Largest global norm of the gradients, to which larger ones are scaled; null (the default): no clipping. E.g. `clip: 1`. */
  readonly clip: number | null;
  /** Steps over which the rate rises to `lr`. Default 0. E.g. `warmup: 100`. */
  readonly warmup: number;
  /** How `lr` decays until the end of the run, to `decayFloor` of it. Default `constant`. E.g. `decay: 'cosine'`. */
  readonly decay: 'constant' | 'linear' | 'cosine';
  /** Share of `lr` at which the decay ends. Default 0. E.g. `decayFloor: 0.02`. */
  readonly decayFloor: number;
  /**
   * Decays of the averages (EMA) of the weights to keep, at most 4; sampling uses the first. Default none.
   * E.g. `ema: [0.999]`.
   */
  readonly ema: readonly number[];
  /** Batches per step, whose gradients are added up. Default 1. E.g. `accumulate: 4`. */
  readonly accumulate: number;
  /**
   * Replicas, each with weights and moments of its own within a round, on batches of its own: a step takes `batch` · `accumulate` images
   * of each. Needs `syncEvery`. Default 1. E.g. `replicas: 4`.
   */
  readonly replicas: number;
  /**
   * Steps of a round, which ends with one step of an outer optimizer along the mean change of the replicas (DiLoCo, Douillard et al.,
   * 2023); null (the default): no rounds. E.g. `syncEvery: 25`.
   */
  readonly syncEvery: number | null;
  /**
   * Step size of the outer optimizer; 1 with `outerMomentum` 0 is plain averaging. Default 0.7, and null without rounds.
   * E.g. `outerLr: 1`.
   */
  readonly outerLr: number | null;
  /** The outer optimizer's momentum (Nesterov). Default 0.9, and null without rounds. E.g. `outerMomentum: 0`. */
  readonly outerMomentum: number | null;
  /** γ of min-SNR weights of the loss; null (the default): all timesteps count alike. E.g. `snrGamma: 5`. */
  readonly snrGamma: number | null;
  /**
   * A program's own weights of the loss, one per timestep (for `flow` at 0 … 1000); null (the default): none.
   * E.g. `lossWeights: table`.
   */
  readonly lossWeights: readonly number[] | null;
  /** Share of images that are trained without their class, for guidance. Default 0.1, without classes 0. E.g. `labelDropout: 0.2`. */
  readonly labelDropout: number;
  /**
   * Share of the steps after which the weights are kept as a guide for sampling; from 1 on, the number of steps, at most a quarter of all.
   * Null (the default): never. E.g. `keepGuide: 0.3`.
   */
  readonly keepGuide: number | null;
  /**
   * Smaller image sizes, each until a share of `steps`; the rest uses `size`. Null (the default): `size` throughout.
   * E.g. `grow: '16:0.5,24:0.8'`.
   */
  readonly grow: string | null;
  /** How timesteps are drawn: uniformly, or mostly in the middle. Default `uniform`. E.g. `timeSampling: 'logit-normal'`. */
  readonly timeSampling: 'uniform' | 'logit-normal';
  /**
   * Total length of the run in passes over the data, resumes included; null if `steps` gives it. Default 100.
   * E.g. `epochs: 25`.
   */
  readonly epochs: number | null;
  /** Total length in steps; null (the default) if `epochs` gives it. E.g. `steps: 2000`. */
  readonly steps: number | null;
  /** Steps between checkpoints; 0 writes only one at the end. Default 500. E.g. `saveEvery: 100`. */
  readonly saveEvery: number;
  /** Steps between sample grids; 0 draws none. Default 500. E.g. `sampleEvery: 0`. */
  readonly sampleEvery: number;
  /** Newest checkpoints to keep; older ones are removed. Default 3. E.g. `keep: 1`. */
  readonly keep: number;
  /** Whether the blocks of a unet2d or dit start as the identity, by layers of zeros. Default false. E.g. `zeroInit: true`. */
  readonly zeroInit: boolean;
  /**
   * Path of the initial weights (a file; or a run or a diffusers folder, which also give the network and the diffusion), or null (the
   * default) for PyTorch's initialisation
   * from the seed. E.g. `init: 'runs/1'`.
   */
  readonly init: string | null;
}

/** The model that a run learns from: it draws in `steps` what the run learns to draw in the steps of its `sampling`. */
export interface TeacherConfig {
  /** Path of the model as it was given; the run has a copy of its weights. E.g. `source: '/runs/cars'`. */
  readonly source: string;
  /** Its reverse steps, a multiple of the run's own. */
  readonly steps: number;
  /** Range that it clamps x̂_0 to; missing: it does not clamp. The run itself does not. */
  readonly clamp?: number;
  /** W in m_other + W·(m − m_other); 1 does not guide. */
  readonly guidance: number;
  /** What it is guided away from: the weights that its run kept, or its own outputs without a class; null if it is not guided. */
  readonly guidedBy: 'weights' | 'classes' | null;
}

/** Which device computed, and why it was chosen. */
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
  /** From its preset, if that has any, or from its teacher. */
  readonly sampling?: RunSampling;
  /** Missing: it learns from the images alone. */
  readonly teacher?: TeacherConfig;
  readonly computing: ComputingConfig;
  /** Filled in by the run when it opens its device. */
  readonly chosen: DeviceChoice | null;
}
