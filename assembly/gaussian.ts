import { F32 } from './f32';
import { philoxBlock, philoxBlocks } from './philox';
import { U32 } from './u32';

/*
 * Standard normals from counter-based words by Box and Muller (1958). Elements come in pairs: the even
 * one's word gives the radius √(−2 ln u), the odd one's the angle, so a normal depends only on its
 * index. Plain multiplications and additions in both builds: the same bits everywhere.
 */

/** Elements whose words are drawn before they become normals: few enough to stay in the first-level cache. */
const TILE: usize = 512;

/** The bits of √½ as f32. */
const SQRT_HALF: i32 = 0x3f3504f3;

/**
 * out[e] = element e of the normals of (seed, purpose, index, timestep).
 * out: f32[end]; |out| < 6.67, no infinities or NaN. Touches [begin, end) only.
 */
export function gaussian(
  out: F32,
  seedLo: u32,
  seedHi: u32,
  purpose: u32,
  index: u32,
  timestep: u32,
  begin: usize,
  end: usize,
): void {
  const words = changetype<U32>(out);
  let e = begin & ~3;
  if (e < begin) {
    const block = philoxBlock(<u32>(e >> 2), timestep, index, purpose, seedLo, seedHi);
    words.setLanesWithin(e, normalsOfBlock(block), begin, end);
    e += 4;
  }
  while (e + 32 <= end) {
    const tile = e + min((end - e) & ~31, TILE);
    for (let i = e; i < tile; i += 32) {
      philoxBlocks(words.at(i), <u32>(i >> 2), timestep, index, purpose, seedLo, seedHi);
    }
    for (; e < tile; e += 16) normalsInPlace(out.at(e));
  }
  for (; e < end; e += 4) {
    const block = philoxBlock(<u32>(e >> 2), timestep, index, purpose, seedLo, seedHi);
    words.setLanesWithin(e, normalsOfBlock(block), begin, end);
  }
}

/**
 * The same from an offset on: out[e] = element e + first[0]·elementsPerImage. first: u32 [1], read from memory because it changes
 * from batch to batch of a step.
 */
export function gaussianFrom(
  out: F32,
  first: U32,
  elementsPerImage: usize,
  seedLo: u32,
  seedHi: u32,
  purpose: u32,
  index: u32,
  begin: usize,
  end: usize,
): void {
  const skipped = <usize>first[0] * elementsPerImage;
  // The address of element 0, which may lie below 0: addresses wrap.
  gaussian(out.at(0 - skipped), seedLo, seedHi, purpose, index, 0, skipped + begin, skipped + end);
}

/**
 * Noise for a batch of images: slot k holds the stream (purpose, indices[k], *timestep), so an image's
 * noise does not depend on its slot or batch.
 * out: f32[slots][elementsPerImage]; indices: u32[slots]; timestep: one u32, read from memory because
 * it changes along a trajectory. Items are the flat elements of out; touches [begin, end) only.
 */
export function gaussianImages(
  out: F32,
  indices: U32,
  timestep: U32,
  elementsPerImage: usize,
  seedLo: u32,
  seedHi: u32,
  purpose: u32,
  begin: usize,
  end: usize,
): void {
  const t = timestep[0];
  let slot = begin / elementsPerImage;
  for (let first = slot * elementsPerImage; first < end; first += elementsPerImage) {
    const from = first < begin ? begin - first : 0;
    const to = min(elementsPerImage, end - first);
    gaussian(out.at(first), seedLo, seedHi, purpose, indices[slot], t, from, to);
    slot++;
  }
}

/**
 * Replaces sixteen words by sixteen normals. Two vectors of pairs at once share loading the
 * polynomials' constants, which costs as much as using them: a sixth faster than one.
 */
function normalsInPlace(out: F32): void {
  const a = out.lanes(0);
  const b = out.lanes(4);
  const c = out.lanes(8);
  const d = out.lanes(12);
  const radii0 = radius(v128.shuffle<u32>(a, b, 0, 2, 4, 6));
  const radii1 = radius(v128.shuffle<u32>(c, d, 0, 2, 4, 6));
  const angles0 = v128.shuffle<u32>(a, b, 1, 3, 5, 7);
  const angles1 = v128.shuffle<u32>(c, d, 1, 3, 5, 7);
  const even0 = f32x4.mul(radii0, cosine(angles0));
  const even1 = f32x4.mul(radii1, cosine(angles1));
  const odd0 = f32x4.mul(radii0, sine(angles0));
  const odd1 = f32x4.mul(radii1, sine(angles1));
  out.setLanes(0, v128.shuffle<f32>(even0, odd0, 0, 4, 1, 5));
  out.setLanes(4, v128.shuffle<f32>(even0, odd0, 2, 6, 3, 7));
  out.setLanes(8, v128.shuffle<f32>(even1, odd1, 0, 4, 1, 5));
  out.setLanes(12, v128.shuffle<f32>(even1, odd1, 2, 6, 3, 7));
}

