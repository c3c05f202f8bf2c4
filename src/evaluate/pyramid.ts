/**
 * The Laplacian pyramid of an image (Burt & Adelson 1983) as in Karras et al. (2018): each level has the detail that the next
 * smaller one lacks, and the last is the smallest image itself.
 */

/** One plane of a square image. */
export interface Plane {
  readonly side: number;
  readonly data: Float32Array;
}

/** Size of the smallest level. */
export const SMALLEST = 16;

/** Binomial weights in one direction; over two directions they sum to 1. */
const TAPS = [1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16] as const;

/** Sizes of the levels, the finest first: halved down to 16 pixels or the last size above. */
export function levelSides(side: number): number[] {
  const sides: number[] = [];
  for (let s = side; s >= SMALLEST; s = s / 2) {
    sides.push(s);
    if (s % 2 !== 0) break;
  }
  return sides;
}

/** The levels of a plane, as in `levelSides`. */
export function laplacian(plane: Plane, levels: number): Plane[] {
  const pyramid = [plane];
  for (let i = 1; i < levels; i++) {
    const above = pyramid[i - 1]!;
    const below = down(above);
    pyramid[i - 1] = difference(above, up(below));
    pyramid.push(below);
  }
  return pyramid;
}

function down(plane: Plane): Plane {
  const { side, data } = blur(plane, 1);
  const half = side / 2;
  const out = new Float32Array(half * half);
  for (let y = 0; y < half; y++)
    for (let x = 0; x < half; x++) out[y * half + x] = data[2 * y * side + 2 * x]!;
  return { side: half, data: out };
}

/** Inserts zeros between the pixels and blurs with four times the weight. */
function up({ side, data }: Plane): Plane {
  const twice = 2 * side;
  const out = new Float32Array(twice * twice);
  for (let y = 0; y < side; y++)
    for (let x = 0; x < side; x++) out[2 * y * twice + 2 * x] = data[y * side + x]!;
  return blur({ side: twice, data: out }, 2);
}

function difference(a: Plane, b: Plane): Plane {
  return { side: a.side, data: a.data.map((value, i) => value - b.data[i]!) };
}

/** The binomial filter in both directions, scaled by `gain` in each; the image is mirrored about its edge pixels. */
function blur({ side, data }: Plane, gain: number): Plane {
  const at = Array.from({ length: side + 4 }, (_, i) => mirrored(i - 2, side));
  const rows = new Float32Array(side * side);
  const out = new Float32Array(side * side);
  for (let y = 0; y < side; y++)
    for (let x = 0; x < side; x++) {
      let sum = 0;
      for (let k = 0; k < 5; k++) sum += TAPS[k]! * data[y * side + at[x + k]!]!;
      rows[y * side + x] = gain * sum;
    }
  for (let y = 0; y < side; y++)
    for (let x = 0; x < side; x++) {
      let sum = 0;
      for (let k = 0; k < 5; k++) sum += TAPS[k]! * rows[at[y + k]! * side + x]!;
      out[y * side + x] = gain * sum;
    }
  return { side, data: out };
}

function mirrored(i: number, side: number): number {
  if (i < 0) return Math.min(side - 1, -i);
  return i < side ? i : Math.max(0, 2 * (side - 1) - i);
}
