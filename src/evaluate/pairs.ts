/** Dot products of all pairs of rows, tile by tile, so that only one tile is in memory. */
import type { Breath } from './breath.js';
import { addDots, type Matrix } from './matrix.js';

/** Features of images in rows. */
export interface Rows {
  readonly count: number;
  readonly features: number;
  readonly data: Float32Array;
}

/** Rows per side of a tile: both sides take two megabytes with 2,048 features. */
const SIDE = 64;

/** Called for a pair: row i of the first set, row j of the second, and their dot product. */
export type OnPair = (i: number, j: number, dot: number) => void;

/** All pairs of rows of two sets. Resolves after the last; `onTile` receives the number of pairs done. */
export async function eachPair(
  a: Rows,
  b: Rows,
  onPair: OnPair,
  breath: Breath,
  onTile: (pairs: number) => void = () => {},
): Promise<void> {
  await walk(a, b, false, onPair, breath, onTile);
}

/** All pairs i > j of rows of one set. */
export async function eachOwnPair(
  a: Rows,
  onPair: OnPair,
  breath: Breath,
  onTile: (pairs: number) => void = () => {},
): Promise<void> {
  await walk(a, a, true, onPair, breath, onTile);
}

async function walk(
  a: Rows,
  b: Rows,
  own: boolean,
  onPair: OnPair,
  breath: Breath,
  onTile: (pairs: number) => void,
): Promise<void> {
  const dots = new Float64Array(SIDE * SIDE);
  for (let i0 = 0; i0 < a.count; i0 += SIDE) {
    const left = tile(a, i0);
    for (let j0 = 0; j0 < (own ? i0 + left.rows : b.count); j0 += SIDE) {
      const right = own && i0 === j0 ? left : tile(b, j0);
      dots.fill(0);
      addDots(dots, SIDE, left, 0, left.rows, right, 0, right.rows);
      for (let i = 0; i < left.rows; i++)
        for (let j = 0; j < right.rows && (!own || j0 + j < i0 + i); j++)
          onPair(i0 + i, j0 + j, dots[i * SIDE + j]!);
      onTile(left.rows * right.rows);
      await breath.take();
    }
  }
}

/** Rows from `first` on, in f64. */
function tile({ count, features, data }: Rows, first: number): Matrix {
  const rows = Math.min(SIDE, count - first);
  const part = data.subarray(first * features, (first + rows) * features);
  return { rows, columns: features, data: Float64Array.from(part) };
}

/** Squared lengths of the rows. */
export function squares({ count, features, data }: Rows): Float64Array {
  return Float64Array.from({ length: count }, (_, i) => {
    let sum = 0;
    for (let k = i * features; k < (i + 1) * features; k++) sum += data[k]! ** 2;
    return sum;
  });
}