/** The four normals of one block's words: the same operations, two lanes of them idle. */
function normalsOfBlock(words: v128): v128 {
  const radii = radius(v128.shuffle<u32>(words, words, 0, 2, 0, 2));
  const angles = v128.shuffle<u32>(words, words, 1, 3, 1, 3);
  const even = f32x4.mul(radii, cosine(angles));
  const odd = f32x4.mul(radii, sine(angles));
  return v128.shuffle<f32>(even, odd, 0, 4, 1, 5);
}

/**
 * √(−2 ln u) of u = (⌊w/2⌋ + ½)·2⁻³¹, which f32 rounds into [2⁻³², 1]: never 0, so never infinite.
 * With u = 2ᵏ(1+f), f in [√½−1, √2−1]: ln u = k ln 2 + f + f²P(f), where P of degree 7 is a minimax fit
 * to half a unit in the last place of ln(1+f). The constants below are P's times −2.
 */
function radius(words: v128): v128 {
  const half = f32x4.convert_i32x4_s(i32x4.shr_u(words, 1));
  const u = f32x4.add(
    f32x4.mul(half, f32x4.splat(1 / 2147483648.0)),
    f32x4.splat(0.5 / 2147483648.0),
  );
  const k = i32x4.shr_s(i32x4.sub(u, i32x4.splat(SQRT_HALF)), 23);
  const f = f32x4.sub(i32x4.sub(u, i32x4.shl(k, 23)), f32x4.splat(1));
  let p = f32x4.splat(-0.17469692);
  p = f32x4.add(f32x4.mul(p, f), f32x4.splat(0.2861505364));
  p = f32x4.add(f32x4.mul(p, f), f32x4.splat(-0.298359496));
  p = f32x4.add(f32x4.mul(p, f), f32x4.splat(0.331410152));
  p = f32x4.add(f32x4.mul(p, f), f32x4.splat(-0.3992414396));
  p = f32x4.add(f32x4.mul(p, f), f32x4.splat(0.5000351056));
  p = f32x4.add(f32x4.mul(p, f), f32x4.splat(-0.6666790046));
  p = f32x4.add(f32x4.mul(p, f), f32x4.splat(0.9999998322));
  p = f32x4.sub(f32x4.mul(p, f32x4.mul(f, f)), f32x4.add(f, f));
  const scale = f32x4.mul(f32x4.convert_i32x4_s(k), f32x4.splat(-1.3862943611198906));
  return f32x4.sqrt(f32x4.add(scale, p));
}

/*
 * An angle word divides the circle into exact steps of 2⁻³²: its low 30 bits, as a signed fraction y in
 * [−1, 1), give the angle πy/4 in the wedge around 0; bit 30 mirrors the point at the diagonal
 * (swaps cosine and sine) and bit 31 at the origin (changes both signs).
 */

/** Cosine of the angle of each word. */
function cosine(words: v128): v128 {
  const y = fraction(words);
  return signed(v128.bitselect(wedgeSine(y), wedgeCosine(y), mirrored(words)), words);
}

/** Sine of the angle of each word. */
function sine(words: v128): v128 {
  const y = fraction(words);
  return signed(v128.bitselect(wedgeCosine(y), wedgeSine(y), mirrored(words)), words);
}

function fraction(words: v128): v128 {
  return f32x4.mul(f32x4.convert_i32x4_s(i32x4.shl(words, 2)), f32x4.splat(1 / 2147483648.0));
}

function mirrored(words: v128): v128 {
  return i32x4.shr_s(i32x4.shl(words, 1), 31);
}

function signed(x: v128, words: v128): v128 {
  return v128.xor(x, v128.and(words, i32x4.splat(0x80000000)));
}

/** sin(πy/4), |y| ≤ 1: a minimax polynomial, relative error below 2⁻²⁷ before rounding. */
function wedgeSine(y: v128): v128 {
  const z = f32x4.mul(y, y);
  let p = f32x4.splat(-3.595046153e-5);
  p = f32x4.add(f32x4.mul(p, z), f32x4.splat(0.002490001041));
  p = f32x4.add(f32x4.mul(p, z), f32x4.splat(-0.08074543254));
  p = f32x4.add(f32x4.mul(p, z), f32x4.splat(0.7853981609));
  return f32x4.mul(p, y);
}

/** cos(πy/4), |y| ≤ 1: a minimax polynomial, error below 2⁻²⁴ before rounding. */
function wedgeCosine(y: v128): v128 {
  const z = f32x4.mul(y, y);
  let p = f32x4.splat(-0.0003191601521);
  p = f32x4.add(f32x4.mul(p, z), f32x4.splat(0.01585039761));
  p = f32x4.add(f32x4.mul(p, z), f32x4.splat(-0.3084244885));
  return f32x4.add(f32x4.mul(p, z), f32x4.splat(1));
}
