import { BLOCK } from './constants';
import { F32 } from './f32';
import { I32 } from './i32';
import { philoxBlock, philoxBlocks } from './philox';
import { U32 } from './u32';

/**
 * Dropout (Srivastava et al., 2014), forward and backward: y = x/(1 − p) where an element is kept, else 0; 0 ≤ p < 1, y may alias x.
 * An element is dropped if its word of the stream (seed, purpose, index, timestep) is below p·2³². Its index in the
 * stream is (image·pixels + pixel)·real + its real channel, so padding does not matter. The same bits in both builds.
 * firstImage: u32 [1], the index of the first image, or null for 0.
 * members: i32 [channels], the real channel of each, ascending, −1 for padding, which may begin anywhere and ends at multiples of 4;
 * `real`: number of real channels. Items: images × blocks of 256 pixels.
 */
export function dropout(
  y: F32,
  yStride: usize,
  x: F32,
  xStride: usize,
  members: I32,
  pixels: i32,
  channels: i32,
  real: i32,
  p: f64,
  firstImage: U32,
  seedLo: u32,
  seedHi: u32,
  purpose: u32,
  index: u32,
  timestep: u32,
  begin: i32,
  end: i32,
): void {
  const scale = f32x4.splat(<f32>(1 / (1 - p)));
  const threshold = i32x4.splat(<u32>(p * 4294967296.0));
  const blocks = (pixels + BLOCK - 1) / BLOCK;
  const before = changetype<usize>(firstImage) === 0 ? 0 : <i32>firstImage[0] * pixels;
  for (let item = begin; item < end; item++) {
    const image = item / blocks;
    const first = image * pixels + (item % blocks) * BLOCK;
    const last = min(first + BLOCK, (image + 1) * pixels);
    for (let row = first; row < last; row++) {
      const to = y.at(<usize>row * yStride);
      const from = x.at(<usize>row * xStride);
      const element = <u32>((before + row) * real);
      dropPixel(
        to,
        from,
        members,
        channels,
        element,
        timestep,
        index,
        purpose,
        seedLo,
        seedHi,
        scale,
        threshold,
      );
    }
  }
}

/** The channels of one pixel, from the given element on. */
function dropPixel(
  y: F32,
  x: F32,
  members: I32,
  channels: i32,
  first: u32,
  c1: u32,
  c2: u32,
  c3: u32,
  k0: u32,
  k1: u32,
  scale: v128,
  threshold: v128,
): void {
  for (let c = 0; c < channels; ) {
    const element = first + members[c];
    if ((element & 3) === 0 && isRun(members, c, channels)) {
      drop32(y.at(c), x.at(c), element, c1, c2, c3, k0, k1, scale, threshold);
      c += 32;
      continue;
    }
    let kept = i32x4.splat(0);
    if (members[c] >= 0) {
      const words = wordsFrom(element, c1, c2, c3, k0, k1);
      kept = v128.and(i32x4.ge_u(words, threshold), i32x4.ge_s(members.lanes(c), kept));
    }
    y.setLanes(c, v128.and(f32x4.mul(x.lanes(c), scale), kept));
    c += 4;
  }
}

/** Whether 32 channels from c on are all real. */
function isRun(members: I32, c: i32, channels: i32): bool {
  return c + 32 <= channels && members[c] >= 0 && members[c + 31] === members[c] + 31;
}

/** The words of the four elements from `element` on, which are in two blocks or in one. */
function wordsFrom(element: u32, c1: u32, c2: u32, c3: u32, k0: u32, k1: u32): v128 {
  const words = philoxBlock(element >> 2, c1, c2, c3, k0, k1);
  const phase = element & 3;
  if (phase === 0) return words;
  const next = philoxBlock((element >> 2) + 1, c1, c2, c3, k0, k1);
  if (phase === 1) return v128.shuffle<u32>(words, next, 1, 2, 3, 4);
  if (phase === 2) return v128.shuffle<u32>(words, next, 2, 3, 4, 5);
  return v128.shuffle<u32>(words, next, 3, 4, 5, 6);
}

/** 32 channels, whose words are drawn into the place of the results. `element` is a multiple of 4. */
function drop32(
  y: F32,
  x: F32,
  element: u32,
  c1: u32,
  c2: u32,
  c3: u32,
  k0: u32,
  k1: u32,
  scale: v128,
  threshold: v128,
): void {
  const x0 = f32x4.mul(x.lanes(0), scale);
  const x1 = f32x4.mul(x.lanes(4), scale);
  const x2 = f32x4.mul(x.lanes(8), scale);
  const x3 = f32x4.mul(x.lanes(12), scale);
  const x4 = f32x4.mul(x.lanes(16), scale);
  const x5 = f32x4.mul(x.lanes(20), scale);
  const x6 = f32x4.mul(x.lanes(24), scale);
  const x7 = f32x4.mul(x.lanes(28), scale);
  philoxBlocks(changetype<U32>(y), element >> 2, c1, c2, c3, k0, k1);
  y.setLanes(0, v128.and(x0, i32x4.ge_u(y.lanes(0), threshold)));
  y.setLanes(4, v128.and(x1, i32x4.ge_u(y.lanes(4), threshold)));
  y.setLanes(8, v128.and(x2, i32x4.ge_u(y.lanes(8), threshold)));
  y.setLanes(12, v128.and(x3, i32x4.ge_u(y.lanes(12), threshold)));
  y.setLanes(16, v128.and(x4, i32x4.ge_u(y.lanes(16), threshold)));
  y.setLanes(20, v128.and(x5, i32x4.ge_u(y.lanes(20), threshold)));
  y.setLanes(24, v128.and(x6, i32x4.ge_u(y.lanes(24), threshold)));
  y.setLanes(28, v128.and(x7, i32x4.ge_u(y.lanes(28), threshold)));
}
