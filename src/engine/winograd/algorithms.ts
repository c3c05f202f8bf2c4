/** Winograd's minimal filtering algorithms (assembly/winograd), and the convolutions they compute. */

/**
 * The convolutions of the U-Net: 3 x 3 stride 1, 4 x 4 stride 2, and the transpose of 4 x 4 stride 2; padding 1.
 * The data gradient of each is one of them with the adjoint weights: conv of conv, down of up, up of down.
 */
export type ConvolutionKind = 'conv' | 'down' | 'up';

/** F(m, r): m x m outputs of r x r taps at a time. */
export type WinogradAlgorithm = 'F(4,3)' | 'F(2,3)' | 'F(4,2)' | 'F(2,2)';

export interface Traits {
  /** Its number in the kernels. */
  readonly id: number;
  /** Output rows per tile: m. */
  readonly side: number;
  /** Points in one dimension, and input rows per tile: n = m + r − 1. */
  readonly points: number;
  readonly kinds: readonly ConvolutionKind[];
  /** Multiplications of direct convolution for each of its own. */
  readonly saving: number;
  /**
   * Bound on the largest error over the root mean square of the output, for normally distributed x and w with 128 to 2048
   * channels: the measured error plus at least half as much. Weight gradients: up to 3.2e-5 over 64 x 64 x 16 pixels.
   */
  readonly error: number;
}

/** The available algorithms. Direct convolution in f32 has an error of 0.5e-5 to 1.5e-5. */
export const ALGORITHMS: Readonly<Record<WinogradAlgorithm, Traits>> = {
  'F(4,3)': { id: 43, side: 4, points: 6, kinds: ['conv'], saving: 4, error: 5e-5 },
  'F(2,3)': { id: 23, side: 2, points: 4, kinds: ['conv'], saving: 2.25, error: 1e-5 },
  'F(4,2)': { id: 42, side: 4, points: 5, kinds: ['down', 'up'], saving: 2.56, error: 8e-5 },
  'F(2,2)': { id: 22, side: 2, points: 3, kinds: ['down', 'up'], saving: 1.78, error: 2.5e-5 },
};

/** A tensor f32[batch, height, width, pixel] of which the first `channels` (a multiple of 8) of each pixel are used. */
export interface Feature {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  /** Floats from one pixel to the next: more than `channels` if the tensor is part of a concatenation. */
  readonly pixel: number;
}

export interface TiledConvolution {
  readonly kind: ConvolutionKind;
  readonly algorithm: WinogradAlgorithm;
  readonly batch: number;
  readonly input: Feature;
  readonly output: Feature;
}
