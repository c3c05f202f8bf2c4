import { F32 } from '../f32';

/*
 * F(2, 3): two outputs of a three-tap correlation with four products, from the points 0, 1, −1, ∞.
 * The most accurate of the three-tap algorithms, with 2.25 times fewer products than direct convolution.
 *
 *      ⎡−1  0 1 0⎤        ⎡ −1    0   0 ⎤
 *  Bᵀ= ⎢ 0  1 1 0⎥    G = ⎢ 1/2  1/2 1/2⎥    Aᵀ = ⎡1 1  1 0⎤
 *      ⎢ 0 −1 1 0⎥        ⎢ 1/2 −1/2 1/2⎥         ⎣0 1 −1 1⎦
 *      ⎣ 0 −1 0 1⎦        ⎣  0    0   1 ⎦
 */

/** t = Bᵀ d. */
@unmanaged
export class Input23 {
  get inputs(): usize {
    return 4;
  }
  get outputs(): usize {
    return 4;
  }

  @inline
  apply(t: F32, tStep: usize, d0: v128, d1: v128, d2: v128, d3: v128, _d4: v128, _d5: v128): void {
    t.setLanes(0, f32x4.sub(d2, d0));
    t.setLanes(tStep, f32x4.add(d1, d2));
    t.setLanes(2 * tStep, f32x4.sub(d2, d1));
    t.setLanes(3 * tStep, f32x4.sub(d3, d1));
  }

  @inline
  applyPair(
    t: F32,
    tStep: usize,
    d0: v128,
    d1: v128,
    d2: v128,
    d3: v128,
    _d4: v128,
    _d5: v128,
    e0: v128,
    e1: v128,
    e2: v128,
    e3: v128,
    _e4: v128,
    _e5: v128,
  ): void {
    t.setPair(0, f32x4.sub(d2, d0), f32x4.sub(e2, e0));
    t.setPair(tStep, f32x4.add(d1, d2), f32x4.add(e1, e2));
    t.setPair(2 * tStep, f32x4.sub(d2, d1), f32x4.sub(e2, e1));
    t.setPair(3 * tStep, f32x4.sub(d3, d1), f32x4.sub(e3, e1));
  }
}

/** y = Aᵀ m, each written as S says (sink.ts). */
@unmanaged
export class Output23 {
  get inputs(): usize {
    return 4;
  }
  get outputs(): usize {
    return 2;
  }

  @inline
  apply<S>(
    y: F32,
    yStep: usize,
    m0: v128,
    m1: v128,
    m2: v128,
    m3: v128,
    _m4: v128,
    _m5: v128,
    floor: v128,
  ): void {
    const s = changetype<S>(0);
    s.put(y, 0, f32x4.add(f32x4.add(m0, m1), m2), floor);
    s.put(y, yStep, f32x4.add(f32x4.sub(m1, m2), m3), floor);
  }

  @inline
  applyPair<S>(
    y: F32,
    yStep: usize,
    m0: v128,
    m1: v128,
    m2: v128,
    m3: v128,
    _m4: v128,
    _m5: v128,
    n0: v128,
    n1: v128,
    n2: v128,
    n3: v128,
    _n4: v128,
    _n5: v128,
    floor: v128,
  ): void {
    const s = changetype<S>(0);
    const sum = f32x4.add(f32x4.add(m0, m1), m2);
    const sumUpper = f32x4.add(f32x4.add(n0, n1), n2);
    s.putPair(y, 0, sum, sumUpper, floor);
    const difference = f32x4.add(f32x4.sub(m1, m2), m3);
    const differenceUpper = f32x4.add(f32x4.sub(n1, n2), n3);
    s.putPair(y, yStep, difference, differenceUpper, floor);
  }
}

/** u = G g. */
@unmanaged
export class Weight23 {
  get inputs(): usize {
    return 3;
  }
  get outputs(): usize {
    return 4;
  }

  @inline
  apply(u: F32, uStep: usize, g0: v128, g1: v128, g2: v128, _g3: v128, _g4: v128, _g5: v128): void {
    const half = f32x4.splat(0.5);
    const even = f32x4.add(g0, g2);
    u.setLanes(0, f32x4.neg(g0));
    u.setLanes(uStep, f32x4.mul(half, f32x4.add(even, g1)));
    u.setLanes(2 * uStep, f32x4.mul(half, f32x4.sub(even, g1)));
    u.setLanes(3 * uStep, g2);
  }
}

/** t = A y, the transpose of the output transform. */
@unmanaged
export class Gradient23 {
  get inputs(): usize {
    return 2;
  }
  get outputs(): usize {
    return 4;
  }

  @inline
  apply(
    t: F32,
    tStep: usize,
    y0: v128,
    y1: v128,
    _y2: v128,
    _y3: v128,
    _y4: v128,
    _y5: v128,
  ): void {
    t.setLanes(0, y0);
    t.setLanes(tStep, f32x4.add(y0, y1));
    t.setLanes(2 * tStep, f32x4.sub(y0, y1));
    t.setLanes(3 * tStep, y1);
  }

  @inline
  applyPair(
    t: F32,
    tStep: usize,
    y0: v128,
    y1: v128,
    _y2: v128,
    _y3: v128,
    _y4: v128,
    _y5: v128,
    z0: v128,
    z1: v128,
    _z2: v128,
    _z3: v128,
    _z4: v128,
    _z5: v128,
  ): void {
    t.setPair(0, y0, z0);
    t.setPair(tStep, f32x4.add(y0, y1), f32x4.add(z0, z1));
    t.setPair(2 * tStep, f32x4.sub(y0, y1), f32x4.sub(z0, z1));
    t.setPair(3 * tStep, y1, z1);
  }
}

/** g = Gᵀ u, the transpose of the weight transform. */
@unmanaged
export class WeightGradient23 {
  get inputs(): usize {
    return 4;
  }
  get outputs(): usize {
    return 3;
  }

  @inline
  apply(g: F32, gStep: usize, u0: v128, u1: v128, u2: v128, u3: v128, _u4: v128, _u5: v128): void {
    const half = f32x4.splat(0.5);
    const even = f32x4.mul(half, f32x4.add(u1, u2));
    g.setLanes(0, f32x4.sub(even, u0));
    g.setLanes(gStep, f32x4.mul(half, f32x4.sub(u1, u2)));
    g.setLanes(2 * gStep, f32x4.add(even, u3));
  }
}
