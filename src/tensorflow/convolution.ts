/**
 * A convolution as three bilinear maps: forward, and its adjoints by image and by weights. The forward pass of a transposed convolution
 * is the first adjoint, so all convolutions of a network and their gradients are these three.
 */
import type { NodeOf, Padding } from '../network/graph.js';
import { type Attributes, FLOAT, ints, type Ops, one, string, vector } from './ops.js';

/** x [batch, side, side, inputs] to y [batch, …, outputs]. For a transposed convolution, x is the output and y the input. */
export interface ConvolutionGeometry {
  readonly batch: number;
  readonly side: number;
  readonly inputs: number;
  readonly outputs: number;
  readonly kernel: number;
  readonly stride: number;
  readonly padding: Padding;
}

/** The convolution of a node. */
export function convolutionOf(
  { layer, x, out }: NodeOf<'conv'>,
  batch: number,
): ConvolutionGeometry {
  const { kind, inputs, outputs, kernel, stride, padding } = layer;
  const rest = { batch, kernel, stride, padding };
  if (kind === 'conv') return { ...rest, side: x.side, inputs, outputs };
  return { ...rest, side: out.side, inputs: outputs, outputs: inputs };
}

/**
 * One way to compute it. Image, weights and gradient are each converted once to a form of their own; two of the forms
 * give the third quantity.
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

/** TensorFlow's own operations. */
export function directConvolution<V>(ops: Ops<V>, c: ConvolutionGeometry): ConvolutionMaps<V> {
  const attributes = {
    T: FLOAT,
    data_format: string('NHWC'),
    strides: ints(1, c.stride, c.stride, 1),
    ...padding(c),
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

/**
 * SAME if that pads like the convolution (3x3, and 4x4 with stride 2 on even sides): oneDNN's backward
 * convolutions support it, but not EXPLICIT (which is twice as slow here).
 */
function padding({
  side,
  kernel,
  stride,
  padding: [before, after],
}: ConvolutionGeometry): Attributes {
  const total = Math.max(0, (Math.ceil(side / stride) - 1) * stride + kernel - side);
  const half = Math.floor(total / 2);
  if (before === half && after === total - half) return { padding: string('SAME') };
  const explicit = ints(0, 0, before, after, before, after, 0, 0);
  return { padding: string('EXPLICIT'), explicit_paddings: explicit };
}
