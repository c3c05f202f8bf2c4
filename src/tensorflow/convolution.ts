/**
 * A convolution as three bilinear maps: forward, and its adjoints by image and by weights. A transposed convolution is
 * the first adjoint taken for forward, so all of the U-Net's convolutions and their gradients are these three.
 */
import { FLOAT, ints, type Ops, one, string, vector } from './ops.js';

/**
 * x [batch, side, side, inputs] to y [batch, side/stride, side/stride, outputs]: 3x3 stride 1 or 4x4 stride 2 on even
 * sides, both with padding 1, or 1x1. Of a transposed convolution, x is the output and y the input.
 */
export interface Convolution {
  readonly batch: number;
  readonly side: number;
  readonly inputs: number;
  readonly outputs: number;
  readonly kernel: number;
  readonly stride: number;
}

/**
 * One way to compute it. Image, weights and gradient are each brought into a form of its own, once; two of the forms
 * give what the third belongs to.
 */
export interface ConvolutionMaps<V> {
  /** The form of x. */
  image(x: V): V;
  /** The form of w [kernel, kernel, inputs, outputs]. */
  weights(w: V): V;
  /** The form of dy. */
  gradient(dy: V): V;
  /** y = x ∗ w. */
  forward(image: V, weights: V): V;
  /** dx. */
  imageGradient(gradient: V, weights: V): V;
  /** dw. */
  weightGradient(image: V, gradient: V): V;
}

/**
 * TensorFlow's own operations. Padding is SAME: for these kernels, strides and sides it equals PyTorch's, and oneDNN's
 * backward convolutions know only it, not EXPLICIT (twice as slow here).
 */
export function directConvolution<V>(ops: Ops<V>, c: Convolution): ConvolutionMaps<V> {
  const attributes = {
    T: FLOAT,
    data_format: string('NHWC'),
    strides: ints(1, c.stride, c.stride, 1),
    padding: string('SAME'),
  };
  const asItIs = (value: V) => value;
  const x = () => vector(ops, c.batch, c.side, c.side, c.inputs);
  const w = () => vector(ops, c.kernel, c.kernel, c.inputs, c.outputs);
  return {
    image: asItIs,
    weights: asItIs,
    gradient: asItIs,
    forward: (image, weights) => one(ops, 'Conv2D', [image, weights], attributes),
    imageGradient: (dy, weights) => one(ops, 'Conv2DBackpropInput', [x(), weights, dy], attributes),
    weightGradient: (image, dy) => one(ops, 'Conv2DBackpropFilter', [image, w(), dy], attributes),
  };
}
