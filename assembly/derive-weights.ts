import { UPSAMPLED } from './constants';
import { F32 } from './f32';
import { phaseMajor } from './transpose-weights';

/*
 * 3x3 convolutions that change the size of an image are 4x4 convolutions of stride 2 (padding 1), or the transpose of one, with a
 * kernel K that is derived from theirs, W. By mode:
 * 0. Stride 2 and padding 1 on all sides, even sizes: K has W in its rows and columns 0 to 2, and zeros.
 * 1. Stride 2 and padding only on the right and at the bottom: W is in 1 to 3.
 * 2. Nearest upsampling by 2, then stride 1 and padding 1; transposed. Each small pixel meets two neighbouring rows
 *    of W, so K[k] = W[2 − k] + W[3 − k] where these rows exist, and columns likewise.
 * Weights are panels [outputs/8][taps][inputs][8]; those of the transposed convolution have their taps in the order of phases.
 */

/** out, of 16 taps, from w, of 9. Items: 16 taps × panels, the panel fastest. */
export function deriveWeights(
  out: F32,
  w: F32,
  inputs: usize,
  panels: usize,
  mode: i32,
  begin: usize,
  end: usize,
): void {
  const length = inputs * 8;
  for (let item = begin; item < end; item++) {
    const tap = <i32>(item / panels);
    const panel = item % panels;
    const to = out.at((panel * 16 + placeOf(tap, mode)) * length);
    putZeros(to, length);
    for (let source = 0; source < 9; source++) {
      if (meets(tap >> 2, source / 3, mode) && meets(tap & 3, source % 3, mode))
        add(to, w.at((panel * 9 + source) * length), length);
    }
  }
}

/**
 * The adjoint: overwrites dw, of 9 taps, from the gradient dk of the 16 derived ones. Items: 9 taps × panels, the
 * panel fastest.
 */
export function foldGradient(
  dw: F32,
  dk: F32,
  inputs: usize,
  panels: usize,
  mode: i32,
  begin: usize,
  end: usize,
): void {
  const length = inputs * 8;
  for (let item = begin; item < end; item++) {
    const tap = <i32>(item / panels);
    const panel = item % panels;
    const to = dw.at((panel * 9 + tap) * length);
    putZeros(to, length);
    for (let source = 0; source < 16; source++) {
      if (meets(source >> 2, tap / 3, mode) && meets(source & 3, tap % 3, mode))
        add(to, dk.at((panel * 16 + placeOf(source, mode)) * length), length);
    }
  }
}

/** Whether row k of K contains row `row` of W; columns likewise. */
function meets(k: i32, row: i32, mode: i32): bool {
  if (mode === UPSAMPLED) return k + row === 2 || k + row === 3;
  return k === row + mode;
}

/** The index of element ky·4 + kx of K in storage. */
function placeOf(tap: i32, mode: i32): i32 {
  return mode === UPSAMPLED ? phaseMajor(tap) : tap;
}

function putZeros(out: F32, length: usize): void {
  for (let i: usize = 0; i < length; i += 4) out.setLanes(i, f32x4.splat(0));
}

function add(out: F32, x: F32, length: usize): void {
  for (let i: usize = 0; i < length; i += 4) out.setLanes(i, f32x4.add(out.lanes(i), x.lanes(i)));
}
