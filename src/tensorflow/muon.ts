/** Muon (Jordan et al., 2024) on TensorFlow: see `Muon` in contracts/device.ts, and assembly/muon.ts for the iteration. */
import type { Muon } from '../contracts/device.js';
import { elements } from '../network/state.js';
import type { Block, Matrix } from './blocks.js';
import { add, multiply, permute, product, reduce, reshape, square } from './calls.js';
import { type Ops, one, scalar } from './ops.js';
import { MOMENT, type Store } from './variables.js';

const ITERATIONS = 5;
const [A, B, C] = [3.4445, -4.775, 2.0315];

/** Updates a block's matrices, all at once. @param rate Muon's, for this step */
export function muonStep<V>(
  store: Store<V>,
  { momentum }: Muon,
  block: Block,
  matrix: Matrix,
  gradient: V,
  rate: V,
): void {
  const { ops } = store;
  const { name } = block;
  const state = MOMENT.m + name;
  const part = multiply(ops, gradient, scalar(ops, 1 - momentum));
  const keep = scalar(ops, momentum);
  const mean = add(ops, multiply(ops, store.read(state), keep), part);
  const u = add(ops, multiply(ops, mean, keep), part);
  store.assign(state, mean);
  const { columns, rows, toMatrices, toBlock } = matrixForm(ops, block, matrix);
  const scale = scalar(ops, Math.sqrt(Math.max(1, columns / rows)));
  const step = toBlock(orthogonal(ops, toMatrices(u), rows, columns));
  store.subtract(name, multiply(ops, multiply(ops, rate, scale), step));
}

/**
 * A block's weights as matrices [weights, inputs·kernel², outputs] and back. Their columns are the outputs: the last axis as stored, for
 * a linear layer the first, and for a transposed convolution the one before the last.
 */
function matrixForm<V>(ops: Ops<V>, { kept, members }: Block, { transposed }: Matrix) {
  const own = members[0]!.kept;
  const weights = [members.length, ...own];
  const axes = own.length === 2 ? [0, 2, 1] : transposed ? [0, 1, 2, 4, 3] : undefined;
  const shape = axes ? axes.map((axis) => weights[axis]!) : weights;
  const columns = shape.at(-1)!;
  const rows = elements(own) / columns;
  const turn = (x: V) => (axes ? permute(ops, x, axes) : x);
  return {
    ...{ columns, rows },
    toMatrices: (x: V) =>
      reshape(ops, turn(reshape(ops, x, weights)), [members.length, rows, columns]),
    toBlock: (x: V) => reshape(ops, turn(reshape(ops, x, shape)), kept),
  };
}

/** Five steps of X ← X·(a·I + b·A + c·A²), A = Xᵀ·X, from M/(‖M‖ + 1e-7); with more columns than rows from the other side. */
function orthogonal<V>(ops: Ops<V>, m: V, rows: number, columns: number): V {
  const norm = one(ops, 'Sqrt', [reduce(ops, 'Sum', square(ops, m), [2, 1], true)]);
  let x = one(ops, 'RealDiv', [m, add(ops, norm, scalar(ops, 1e-7))]);
  const times = (value: V, factor: number) => multiply(ops, value, scalar(ops, factor));
  for (let i = 0; i < ITERATIONS; i++) {
    const a = columns > rows ? product(ops, x, x, 'y') : product(ops, x, x, 'x');
    const polynomial = add(ops, times(a, B), times(product(ops, a, a), C));
    const moved = columns > rows ? product(ops, polynomial, x) : product(ops, x, polynomial);
    x = add(ops, times(x, A), moved);
  }
  return x;
}
