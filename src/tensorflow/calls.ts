/** Frequently used TensorFlow operations, as functions of f32 values. */
import { bool, FLOAT, INT32, int, type Ops, one, vector } from './ops.js';

export const add = <V>(ops: Ops<V>, a: V, b: V): V => one(ops, 'AddV2', [a, b]);
export const subtract = <V>(ops: Ops<V>, a: V, b: V): V => one(ops, 'Sub', [a, b]);
export const multiply = <V>(ops: Ops<V>, a: V, b: V): V => one(ops, 'Mul', [a, b]);
export const square = <V>(ops: Ops<V>, a: V): V => one(ops, 'Square', [a]);

export const reshape = <V>(ops: Ops<V>, x: V, shape: readonly number[]): V =>
  one(ops, 'Reshape', [x, vector(ops, ...shape)], { T: FLOAT, Tshape: INT32 });

export const permute = <V>(ops: Ops<V>, x: V, axes: readonly number[]): V =>
  one(ops, 'Transpose', [x, vector(ops, ...axes)], { T: FLOAT, Tperm: INT32 });

/** A batch of matrix products; x or y transposed. */
export function product<V>(ops: Ops<V>, x: V, y: V, adjoint?: 'x' | 'y'): V {
  const attributes = { T: FLOAT, adj_x: bool(adjoint === 'x'), adj_y: bool(adjoint === 'y') };
  return one(ops, 'BatchMatMulV2', [x, y], attributes);
}

/** Sums or means over one axis after the other, which keeps f32's precision; `keep` keeps them with length 1. */
export function reduce<V>(
  ops: Ops<V>,
  how: 'Sum' | 'Mean',
  x: V,
  axes: readonly number[],
  keep = false,
): V {
  const attributes = { T: FLOAT, Tidx: INT32, keep_dims: bool(keep) };
  return axes.reduce((sum, axis) => one(ops, how, [sum, vector(ops, axis)], attributes), x);
}

/** Parts of x along an axis, with these lengths. */
export function split<V>(ops: Ops<V>, x: V, lengths: readonly number[], axis: number): V[] {
  const inputs = [x, vector(ops, ...lengths), ops.constant(Int32Array.of(axis), [])];
  const count = lengths.length;
  return ops.op('SplitV', inputs, { T: FLOAT, Tlen: INT32, num_split: int(count) }, count);
}

export function join<V>(ops: Ops<V>, parts: readonly V[], axis: number): V {
  const inputs = [...parts, ops.constant(Int32Array.of(axis), [])];
  return one(ops, 'ConcatV2', inputs, { T: FLOAT, N: int(parts.length), Tidx: INT32 });
}

/** The rows of x [rows, channels] at `places` (i32), in their order. */
export function gather<V>(ops: Ops<V>, x: V, places: V): V {
  const attributes = { Tparams: FLOAT, Tindices: INT32, Taxis: INT32, batch_dims: int(0) };
  return one(ops, 'GatherV2', [x, places, ops.constant(Int32Array.of(0), [])], attributes);
}
