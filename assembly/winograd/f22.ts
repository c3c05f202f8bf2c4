import { F32 } from '../f32';

/*
 * F(2, 2): two outputs of a two-tap correlation with three products (Karatsuba), from the points 0, 1, ∞.
 *
 *      ⎡−1  1 0⎤        ⎡−1 0⎤
 *  Bᵀ= ⎢ 0  1 0⎥    G = ⎢ 1 1⎥    Aᵀ = ⎡1 1 0⎤
 *      ⎣ 0 −1 1⎦        ⎣ 0 1⎦         ⎣0 1 1⎦
 */

/** t = Bᵀ d. */
@unmanaged
export class Input22 {
  get inputs(): usize {
    return 3;
  }
  get outputs(): usize {
    return 3;
  }

  @inline
  apply(t: F32, tStep: usize, d0: v128, d1: v128, d2: v128, _d3: v128, _d4: v128, _d5: v128): void {
    t.setLanes(0, f32x4.sub(d1, d0));
    t.setLanes(tStep, d1);
    t.setLanes(2 * tStep, f32x4.sub(d2, d1));
  }

  @inline
  applyPair(
    t: F32,
    tStep: usize,
    d0: v128,
    d1: v128,
    d2: v128,
    _d3: v128,
    _d4: v128,
    _d5: v128,
    e0: v128,
    e1: v128,
    e2: v128,
    _e3: v128,
    _e4: v128,
    _e5: v128,
  ): void {
    t.setPair(0, f32x4.sub(d1, d0), f32x4.sub(e1, e0));
    t.setPair(tStep, d1, e1);
    t.setPair(2 * tStep, f32x4.sub(d2, d1), f32x4.sub(e2, e1));
  }
}

/** y = Aᵀ m, each written as S says (sink.ts). */
@unmanaged
export class Output22 {
  get inputs(): usize {
    return 3;
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
    _m3: v128,
    _m4: v128,
    _m5: v128,
    floor: v128,
  ): void {
    const s = changetype<S>(0);
    s.put(y, 0, f32x4.add(m0, m1), floor);
    s.put(y, yStep, f32x4.add(m1, m2), floor);
  }

  @inline
  applyPair<S>(
    y: F32,
    yStep: usize,
    m0: v128,
    m1: v128,
    m2: v128,
    _m3: v128,
    _m4: v128,
    _m5: v128,
    n0: v128,
    n1: v128,
    n2: v128,
    _n3: v128,
    _n4: v128,
    _n5: v128,
    floor: v128,
  ): void {
    const s = changetype<S>(0);
    s.putPair(y, 0, f32x4.add(m0, m1), f32x4.add(n0, n1), floor);
    s.putPair(y, yStep, f32x4.add(m1, m2), f32x4.add(n1, n2), floor);
  }
}

/** u = G g. */
@unmanaged
export class Weight22 {
  get inputs(): usize {
    return 2;
  }
  get outputs(): usize {
    return 3;
  }

  @inline
  apply(
    u: F32,
    uStep: usize,
    g0: v128,
    g1: v128,
    _g2: v128,
    _g3: v128,
    _g4: v128,
    _g5: v128,
  ): void {
    u.setLanes(0, f32x4.neg(g0));
    u.setLanes(uStep, f32x4.add(g0, g1));
    u.setLanes(2 * uStep, g1);
  }
}

/** t = A y, the transpose of the output transform. */
@unmanaged
export class Gradient22 {
  get inputs(): usize {
    return 2;
  }
  get outputs(): usize {
    return 3;
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
    t.setLanes(2 * tStep, y1);
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
    t.setPair(2 * tStep, y1, z1);
  }
}

/** g = Gᵀ u, the transpose of the weight transform. */
@unmanaged
export class WeightGradient22 {
  get inputs(): usize {
    return 3;
  }
  get outputs(): usize {
    return 2;
  }

  @inline
  apply(g: F32, gStep: usize, u0: v128, u1: v128, u2: v128, _u3: v128, _u4: v128, _u5: v128): void {
    g.setLanes(0, f32x4.sub(u1, u0));
    g.setLanes(gStep, f32x4.add(u1, u2));
  }
}
