import type { NetworkConfig } from '../network/network.js';
import type { Times } from '../network/sinusoid.js';
import type { StateDict } from '../network/state.js';

/** Loss on the noise: mean |ε−ε̂|, mean (ε−ε̂)², or Huber with δ = 1 (PyTorch's `smooth_l1_loss`). */
export type Loss = 'l1' | 'l2' | 'huber';

/** BatchNorm in sampling: by running statistics, or by the batch's own (the reference never calls `eval()`). */
export type BatchNormMode = 'running' | 'batch';

/** Inputs of one U-Net pass. Images are f32 [batch, height, width, channel] without padding. */
export interface NetworkInput {
  readonly xt: Float32Array;
  /** One per image: timesteps of the schedule (Int32Array), or any real numbers (Float32Array). */
  readonly t: Times;
  /** Labels, one per image, from 0: only for networks that read them. */
  readonly labels?: Int32Array;
  /** Weights of each image's loss, in training; only for networks opened with `weighted`. */
  readonly weights?: Float32Array;
}

/** One of the batches that make up a step: its index, and their number. */
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
  /** Largest global norm of the gradients, to which larger ones are scaled before a step; null: no clipping. */
  readonly clip: number | null;
  /** Updates the matrices; without it Adam updates everything. */
  readonly muon?: Muon;
}

/**
 * Muon (Jordan et al., 2024) for the matrices that `matrixLayers` names: m ← μ·m + (1 − μ)·g, then
 * θ ← θ − η·ratio·√max(1, rows/columns)·orth(μ·m + (1 − μ)·g), with outputs as rows and inputs·kernel² as columns. `orth` is five steps
 * of Newton-Schulz.
 */
export interface Muon {
  /** μ. */
  readonly momentum: number;
  /** Its learning rate as a multiple of Adam's. */
  readonly ratio: number;
}

/** PyTorch's defaults for Adam. */
export const ADAM: Optimizer = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0, clip: null };

/** The options that a network is opened with. */
export interface NetworkOptions {
  readonly architecture: NetworkConfig;
  /** Side of the square images. */
  readonly size: number;
  readonly batch: number;
  /** Timesteps of the schedule are below this; real ones may be anything. */
  readonly timesteps: number;
  /** Default `l1`. */
  readonly loss?: Loss;
  /** Keep gradients and the optimizer's moments; default true. */
  readonly training?: boolean;
  /** Default `ADAM`. */
  readonly optimizer?: Optimizer;
  /** Batches per step, whose gradients are added up; default 1. */
  readonly accumulate?: number;
  /** Whether images' losses have weights; default false. */
  readonly weighted?: boolean;
  /** Decays of the averages of the weights to keep in training; default none. See `averageRate`. */
  readonly ema?: readonly number[];
  /** Seed of the dropout masks; default 0. A mask is a function of seed, step, dropout layer and element. */
  readonly seed?: number;
}

/**
 * The share of the current weights in their average (EMA) after `steps` steps, this one included: 1 − min(decay, (1 + k)/(10 + k)). The
 * average starts as the weights, and forgets these sooner than it would with `decay` alone.
 */
export const averageRate = (decay: number, steps: number): number =>
  Math.max(1 - decay, 9 / (10 + steps));

/** The optimizer's state: first (for Muon: momentum) and second moments by parameter name in PyTorch's layouts, and the steps taken. */
export interface OptimizerState {
  readonly step: number;
  readonly m: StateDict;
  readonly v: StateDict;
}

/**
 * A network of one image size and batch, on a device. The arithmetic around it (noise, q(x_t|x_0), the reverse step) is
 * done elsewhere. One call at a time.
 */
export interface NetworkDevice {
  readonly name: 'wasm' | 'tensorflow';
  /** For headers and config.json, e.g. `wasm (relaxed SIMD, 2 threads)`. */
  readonly description: string;
  readonly batch: number;

  /** ε̂ = f(x_t, t), f32 [batch, height, width, channel]. `batch` mode uses batch statistics, without updating any. */
  predict(input: NetworkInput, norm: BatchNormMode): Promise<Float32Array>;

  /** Forward in training mode, and backward: loss, ε̂ and every gradient by parameter name. Updates the running statistics. */
  gradients(
    input: NetworkInput,
    noise: Float32Array,
  ): Promise<{ loss: number; epsilon: Float32Array; gradients: StateDict }>;

  /**
   * One training step: forward, loss, backward, the optimizer at `lr`. Resolves to the loss. With `accumulate` it is called for
   * each of the step's batches in turn, and the last call updates the weights with the mean of all gradients. Dropout masks are
   * those of one batch that holds all of their images.
   */
  trainStep(input: NetworkInput, target: Float32Array, lr: number, part?: Part): Promise<number>;

  /** The per-image losses of the last training step, whose mean it resolved to. */
  imageLosses(): Float64Array;

  /** Parameters and buffers in PyTorch's names, order and layouts. */
  exportState(): Promise<StateDict>;
  /** Averages start at these too. */
  importState(state: StateDict): Promise<void>;
  exportOptimizer(): Promise<OptimizerState>;
  importOptimizer(state: OptimizerState): Promise<void>;

  /** The average of weights and running statistics with decay `index` of the options, in the form of the weights' state. */
  exportAverage(index: number): Promise<StateDict>;
  importAverage(index: number, state: StateDict): Promise<void>;
  /** Swaps weights and running statistics with an average, so that predictions use it. A second call undoes it. */
  exchangeAverage(index: number): Promise<void>;

  /** Frees memory and workers; safe to call twice. */
  dispose(): Promise<void>;
}
