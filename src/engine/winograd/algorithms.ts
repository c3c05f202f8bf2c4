/** The algorithms of minimal filtering (assembly/winograd) and the convolutions they are for. */

/**
 * The convolutions of the U-Net: 3 x 3 stride 1, 4 x 4 stride 2, and the transpose of 4 x 4 stride 2; padding 1.
 * Each is the data gradient of one of them with the adjoint weights: conv of conv, down of up, up of down.
 */
export type ConvolutionKind = 'conv' | 'down' | 'up';

/** F(m, r): m x m outputs of r x r taps at a time. */
export type WinogradAlgorithm = 'F(4,3)' | 'F(2,3)' | 'F(4,2)' | 'F(2,2)';

export interface Traits {
  /** The number the kernels know it by. */
  readonly id: number;
  /** Rows of outputs a tile has: m. */
  readonly side: number;
  /** Points in one dimension, and rows of inputs a tile has: n = m + r − 1. */
  readonly points: number;
  readonly kinds: readonly ConvolutionKind[];
  /** Products of the direct sum for each of its own. */
  readonly saving: number;
  /**
   * Bound on the largest error over the root mean square of the output, of normally distributed x and w with 128 to 2048
   * channels: measured, and at least half as much again. Weight gradients: up to 3.2e-5 over 64 x 64 x 16 pixels.
   */
  readonly error: number;
}

/** What there is to choose from. A direct sum in f32 has an error of 0.5e-5 to 1.5e-5. */
export const ALGORITHMS: Readonly<Record<WinogradAlgorithm, Traits>> = {
  'F(4,3)': { id: 43, side: 4, points: 6, kinds: ['conv'], saving: 4, error: 5e-5 },
  'F(2,3)': { id: 23, side: 2, points: 4, kinds: ['conv'], saving: 2.25, error: 1e-5 },
  'F(4,2)': { id: 42, side: 4, points: 5, kinds: ['down', 'up'], saving: 2.56, error: 8e-5 },
  'F(2,2)': { id: 22, side: 2, points: 3, kinds: ['down', 'up'], saving: 1.78, error: 2.5e-5 },
};

/** A tensor f32[batch, height, width, pixel] whose first `channels` (a multiple of 8) of each pixel count. */
export interface Feature {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  /** Floats from a pixel to the next: more than `channels` where the tensor is part of a concatenation. */
  readonly pixel: number;
}

export interface TiledConvolution {
  readonly kind: ConvolutionKind;
  readonly algorithm: WinogradAlgorithm;
  readonly batch: number;
  readonly input: Feature;
  readonly output: Feature;
}
