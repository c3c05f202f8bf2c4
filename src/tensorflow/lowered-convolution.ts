/** A lowered convolution's three maps as TensorFlow operations: gathers, constant matrices, batched products. */
import { gather, permute, product, reshape } from './calls.js';
import type { ConvolutionMaps } from './convolution.js';
import { type Matrix, transpose } from './cook-toom.js';
import type { Lowering } from './lowering.js';
import { bool, FLOAT, INT32, int, type Ops, one } from './ops.js';

/**
 * The forms: image [points, rows, pixels·inputs], weights [points, pixels·inputs, outputs], gradient
 * [points, rows, outputs]. Each map is a product of two of them, and the transposed transform of the third.
 */
export function loweredConvolution<V>(ops: Ops<V>, l: Lowering): ConvolutionMaps<V> {
  const { points, rows, pixels, inputs, outputs, kernel, transforms } = l;
  const depth = pixels * inputs;
  const by = (matrix: Matrix | undefined, x: V, shape: number[]) =>
    reshape(ops, matrix ? constantTimes(ops, matrix, x) : x, shape);
  const { image, weights, output } = transforms ?? {};
  const transposed = (matrix: Matrix | undefined) => matrix && transpose(matrix);
  return {
    image: (x) => by(image, takePatches(ops, l, x), [points, rows, depth]),
    weights: (w) => by(weights, w, [points, depth, outputs]),
    gradient: (dy) => by(transposed(output), toTiles(ops, l, dy), [points, rows, outputs]),
    forward: (x, w) => {
      const products = product(ops, x, w);
      return fromTiles(ops, l, output ? constantTimes(ops, output, products) : products);
    },
    imageGradient: (dy, w) => {
      const products = product(ops, dy, w, 'y');
      return putPatches(ops, l, by(transposed(image), products, [-1, inputs]));
    },
    weightGradient: (x, dy) =>
      by(transposed(weights), product(ops, x, dy, 'x'), [kernel, kernel, inputs, outputs]),
  };
}

/** The matrix times x, reshaped to [columns, …]. */
function constantTimes<V>(ops: Ops<V>, matrix: Matrix, x: V): V {
  const columns = matrix[0]!.length;
  const constant = ops.constant(Float32Array.from(matrix.flat()), [matrix.length, columns]);
  const attributes = { T: FLOAT, transpose_a: bool(false), transpose_b: bool(false) };
  return one(ops, 'MatMul', [constant, reshape(ops, x, [columns, -1])], attributes);
}

/** Gathers the patches of x [batch, side, side, inputs]. */
function takePatches<V>(ops: Ops<V>, l: Lowering, x: V): V {
  const border = ops.constant(Int32Array.of(0, 0, 1, 1, 1, 1, 0, 0), [4, 2]);
  const padded = one(ops, 'Pad', [x, border], { T: FLOAT, Tpaddings: INT32 });
  const image = (l.side + 2) ** 2;
  const first = ops.constant(l.take, [l.points, 1, l.take.length / l.points]);
  const each = ops.constant(multiples(l.batch, image), [1, l.batch, 1]);
  const places = one(ops, 'AddV2', [first, each], { T: INT32 });
  return gather(ops, reshape(ops, padded, [-1, l.inputs]), places);
}

/** The adjoint: sums patches [points·rows·pixels, inputs] where they overlap. */
function putPatches<V>(ops: Ops<V>, l: Lowering, patches: V): V {
  const length = l.points * l.rows * l.pixels;
  // One row of zeros at the end, for pixels in fewer patches.
  const border = ops.constant(Int32Array.of(0, 1, 0, 0), [2, 2]);
  const padded = one(ops, 'Pad', [patches, border], { T: FLOAT, Tpaddings: INT32 });
  const each = ops.constant(multiples(l.batch, l.tiles ** 2 * l.pixels), [l.batch, 1]);
  const last = ops.constant(Int32Array.of(length), []);
  const layers = l.put.map((table) => {
    const first = ops.constant(
      table.map((place) => (place < 0 ? length : place)),
      [1, table.length],
    );
    const places = one(ops, 'AddV2', [first, each], { T: INT32 });
    return gather(ops, padded, one(ops, 'Minimum', [places, last], { T: INT32 }));
  });
  const sum = one(ops, 'AddN', layers, { T: FLOAT, N: int(layers.length) });
  return reshape(ops, sum, [l.batch, l.side, l.side, l.inputs]);
}

/** [batch, height, width, outputs] to [tile, tile, batch, tiles, tiles, outputs]. */
function toTiles<V>(ops: Ops<V>, l: Lowering, y: V): V {
  if (l.tile === 0) return y;
  const split = [l.batch * l.tiles, l.tile, l.tiles, l.tile, l.outputs];
  return permute(ops, reshape(ops, y, split), [1, 3, 0, 2, 4]);
}

/** And back. */
function fromTiles<V>(ops: Ops<V>, l: Lowering, y: V): V {
  const side = l.side / l.stride;
  const image = [l.batch, side, side, l.outputs];
  if (l.tile === 0) return reshape(ops, y, image);
  const tiles = reshape(ops, y, [l.tile, l.tile, l.batch * l.tiles, l.tiles, l.outputs]);
  return reshape(ops, permute(ops, tiles, [2, 0, 3, 1, 4]), image);
}

const multiples = (count: number, of: number): Int32Array =>
  Int32Array.from({ length: count }, (_, i) => i * of);
