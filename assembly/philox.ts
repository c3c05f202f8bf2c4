import { U32 } from './u32';

/*
 * Philox4x32-10 (Salmon et al., 2011, "Parallel random numbers: as easy as 1, 2, 3"): a keyed bijection
 * of 128-bit counters. Ten rounds of
 *   (x0, x1, x2, x3) -> (hi(M1·x2) ^ x1 ^ k0, lo(M1·x2), hi(M0·x0) ^ x3 ^ k1, lo(M0·x0)),
 * the key growing by (W0, W1) after each. A counter is (block, timestep, index, purpose), and its four
 * words belong to the elements 4·block to 4·block + 3, so a word depends on its place alone.
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
  for (; e + 16 <= end; e += 16) {
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

/** The words of the four counters c0 to c0 + 3, one a lane; out: u32[16], counter after counter. */
export function philoxBlocks(out: U32, c0: u32, c1: u32, c2: u32, c3: u32, k0: u32, k1: u32): void {
  const m0 = i32x4.splat(M0);
  const m1 = i32x4.splat(M1);
  let x0 = i32x4.add(i32x4.splat(c0), i32x4(0, 1, 2, 3));
  let x1 = i32x4.splat(c1);
  let x2 = i32x4.splat(c2);
  let x3 = i32x4.splat(c3);
  for (let round = 0; round < 10; round++) {
    const low0 = i64x2.extmul_low_i32x4_u(x0, m0);
    const high0 = i64x2.extmul_high_i32x4_u(x0, m0);
    const low1 = i64x2.extmul_low_i32x4_u(x2, m1);
    const high1 = i64x2.extmul_high_i32x4_u(x2, m1);
    x0 = v128.xor(v128.xor(v128.shuffle<u32>(low1, high1, 1, 3, 5, 7), x1), i32x4.splat(k0));
    x1 = v128.shuffle<u32>(low1, high1, 0, 2, 4, 6);
    x2 = v128.xor(v128.xor(v128.shuffle<u32>(low0, high0, 1, 3, 5, 7), x3), i32x4.splat(k1));
    x3 = v128.shuffle<u32>(low0, high0, 0, 2, 4, 6);
    k0 += W0;
    k1 += W1;
  }
  const a = v128.shuffle<u32>(x0, x1, 0, 4, 1, 5);
  const b = v128.shuffle<u32>(x2, x3, 0, 4, 1, 5);
  const c = v128.shuffle<u32>(x0, x1, 2, 6, 3, 7);
  const d = v128.shuffle<u32>(x2, x3, 2, 6, 3, 7);
  out.setLanes(0, v128.shuffle<u64>(a, b, 0, 2));
  out.setLanes(4, v128.shuffle<u64>(a, b, 1, 3));
  out.setLanes(8, v128.shuffle<u64>(c, d, 0, 2));
  out.setLanes(12, v128.shuffle<u64>(c, d, 1, 3));
}
