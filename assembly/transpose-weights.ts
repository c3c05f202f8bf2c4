import { FLIP, TO_TRANSPOSED } from './constants';
import { F32 } from './f32';

/**
 * Weights of the adjoint convolution, whose forward pass is this one's data gradient:
 * out[cin/8][tap'][cout][8] = w[cout/8][tap][cin][8]. mode 0: stride 1, taps flipped; 1: 4x4 stride 2 to the four
 * phases of a transposed convolution; 2: the inverse. Items: cin/8 × taps.
 */
export function transposeWeights(
  out: F32,
  w: F32,
  taps: i32,
  inputs: i32,
  outputs: i32,
  mode: i32,
  begin: i32,
  end: i32,
): void {
  for (let item = begin; item < end; item++) {
    const panel = item / taps;
    const tap = item % taps;
    const from = sourceTap(tap, taps, mode);
    const target = out.at(<usize>(panel * taps + tap) * outputs * 8);
    for (let co = 0; co < outputs; co += 8) {
      const source = w.at((<usize>((co >> 3) * taps + from) * inputs + panel * 8) * 8);
      transpose4(target.at(<usize>co * 8), source);
      transpose4(target.at(<usize>co * 8 + 4), source.at(32));
      transpose4(target.at(<usize>co * 8 + 32), source.at(4));
      transpose4(target.at(<usize>co * 8 + 36), source.at(36));
    }
  }
}

/** The tap of this layer that becomes `tap` of its adjoint. */
function sourceTap(tap: i32, taps: i32, mode: i32): i32 {
  if (mode === FLIP) return taps - 1 - tap;
  if (mode === TO_TRANSPOSED) {
    const phase = tap >> 2;
    return kernelIndex(phase >> 1, (tap >> 1) & 1) * 4 + kernelIndex(phase & 1, tap & 1);
  }
  return phaseMajor(tap);
}

/** Index of the kernel element ky·4 + kx among the taps of a transposed convolution, which are stored by output phase. */
export function phaseMajor(tap: i32): i32 {
  const ky = tap >> 2;
  const kx = tap & 3;
  return (phaseOf(ky) * 2 + phaseOf(kx)) * 4 + tapOf(ky) * 2 + tapOf(kx);
}

/** Row of the 4x4 kernel for tap a of a phase: phase 0 has rows 3, 1; phase 1 has 2, 0. */
function kernelIndex(phase: i32, a: i32): i32 {
  return 3 - phase - 2 * a;
}

function phaseOf(k: i32): i32 {
  return (k & 1) ^ 1;
}

function tapOf(k: i32): i32 {
  return k < 2 ? 1 : 0;
}

/** 4x4 block: rows 8 floats apart on both sides. */
function transpose4(out: F32, source: F32): void {
  const a = source.lanes(0),
    b = source.lanes(8),
    c = source.lanes(16),
    d = source.lanes(24);
  const ab0 = i32x4.shuffle(a, b, 0, 4, 1, 5),
    ab1 = i32x4.shuffle(a, b, 2, 6, 3, 7);
  const cd0 = i32x4.shuffle(c, d, 0, 4, 1, 5),
    cd1 = i32x4.shuffle(c, d, 2, 6, 3, 7);
  out.setLanes(0, i32x4.shuffle(ab0, cd0, 0, 1, 4, 5));
  out.setLanes(8, i32x4.shuffle(ab0, cd0, 2, 3, 6, 7));
  out.setLanes(16, i32x4.shuffle(ab1, cd1, 0, 1, 4, 5));
  out.setLanes(24, i32x4.shuffle(ab1, cd1, 2, 3, 6, 7));
}
