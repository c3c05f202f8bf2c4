/** Muon (Jordan et al., 2024) on TensorFlow: see `Muon` in contracts/device.ts, and assembly/muon.ts for the iteration. */
import type { Muon } from '../contracts/device.js';
import { elements } from '../network/state.js';
import { add, multiply, permute, product, reduce, reshape, square } from './calls.js';
import { type Ops, one, scalar } from './ops.js';
import type { Store, Variable } from './variables.js';

const ITERATIONS = 5;
const [A, B, C] = [3.4445, -4.775, 2.0315];

/** Updates one matrix. @param rate Muon's, for this step */
export function muonStep<V>(
  store: Store<V>,
  { momentum }: Muon,
  variable: Variable,
  transposed: boolean,
  gradient: V,
  rate: V,
): void {
  const { ops } = store;
  const { name } = variable;
  const state = `adam/m/${name}`;
  const part = multiply(ops, gradient, scalar(ops, 1 - momentum));
  const keep = scalar(ops, momentum);
  const mean = add(ops, multiply(ops, store.read(state), keep), part);
  const u = add(ops, multiply(ops, mean, keep), part);
  store.assign(state, mean);
  const { columns, rows, toMatrix, toWeight } = matrixForm(ops, variable, transposed);
  const scale = scalar(ops, Math.sqrt(Math.max(1, columns / rows)));
  const step = toWeight(orthogonal(ops, toMatrix(u), rows, columns));
  store.subtract(name, multiply(ops, multiply(ops, rate, scale), step));
}

/**
 * A weight as a matrix [inputs·kernel², outputs] and back. Its columns are the outputs: the last axis as stored, for a linear
 * layer the first, and for a transposed convolution the one before the last.
 */
function matrixForm<V>(ops: Ops<V>, { kept }: Variable, transposed: boolean) {
  const axes = kept.length === 2 ? [1, 0] : transposed ? [0, 1, 3, 2] : undefined;
  const shape = axes ? axes.map((axis) => kept[axis]!) : kept;
  const columns = shape.at(-1)!;
  const rows = elements(shape) / columns;
  const turn = (x: V) => (axes ? permute(ops, x, axes) : x);
  return {
    ...{ columns, rows },
    toMatrix: (x: V) => reshape(ops, turn(x), [rows, columns]),
    toWeight: (x: V) => turn(reshape(ops, x, shape)),
  };
}

/** Five steps of X ← X·(a·I + b·A + c·A²), A = Xᵀ·X, from M/(‖M‖ + 1e-7); with more columns than rows from the other side. */
function orthogonal<V>(ops: Ops<V>, m: V, rows: number, columns: number): V {
  const norm = one(ops, 'Sqrt', [reduce(ops, 'Sum', square(ops, m), [0, 0])]);
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
