/** Layers with weights, with TensorFlow's operations, each with its gradient. Images are f32 NHWC. */
import { gather } from './calls.js';
import type { ConvolutionMaps } from './convolution.js';
import { bool, FLOAT, INT32, int, type Ops, one, scalar, string } from './ops.js';
import type { Tape } from './tape.js';

const NHWC = { T: FLOAT, data_format: string('NHWC') };

/** A convolution with its weights. */
export interface Filter<V> {
  readonly maps: ConvolutionMaps<V>;
  /** The weights in the form for `maps`. */
  readonly form: V;
  /** The parameter that receives their gradient; undefined if none is needed. */
  readonly parameter: V | undefined;
}

/** y = x ∗ w + b. */
export function conv<V>(
  tape: Tape<V>,
  x: V,
  { maps, form, parameter }: Filter<V>,
  b: V | undefined,
): V {
  const { ops } = tape;
  const image = maps.image(x);
  const product = maps.forward(image, form);
  const y = b === undefined ? product : one(ops, 'BiasAdd', [product, b], NHWC);
  return tape.record(y, (dy) => {
    if (b !== undefined) tape.give(b, one(ops, 'BiasAddGrad', [dy], NHWC));
    const gradient = maps.gradient(dy);
    if (parameter !== undefined) tape.give(parameter, maps.weightGradient(image, gradient));
    if (tape.watches(x)) tape.give(x, maps.imageGradient(gradient, form));
  });
}

/** The transpose of `conv`, + b. */
export function convTranspose<V>(
  tape: Tape<V>,
  x: V,
  { maps, form, parameter }: Filter<V>,
  b: V,
): V {
  const { ops } = tape;
  const gradient = maps.gradient(x);
  const y = one(ops, 'BiasAdd', [maps.imageGradient(gradient, form), b], NHWC);
  return tape.record(y, (dy) => {
    tape.give(b, one(ops, 'BiasAddGrad', [dy], NHWC));
    const image = maps.image(dy);
    if (parameter !== undefined) tape.give(parameter, maps.weightGradient(image, gradient));
    if (tape.watches(x)) tape.give(x, maps.forward(image, form));
  });
}

/** y = x·wᵀ + b; x [rows, in], w [out, in]. */
export function linear<V>(tape: Tape<V>, x: V, w: V, b: V): V {
  const { ops } = tape;
  const y = one(ops, 'BiasAdd', [matMul(ops, x, w, { transposeB: true }), b], NHWC);
  return tape.record(y, (dy) => {
    tape.give(b, one(ops, 'BiasAddGrad', [dy], NHWC));
    tape.give(w, matMul(ops, dy, x, { transposeA: true }));
    if (tape.watches(x)) tape.give(x, matMul(ops, dy, w));
  });
}

/** A product of two matrices. */
const matMul = <V>(ops: Ops<V>, a: V, b: V, { transposeA = false, transposeB = false } = {}): V => {
  const attributes = { T: FLOAT, transpose_a: bool(transposeA), transpose_b: bool(transposeB) };
  return one(ops, 'MatMul', [a, b], attributes);
};

/**
 * The rows of w [classes, outputs] with the indices `labels` (f32). The gradient is a product with one-hot rows:
 * UnsortedSegmentSum adds in any order on a GPU.
 */
export function embedding<V>(tape: Tape<V>, w: V, labels: V, classes: number): V {
  const { ops } = tape;
  const rows = one(ops, 'Cast', [labels], { SrcT: FLOAT, DstT: INT32 });
  return tape.record(gather(ops, w, rows), (dy) => {
    const depth = ops.constant(Int32Array.of(classes), []);
    const attributes = { T: FLOAT, TI: INT32, axis: int(-1) };
    const inputs = [rows, depth, scalar(ops, 1), scalar(ops, 0)];
    const chosen = one(ops, 'OneHot', inputs, attributes);
    tape.give(w, matMul(ops, chosen, dy, { transposeA: true }));
  });
}
