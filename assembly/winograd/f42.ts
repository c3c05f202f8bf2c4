import { F32, madd } from '../f32';

/*
 * F(4, 2): four outputs of a two-tap correlation with five products, from the points 0, 1, −1, 2, ∞.
 *
 *      ⎡2 −1 −2  1 0⎤        ⎡ 1/2   0  ⎤         ⎡1 1  1 1 0⎤
 *      ⎢0 −2 −1  1 0⎥        ⎢−1/2 −1/2 ⎥    Aᵀ = ⎢0 1 −1 2 0⎥
 *  Bᵀ= ⎢0  2 −3  1 0⎥    G = ⎢−1/6  1/6 ⎥         ⎢0 1  1 4 0⎥
 *      ⎢0 −1  0  1 0⎥        ⎢ 1/6  1/3 ⎥         ⎣0 1 −1 8 1⎦
 *      ⎣0  2 −1 −2 1⎦        ⎣  0    1  ⎦
 */

/** t = Bᵀ d. */
@unmanaged
export class Input42 {
  get inputs(): usize {
    return 5;
  }
  get outputs(): usize {
    return 5;
  }

  @inline
  apply(t: F32, tStep: usize, d0: v128, d1: v128, d2: v128, d3: v128, d4: v128, _d5: v128): void {
    const two = f32x4.splat(2);
    const odd = f32x4.sub(d3, d1);
    const low = f32x4.sub(d1, d2);
    t.setLanes(0, madd(two, f32x4.sub(d0, d2), odd));
    t.setLanes(tStep, f32x4.sub(f32x4.sub(odd, d1), d2));
    t.setLanes(2 * tStep, madd(two, low, f32x4.sub(d3, d2)));
    t.setLanes(3 * tStep, odd);
    t.setLanes(4 * tStep, madd(f32x4.splat(-2), odd, f32x4.sub(d4, d2)));
  }

  @inline
  applyPair(
    t: F32,
    tStep: usize,
    d0: v128,
    d1: v128,
    d2: v128,
    d3: v128,
    d4: v128,
    _d5: v128,
    e0: v128,
    e1: v128,
    e2: v128,
    e3: v128,
    e4: v128,
    _e5: v128,
  ): void {
    const two = f32x4.splat(2);
    const odd = f32x4.sub(d3, d1);
    const oddUpper = f32x4.sub(e3, e1);
    const low = f32x4.sub(d1, d2);
    const lowUpper = f32x4.sub(e1, e2);
    t.setPair(0, madd(two, f32x4.sub(d0, d2), odd), madd(two, f32x4.sub(e0, e2), oddUpper));
    t.setPair(tStep, f32x4.sub(f32x4.sub(odd, d1), d2), f32x4.sub(f32x4.sub(oddUpper, e1), e2));
    t.setPair(2 * tStep, madd(two, low, f32x4.sub(d3, d2)), madd(two, lowUpper, f32x4.sub(e3, e2)));
    t.setPair(3 * tStep, odd, oddUpper);
    t.setPair(
      4 * tStep,
      madd(f32x4.splat(-2), odd, f32x4.sub(d4, d2)),
      madd(f32x4.splat(-2), oddUpper, f32x4.sub(e4, e2)),
    );
  }
}

/** y = Aᵀ m, each written as S says (sink.ts). */
@unmanaged
export class Output42 {
  get inputs(): usize {
    return 5;
  }
  get outputs(): usize {
    return 4;
  }

  @inline
  apply<S>(
    y: F32,
    yStep: usize,
    m0: v128,
    m1: v128,
    m2: v128,
    m3: v128,
    m4: v128,
    _m5: v128,
    floor: v128,
  ): void {
    const s = changetype<S>(0);
    const even = f32x4.add(m1, m2);
    const odd = f32x4.sub(m1, m2);
    s.put(y, 0, f32x4.add(f32x4.add(m0, even), m3), floor);
    s.put(y, yStep, madd(f32x4.splat(2), m3, odd), floor);
    s.put(y, 2 * yStep, madd(f32x4.splat(4), m3, even), floor);
    s.put(y, 3 * yStep, madd(f32x4.splat(8), m3, f32x4.add(odd, m4)), floor);
  }

