import type { NetworkConfig } from '../network/network.js';
import type { Times } from '../network/sinusoid.js';
import type { StateDict } from '../network/state.js';

/** Loss on the noise: mean |ε−ε̂|, mean (ε−ε̂)², or Huber with δ = 1 (PyTorch's `smooth_l1_loss`). */
export type Loss = 'l1' | 'l2' | 'huber';

/** BatchNorm in sampling: running statistics, or the batch's own (the reference never calls `eval()`). */
export type BatchNormMode = 'running' | 'batch';

/** Inputs of one U-Net pass. Images are f32 [batch, height, width, channel] without padding. */
export interface NetworkInput {
  readonly xt: Float32Array;
  /** One an image: timesteps of the schedule (Int32Array), or any real numbers (Float32Array). */
  readonly t: Times;
  /** Labels, one an image, counted from 0: for networks that read them, and no others. */
  readonly labels?: Int32Array;
  /** In training, of networks that are opened with `weighted`: of each image's loss. */
  readonly weights?: Float32Array;
}

/** One of the batches that a step goes through one after the other: which one, of how many. */
export interface Part {
  readonly index: number;
  readonly of: number;
}

/** A step of one batch. */
export const WHOLE: Part = { index: 0, of: 1 };

/**
 * Adam (Kingma & Ba, 2015) with decoupled weight decay (Loshchilov & Hutter, 2019, as PyTorch's AdamW):
 * θ ← θ − η·decay·θ, then θ ← θ − η·m̂/(√v̂ + ε).
 */
export interface Optimizer {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** 0: plain Adam. */
  readonly decay: number;
  /** Largest norm of all gradients together, to which they are scaled before a step; null: as they are. */
  readonly clip: number | null;
  /** Moves the matrices; without it Adam moves all. */
  readonly muon?: Muon;
}

/**
 * Muon (Jordan et al., 2024) for the matrices that `matrixLayers` names: m ← μ·m + (1 − μ)·g, then
 * θ ← θ − η·ratio·√max(1, rows/columns)·orth(μ·m + (1 − μ)·g), rows being outputs and columns inputs·kernel². `orth` are five steps
 * of Newton-Schulz.
 */
export interface Muon {
  /** μ. */
  readonly momentum: number;
  /** Its rate as a multiple of Adam's. */
  readonly ratio: number;
}

/** PyTorch's defaults of Adam. */
export const ADAM: Optimizer = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0, clip: null };

/** What a device is opened for. */
export interface NetworkOptions {
  readonly architecture: NetworkConfig;
  /** Side of the square images. */
  readonly size: number;
  readonly batch: number;
  /** Timesteps of the schedule are below this; real ones may be anything. */
  readonly timesteps: number;
  /** Default `l1`. */
  readonly loss?: Loss;
  /** Keeps gradients and the optimizer's moments; default true. */
  readonly training?: boolean;
  /** Default `ADAM`. */
  readonly optimizer?: Optimizer;
  /** Batches that each step goes through, whose gradients are summed up; default 1. */
  readonly accumulate?: number;
  /** Images' losses have weights; default false. */
  readonly weighted?: boolean;
  /** Decays of the averages of the weights that are kept beside them in training; default none. See `averageRate`. */
  readonly ema?: readonly number[];
  /** Seed of the dropouts' masks; default 0. A mask is a function of seed, step, dropout and element. */
  readonly seed?: number;
}

/**
 * The share of the weights in their average (EMA) after `steps` steps, this one among them: 1 − min(decay, (1 + k)/(10 + k)). The
 * average begins as the weights, and forgets these sooner than it would with `decay` alone.
 */
export const averageRate = (decay: number, steps: number): number =>
  Math.max(1 - decay, 9 / (10 + steps));

/** The optimizer's state: first (of Muon: the momentum) and second moments by parameter name in PyTorch layouts, and steps taken. */
export interface OptimizerState {
  readonly step: number;
  readonly m: StateDict;
  readonly v: StateDict;
}

/**
 * A network of one image size and batch, on a device. The arithmetic around it (noise, q(x_t|x_0), the reverse step) is
 * not its business. One call at a time.
 */
export interface NetworkDevice {
  readonly name: 'wasm' | 'tensorflow';
  /** For headers and config.json, e.g. `wasm (relaxed SIMD, 2 threads)`. */
  readonly description: string;
  readonly batch: number;

  /** ε̂ = f(x_t, t), f32 [batch, height, width, channel]. `batch` mode uses batch statistics, without updating any. */
  predict(input: NetworkInput, norm: BatchNormMode): Promise<Float32Array>;

  /** Forward in training mode and backward: loss, ε̂ and every gradient (by parameter name); running statistics move. */
  gradients(
    input: NetworkInput,
    noise: Float32Array,
  ): Promise<{ loss: number; epsilon: Float32Array; gradients: StateDict }>;

  /**
   * One training step: forward, loss, backward, the optimizer at `lr`. Resolves to the loss. With `accumulate` it is called for
   * each of the step's batches in turn, and the last one moves the weights by the mean of all gradients. Dropouts' masks are
   * those of one batch that holds all of their images.
   */
  trainStep(input: NetworkInput, target: Float32Array, lr: number, part?: Part): Promise<number>;

  /** The losses of the last training step's images, by themselves: their mean is what it resolved to. */
  imageLosses(): Float64Array;

  /** Parameters and buffers in PyTorch's names, order and layouts. */
  exportState(): Promise<StateDict>;
  /** Averages begin at these, too. */
  importState(state: StateDict): Promise<void>;
  exportOptimizer(): Promise<OptimizerState>;
  importOptimizer(state: OptimizerState): Promise<void>;

  /** The average of weights and running statistics with decay `index` of the options, as a state like the weights' own. */
  exportAverage(index: number): Promise<StateDict>;
  importAverage(index: number, state: StateDict): Promise<void>;
  /** Exchanges weights and running statistics with an average, so that predictions take it. Called again, it undoes that. */
  exchangeAverage(index: number): Promise<void>;

  /** Frees memory and workers; safe to call twice. */
  dispose(): Promise<void>;
}
