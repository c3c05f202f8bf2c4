import { U32 } from './u32';

/*
 * Philox4x32-10 (Salmon et al., 2011, "Parallel random numbers: as easy as 1, 2, 3"): a keyed bijection
 * of 128-bit counters. Ten rounds of
 *   (x0, x1, x2, x3) -> (hi(M1·x2) ^ x1 ^ k0, lo(M1·x2), hi(M0·x0) ^ x3 ^ k1, lo(M0·x0)),
 * the key growing by (W0, W1) after each. A counter is (block, timestep, index, purpose), and its four
 * words belong to the elements 4·block to 4·block + 3, so a word depends only on its index.
 */
const M0: u32 = 0xd2511f53;
const M1: u32 = 0xcd9e8d57;
const W0: u32 = 0x9e3779b9;
const W1: u32 = 0xbb67ae85;

/**
 * Random words: out[e] = word e mod 4 of Philox4x32-10 at counter (⌊e/4⌋, timestep, index, purpose)
 * under the key (seedLo, seedHi).
 * out: u32[end]. Touches [begin, end) only.
 */
export function philox(
  out: U32,
  seedLo: u32,
  seedHi: u32,
  purpose: u32,
  index: u32,
  timestep: u32,
  begin: usize,
  end: usize,
): void {
  let e = begin & ~3;
  if (e < begin) {
    const words = philoxBlock(<u32>(e >> 2), timestep, index, purpose, seedLo, seedHi);
    out.setLanesWithin(e, words, begin, end);
    e += 4;
  }
  for (; e + 32 <= end; e += 32) {
    philoxBlocks(out.at(e), <u32>(e >> 2), timestep, index, purpose, seedLo, seedHi);
  }
  for (; e < end; e += 4) {
    const words = philoxBlock(<u32>(e >> 2), timestep, index, purpose, seedLo, seedHi);
    out.setLanesWithin(e, words, begin, end);
  }
}

/** The four words of one counter (c0, c1, c2, c3) under the key (k0, k1). */
export function philoxBlock(c0: u32, c1: u32, c2: u32, c3: u32, k0: u32, k1: u32): v128 {
  for (let round = 0; round < 10; round++) {
    const p0 = <u64>c0 * <u64>M0;
    const p1 = <u64>c2 * <u64>M1;
    c0 = <u32>(p1 >> 32) ^ c1 ^ k0;
    c1 = <u32>p1;
    c2 = <u32>(p0 >> 32) ^ c3 ^ k1;
    c3 = <u32>p0;
    k0 += W0;
    k1 += W1;
  }
  let words = i32x4.splat(c0);
  words = i32x4.replace_lane(words, 1, c1);
  words = i32x4.replace_lane(words, 2, c2);
  return i32x4.replace_lane(words, 3, c3);
}

/**
 * The words of the eight counters c0 to c0 + 7; out: u32[32], counter after counter. Two interleaved groups of four
 * lanes keep the multipliers busy: a third faster than one group.
 */
export function philoxBlocks(out: U32, c0: u32, c1: u32, c2: u32, c3: u32, k0: u32, k1: u32): void {
  const m0 = i32x4.splat(M0);
  const m1 = i32x4.splat(M1);
  let x0 = i32x4.add(i32x4.splat(c0), i32x4(0, 1, 2, 3));
  let x1 = i32x4.splat(c1);
  let x2 = i32x4.splat(c2);
  let x3 = i32x4.splat(c3);
  let y0 = i32x4.add(i32x4.splat(c0), i32x4(4, 5, 6, 7));
  let y1 = x1;
  let y2 = x2;
  let y3 = x3;
  for (let round = 0; round < 10; round++) {
    const key0 = i32x4.splat(k0);
    const key1 = i32x4.splat(k1);
    const xLow0 = i64x2.extmul_low_i32x4_u(x0, m0);
    const xHigh0 = i64x2.extmul_high_i32x4_u(x0, m0);
    const xLow1 = i64x2.extmul_low_i32x4_u(x2, m1);
    const xHigh1 = i64x2.extmul_high_i32x4_u(x2, m1);
    x0 = v128.xor(highWords(xLow1, xHigh1), v128.xor(x1, key0));
    x1 = lowWords(xLow1, xHigh1);
    x2 = v128.xor(highWords(xLow0, xHigh0), v128.xor(x3, key1));
    x3 = lowWords(xLow0, xHigh0);
    const yLow0 = i64x2.extmul_low_i32x4_u(y0, m0);
    const yHigh0 = i64x2.extmul_high_i32x4_u(y0, m0);
    const yLow1 = i64x2.extmul_low_i32x4_u(y2, m1);
    const yHigh1 = i64x2.extmul_high_i32x4_u(y2, m1);
    y0 = v128.xor(highWords(yLow1, yHigh1), v128.xor(y1, key0));
    y1 = lowWords(yLow1, yHigh1);
    y2 = v128.xor(highWords(yLow0, yHigh0), v128.xor(y3, key1));
    y3 = lowWords(yLow0, yHigh0);
    k0 += W0;
    k1 += W1;
  }
  storeTransposed(out, x0, x1, x2, x3);
  storeTransposed(out.at(16), y0, y1, y2, y3);
}

/** High halves of four 64-bit products. */
function highWords(low: v128, high: v128): v128 {
  return v128.shuffle<u32>(low, high, 1, 3, 5, 7);
}

/** Low halves of four 64-bit products. */
function lowWords(low: v128, high: v128): v128 {
  return v128.shuffle<u32>(low, high, 0, 2, 4, 6);
}

/** out: u32[16]: lane 0 of the four vectors, then lane 1, and so on. */
function storeTransposed(out: U32, x0: v128, x1: v128, x2: v128, x3: v128): void {
  const a = v128.shuffle<u32>(x0, x1, 0, 4, 1, 5);
  const b = v128.shuffle<u32>(x2, x3, 0, 4, 1, 5);
  const c = v128.shuffle<u32>(x0, x1, 2, 6, 3, 7);
  const d = v128.shuffle<u32>(x2, x3, 2, 6, 3, 7);
  out.setLanes(0, v128.shuffle<u64>(a, b, 0, 2));
  out.setLanes(4, v128.shuffle<u64>(a, b, 1, 3));
  out.setLanes(8, v128.shuffle<u64>(c, d, 0, 2));
  out.setLanes(12, v128.shuffle<u64>(c, d, 1, 3));
}
