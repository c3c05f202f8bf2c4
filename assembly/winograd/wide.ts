import { F32, madd } from '../f32';
import { multiply4x8 } from './micro-kernels';

/*
 * Products of blocks for processors with 256-bit vectors: V8 can join two operations on neighbouring vectors into one
 * (`node --experimental-wasm-revectorize`, with V8 13 and AVX2). Here it joins all of them, as `--print-wasm-code` shows:
 * - It starts at neighbouring stores, of which the upper must come first, and follows sums and phis back to the loads.
 * - Two loads are neighbours if they have the same address and immediate offsets. Written as sums, Binaryen turns an
 *   addition of 64 into a subtraction of -64, which breaks the match.
 * - All loads of C are in one block: unwanted values are masked out, since zeros from another block would not
 *   match, and by a splat, since a parameter would not match either.
 * Otherwise V8 spills half of the sums, and these blocks are slower than those of six rows.
 */

/** Whether this instance uses these blocks. */
export let wide: bool = false;

/** Sets it for this instance; the bits of all products are the same. */
export function setWide(on: bool): void {
  wide = on;
}

/**
 * C (+)= A · B[k][8] for groups of four rows, three or two at a time: those of C are `cStep` floats apart, those of A laid out as R says, with
 * `apart`. A remainder of one group is avoided: its four sums are too few to keep the multipliers busy.
 */
export function multiplyWide<R>(
  c: F32,
  cStep: usize,
  a: usize,
  apart: usize,
  b: usize,
  k: usize,
  jump: usize,
  groups: usize,
  more: i32,
): void {
  const r = changetype<R>(0);
  let number: usize = 0;
  while (number + 1 < groups) {
    const left = groups - number;
    const three = left !== 2 && left !== 4;
    const a0 = r.quad(a, number, apart);
    const a1 = r.quad(a, number + 1, apart);
    const to = changetype<usize>(c);
    if (three)
      multiply12x8<R>(to, 4 * cStep, a0, a1, r.quad(a, number + 2, apart), b, k, jump, more);
    else multiply8x8<R>(to, 4 * cStep, a0, a1, b, k, jump, more);
    const done: usize = three ? 3 : 2;
    c = c.at(done * cStep);
    number += done;
  }
  if (number < groups) multiply4x8<R>(c, r.quad(a, number, apart), b, k, jump, more);
}

/** `multiplyWide` for three groups. */
function multiply12x8<R>(
  c: usize,
  cStep: usize,
  a: usize,
  q: usize,
  s: usize,
  b: usize,
  k: usize,
  jump: usize,
  more: i32,
): void {
  Groups.multiply<R>(true, c, cStep, a, q, s, b, k, jump, more);
}

/** `multiplyWide` for two groups. */
function multiply8x8<R>(
  c: usize,
  cStep: usize,
  a: usize,
  q: usize,
  b: usize,
  k: usize,
  jump: usize,
  more: i32,
): void {
  Groups.multiply<R>(false, c, cStep, a, q, q, b, k, jump, more);
}