  @inline
  applyPair<S>(
    y: F32,
    yStep: usize,
    m0: v128,
    m1: v128,
    m2: v128,
    m3: v128,
    m4: v128,
    _m5: v128,
    n0: v128,
    n1: v128,
    n2: v128,
    n3: v128,
    n4: v128,
    _n5: v128,
    floor: v128,
  ): void {
    const s = changetype<S>(0);
    const even = f32x4.add(m1, m2);
    const evenUpper = f32x4.add(n1, n2);
    const odd = f32x4.sub(m1, m2);
    const oddUpper = f32x4.sub(n1, n2);
    s.putPair(
      y,
      0,
      f32x4.add(f32x4.add(m0, even), m3),
      f32x4.add(f32x4.add(n0, evenUpper), n3),
      floor,
    );
    s.putPair(y, yStep, madd(f32x4.splat(2), m3, odd), madd(f32x4.splat(2), n3, oddUpper), floor);
    s.putPair(
      y,
      2 * yStep,
      madd(f32x4.splat(4), m3, even),
      madd(f32x4.splat(4), n3, evenUpper),
      floor,
    );
    s.putPair(
      y,
      3 * yStep,
      madd(f32x4.splat(8), m3, f32x4.add(odd, m4)),
      madd(f32x4.splat(8), n3, f32x4.add(oddUpper, n4)),
      floor,
    );
  }
}

/** u = G g. */
@unmanaged
export class Weight42 {
  get inputs(): usize {
    return 2;
  }
  get outputs(): usize {
    return 5;
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
    const sixth = f32x4.splat(1.0 / 6.0);
    u.setLanes(0, f32x4.mul(f32x4.splat(0.5), g0));
    u.setLanes(uStep, f32x4.mul(f32x4.splat(-0.5), f32x4.add(g0, g1)));
    u.setLanes(2 * uStep, f32x4.mul(sixth, f32x4.sub(g1, g0)));
    u.setLanes(3 * uStep, f32x4.mul(sixth, madd(f32x4.splat(2), g1, g0)));
    u.setLanes(4 * uStep, g1);
  }
}

/** t = A y, the transpose of the output transform. */
@unmanaged
export class Gradient42 {
  get inputs(): usize {
    return 4;
  }
  get outputs(): usize {
    return 5;
  }

  @inline
  apply(t: F32, tStep: usize, y0: v128, y1: v128, y2: v128, y3: v128, _y4: v128, _y5: v128): void {
    const even = f32x4.add(y0, y2);
    const odd = f32x4.add(y1, y3);
    const two = madd(f32x4.splat(8), y3, madd(f32x4.splat(4), y2, y0));
    t.setLanes(0, y0);
    t.setLanes(tStep, f32x4.add(even, odd));
    t.setLanes(2 * tStep, f32x4.sub(even, odd));
    t.setLanes(3 * tStep, madd(f32x4.splat(2), y1, two));
    t.setLanes(4 * tStep, y3);
  }

  @inline
  applyPair(
    t: F32,
    tStep: usize,
    y0: v128,
    y1: v128,
    y2: v128,
    y3: v128,
    _y4: v128,
    _y5: v128,
    z0: v128,
    z1: v128,
    z2: v128,
    z3: v128,
    _z4: v128,
    _z5: v128,
  ): void {
    const even = f32x4.add(y0, y2);
    const evenUpper = f32x4.add(z0, z2);
    const odd = f32x4.add(y1, y3);
    const oddUpper = f32x4.add(z1, z3);
    const two = madd(f32x4.splat(8), y3, madd(f32x4.splat(4), y2, y0));
    const twoUpper = madd(f32x4.splat(8), z3, madd(f32x4.splat(4), z2, z0));
    t.setPair(0, y0, z0);
    t.setPair(tStep, f32x4.add(even, odd), f32x4.add(evenUpper, oddUpper));
    t.setPair(2 * tStep, f32x4.sub(even, odd), f32x4.sub(evenUpper, oddUpper));
    t.setPair(3 * tStep, madd(f32x4.splat(2), y1, two), madd(f32x4.splat(2), z1, twoUpper));
    t.setPair(4 * tStep, y3, z3);
  }
}

/** g = Gᵀ u, the transpose of the weight transform. */
@unmanaged
export class WeightGradient42 {
  get inputs(): usize {
    return 5;
  }
  get outputs(): usize {
    return 2;
  }

  @inline
  apply(g: F32, gStep: usize, u0: v128, u1: v128, u2: v128, u3: v128, u4: v128, _u5: v128): void {
    const sixth = f32x4.splat(1.0 / 6.0);
    const half = f32x4.splat(0.5);
    const first = f32x4.mul(half, f32x4.sub(u0, u1));
    g.setLanes(0, madd(sixth, f32x4.sub(u3, u2), first));
    const last = f32x4.sub(u4, f32x4.mul(half, u1));
    g.setLanes(gStep, madd(sixth, madd(f32x4.splat(2), u3, u2), last));
  }
}
