import { F32 } from '../f32';
import { Eights } from './layouts';
import { multiply4x8, multiply6x8, SIX_ROWS } from './micro-kernels';
import { Tiling } from './tiling';
import { multiplyWide, wide } from './wide';

/**
 * C[quad] (+)= A[quad] · B for groups of four tiles, three groups at a time as two blocks of six rows.
 * c: quads `cStep` floats apart; a: quads `aStep` bytes apart, laid out as R says
 */
export function multiplyQuads<R>(
  c: F32,
  cStep: usize,
  a: usize,
  aStep: usize,
  b: usize,
  k: usize,
  jump: usize,
  quads: usize,
  more: i32,
): void {
  if (wide) {
    multiplyWide<R>(c, cStep, a, aStep, b, k, jump, quads, more);
    return;
  }
  if (SIX_ROWS) {
    // From a group's first row to its third.
    const half = 2 * offsetof<R>();
    for (; quads >= 3; quads -= 3) {
      const c1 = c.at(cStep);
      const a1 = a + aStep;
      multiply6x8<R>(c, c1, a, a1, b, k, jump, more);
      multiply6x8<R>(c1.at(cStep), c1.at(16), a1 + aStep, a1 + half, b, k, jump, more);
      c = c.at(3 * cStep);
      a += 3 * aStep;
    }
  }
  for (; quads > 0; quads--) {
    multiply4x8<R>(c, a, b, k, jump, more);
    c = c.at(cStep);
    a += aStep;
  }
}

/**
 * Channels to multiply at a time: 8 KB of B, which stay in the first-level cache while rows of A pass by. The sums
 * continue from memory, so their bits do not change.
 */
const DEPTH: usize = 256;

/**
 * M[point] = V[point] · U[point] for every point of the transform (of every phase of the output): sums over the input
 * channels. Items: points x panels of 8 output channels, the panel fastest.
 * @param m,v laid out as the tilings of the output and of the input say
 * @param u [point][panels][k][8]
 * @param k input channels (of all stacked phases); a multiple of 8
 * @param quads groups of four tiles
 * @param uPlane floats from one point of u to the next
 */
export function multiply(
  m: F32,
  v: F32,
  u: F32,
  input: Tiling,
  output: Tiling,
  k: usize,
  panels: usize,
  quads: usize,
  uPlane: usize,
  begin: usize,
  end: usize,
): void {
  const cStep = <usize>output.block;
  const aStep = (<usize>input.block) << 2;
  const jump = ((<usize>input.eight) << 2) - 32;
  for (let item = begin; item < end; item++) {
    const point = item / panels;
    const panel = item % panels;
    const b = changetype<usize>(u.at(point * uPlane + panel * k * 8));
    const a = v.at(point * input.plane);
    const c = m.at(point * output.plane + panel * output.eight);
    for (let row: usize = 0; row < k; row += DEPTH) {
      const depth = min(DEPTH, k - row);
      const at = changetype<usize>(a.at((row >> 3) * input.eight));
      multiplyQuads<Eights>(c, cStep, at, aStep, b + 32 * row, depth, jump, quads, <i32>row);
    }
  }
}