/** The block. A class only for its inlined method, for which `three` is a constant: if false, the third group is omitted. */
@unmanaged
class Groups {
  @inline
  static multiply<R>(
    three: bool,
    c: usize,
    cStep: usize,
    a: usize,
    q: usize,
    s: usize,
    b: usize,
    k: usize,
    jump: usize,
    more: i32,
  ): void {
    const old = i32x4.splat(-(<i32>(more !== 0)));
    const d = c + cStep;
    const e = d + cStep;
    let c00 = v128.and(v128.load(c), old);
    let c01 = v128.and(v128.load(c, 16), old);
    let c10 = v128.and(v128.load(c, 32), old);
    let c11 = v128.and(v128.load(c, 48), old);
    let c20 = v128.and(v128.load(c, 64), old);
    let c21 = v128.and(v128.load(c, 80), old);
    let c30 = v128.and(v128.load(c, 96), old);
    let c31 = v128.and(v128.load(c, 112), old);
    let c40 = v128.and(v128.load(d), old);
    let c41 = v128.and(v128.load(d, 16), old);
    let c50 = v128.and(v128.load(d, 32), old);
    let c51 = v128.and(v128.load(d, 48), old);
    let c60 = v128.and(v128.load(d, 64), old);
    let c61 = v128.and(v128.load(d, 80), old);
    let c70 = v128.and(v128.load(d, 96), old);
    let c71 = v128.and(v128.load(d, 112), old);
    let c80 = three ? v128.and(v128.load(e), old) : old;
    let c81 = three ? v128.and(v128.load(e, 16), old) : old;
    let c90 = three ? v128.and(v128.load(e, 32), old) : old;
    let c91 = three ? v128.and(v128.load(e, 48), old) : old;
    let ca0 = three ? v128.and(v128.load(e, 64), old) : old;
    let ca1 = three ? v128.and(v128.load(e, 80), old) : old;
    let cb0 = three ? v128.and(v128.load(e, 96), old) : old;
    let cb1 = three ? v128.and(v128.load(e, 112), old) : old;
    const r = changetype<R>(0);
    const step = r.step;
    a -= step + jump;
    q -= step + jump;
    s -= step + jump;
    b -= 32;
    const end = b + 32 * k;
    if (b < end)
      do {
        a += step;
        q += step;
        s += step;
        if (r.last !== 0 && (a & r.last) === 0) {
          a += jump;
          q += jump;
          s += jump;
        }
        b += 32;
        const b0 = v128.load(b);
        const b1 = v128.load(b, 16);
        let a0 = v128.load_splat<f32>(a);
        c00 = madd(a0, b0, c00);
        c01 = madd(a0, b1, c01);
        a0 = v128.load_splat<f32>(a, offsetof<R>());
        c10 = madd(a0, b0, c10);
        c11 = madd(a0, b1, c11);
        a0 = v128.load_splat<f32>(a, 2 * offsetof<R>());
        c20 = madd(a0, b0, c20);
        c21 = madd(a0, b1, c21);
        a0 = v128.load_splat<f32>(a, 3 * offsetof<R>());
        c30 = madd(a0, b0, c30);
        c31 = madd(a0, b1, c31);
        a0 = v128.load_splat<f32>(q);
        c40 = madd(a0, b0, c40);
        c41 = madd(a0, b1, c41);
        a0 = v128.load_splat<f32>(q, offsetof<R>());
        c50 = madd(a0, b0, c50);
        c51 = madd(a0, b1, c51);
        a0 = v128.load_splat<f32>(q, 2 * offsetof<R>());
        c60 = madd(a0, b0, c60);
        c61 = madd(a0, b1, c61);
        a0 = v128.load_splat<f32>(q, 3 * offsetof<R>());
        c70 = madd(a0, b0, c70);
        c71 = madd(a0, b1, c71);
        if (three) {
          a0 = v128.load_splat<f32>(s);
          c80 = madd(a0, b0, c80);
          c81 = madd(a0, b1, c81);
          a0 = v128.load_splat<f32>(s, offsetof<R>());
          c90 = madd(a0, b0, c90);
          c91 = madd(a0, b1, c91);
          a0 = v128.load_splat<f32>(s, 2 * offsetof<R>());
          ca0 = madd(a0, b0, ca0);
          ca1 = madd(a0, b1, ca1);
          a0 = v128.load_splat<f32>(s, 3 * offsetof<R>());
          cb0 = madd(a0, b0, cb0);
          cb1 = madd(a0, b1, cb1);
        }
      } while (b < end);
    v128.store(c, c01, 16);
    v128.store(c, c00);
    v128.store(c, c11, 48);
    v128.store(c, c10, 32);
    v128.store(c, c21, 80);
    v128.store(c, c20, 64);
    v128.store(c, c31, 112);
    v128.store(c, c30, 96);
    v128.store(d, c41, 16);
    v128.store(d, c40);
    v128.store(d, c51, 48);
    v128.store(d, c50, 32);
    v128.store(d, c61, 80);
    v128.store(d, c60, 64);
    v128.store(d, c71, 112);
    v128.store(d, c70, 96);
    if (three) {
      v128.store(e, c81, 16);
      v128.store(e, c80);
      v128.store(e, c91, 48);
      v128.store(e, c90, 32);
      v128.store(e, ca1, 80);
      v128.store(e, ca0, 64);
      v128.store(e, cb1, 112);
      v128.store(e, cb0, 96);
    }
  }
}
