import type { StateDict } from './state.js';

/** Loss on the noise: mean |ε−ε̂|, mean (ε−ε̂)², or Huber with δ = 1 (PyTorch's `smooth_l1_loss`). */
export type Loss = 'l1' | 'l2' | 'huber';

/** BatchNorm in sampling: running statistics, or the batch's own (the reference never calls `eval()`). */
export type BatchNormMode = 'running' | 'batch';

/** Inputs of one U-Net pass. Images are f32 [batch, height, width, channel] without padding. */
export interface UnetInput {
  readonly xt: Float32Array;
  /** Timesteps, one an image, counted from 0. */
  readonly t: Int32Array;
}

/** Adam's state: first and second moments by parameter name in PyTorch layouts, and steps taken. */
export interface OptimizerState {
  readonly step: number;
  readonly m: StateDict;
  readonly v: StateDict;
}

/**
 * The U-Net of one architecture, image size and batch, on a device. The arithmetic around it
 * (noise, q(x_t|x_0), the reverse step) is not its business. One call at a time.
 */
export interface UnetDevice {
  readonly name: 'wasm' | 'tensorflow';
  /** For headers and config.json, e.g. `wasm (relaxed SIMD, 2 threads)`. */
  readonly description: string;
  readonly batch: number;

  /** ε̂ = f(x_t, t), f32 [batch, height, width, channel]. `batch` mode uses batch statistics, without updating any. */
  predict(input: UnetInput, norm: BatchNormMode): Promise<Float32Array>;

  /** Forward in training mode and backward: loss, ε̂ and every gradient (by parameter name); running statistics move. */
  gradients(
    input: UnetInput,
    noise: Float32Array,
  ): Promise<{ loss: number; epsilon: Float32Array; gradients: StateDict }>;

  /** One whole training step: forward, loss, backward, Adam at `lr`. Resolves to the loss. */
  trainStep(input: UnetInput, noise: Float32Array, lr: number): Promise<number>;

  /** Parameters and buffers in PyTorch's names, order and layouts. */
  exportState(): Promise<StateDict>;
  importState(state: StateDict): Promise<void>;
  exportOptimizer(): Promise<OptimizerState>;
  importOptimizer(state: OptimizerState): Promise<void>;

  /** Frees memory and workers; safe to call twice. */
  dispose(): Promise<void>;
}
