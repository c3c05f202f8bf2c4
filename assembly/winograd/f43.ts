import { F32, madd } from '../f32';

/*
 * F(4, 3): four outputs of a three-tap correlation with six products, from the Toom–Cook points 0, 1, −1, ½, −2, ∞.
 * These points keep the entries of all three matrices small: about half the error of the usual 0, ±1, ±2.
 *
 *      ⎡1 −3/2 −2   3/2  1  0⎤        ⎡  1      0      0   ⎤         ⎡1 1  1  1   1 0⎤
 *      ⎢0 −1   1/2  5/2  1  0⎥        ⎢  1/3    1/3    1/3 ⎥    Aᵀ = ⎢0 1 −1 1/2 −2 0⎥
 *  Bᵀ= ⎢0  1  −5/2  1/2  1  0⎥    G = ⎢ −1/3    1/3   −1/3 ⎥         ⎢0 1  1 1/4  4 0⎥
 *      ⎢0 −2  −1    2    1  0⎥        ⎢−16/15  −8/15  −4/15⎥         ⎣0 1 −1 1/8 −8 1⎦
 *      ⎢0 1/2 −1   −1/2  1  0⎥        ⎢  1/15  −2/15   4/15⎥
 *      ⎣0  1  −3/2 −2   3/2 1⎦        ⎣  0      0      1   ⎦
 */

/** t = Bᵀ d. */
@unmanaged
export class Input43 {
  get inputs(): usize {
    return 6;
  }
  get outputs(): usize {
    return 6;
  }

  @inline
  apply(t: F32, tStep: usize, d0: v128, d1: v128, d2: v128, d3: v128, d4: v128, d5: v128): void {
    const odd = f32x4.sub(d3, d1);
    const even = f32x4.sub(d4, d2);
    const k = f32x4.splat(1.5);
    t.setLanes(0, madd(k, odd, f32x4.add(f32x4.sub(d0, d2), even)));
    t.setLanes(tStep, madd(k, f32x4.add(d3, d2), f32x4.add(even, odd)));
    t.setLanes(2 * tStep, madd(k, f32x4.sub(d3, d2), f32x4.sub(even, odd)));
    t.setLanes(3 * tStep, madd(f32x4.splat(2), odd, even));
    t.setLanes(4 * tStep, madd(f32x4.splat(-0.5), odd, even));
    t.setLanes(5 * tStep, madd(k, even, f32x4.sub(f32x4.sub(d5, d3), odd)));
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
    d5: v128,
    e0: v128,
    e1: v128,
    e2: v128,
    e3: v128,
    e4: v128,
    e5: v128,
  ): void {
    const odd = f32x4.sub(d3, d1);
    const oddUpper = f32x4.sub(e3, e1);
    const even = f32x4.sub(d4, d2);
    const evenUpper = f32x4.sub(e4, e2);
    const k = f32x4.splat(1.5);
    t.setPair(
      0,
      madd(k, odd, f32x4.add(f32x4.sub(d0, d2), even)),
      madd(k, oddUpper, f32x4.add(f32x4.sub(e0, e2), evenUpper)),
    );
    t.setPair(
      tStep,
      madd(k, f32x4.add(d3, d2), f32x4.add(even, odd)),
      madd(k, f32x4.add(e3, e2), f32x4.add(evenUpper, oddUpper)),
    );
    t.setPair(
      2 * tStep,
      madd(k, f32x4.sub(d3, d2), f32x4.sub(even, odd)),
      madd(k, f32x4.sub(e3, e2), f32x4.sub(evenUpper, oddUpper)),
    );
    t.setPair(
      3 * tStep,
      madd(f32x4.splat(2), odd, even),
      madd(f32x4.splat(2), oddUpper, evenUpper),
    );
    t.setPair(
      4 * tStep,
      madd(f32x4.splat(-0.5), odd, even),
      madd(f32x4.splat(-0.5), oddUpper, evenUpper),
    );
    t.setPair(
      5 * tStep,
      madd(k, even, f32x4.sub(f32x4.sub(d5, d3), odd)),
      madd(k, evenUpper, f32x4.sub(f32x4.sub(e5, e3), oddUpper)),
    );
  }
}

/** y = Aᵀ m, each written as S says (sink.ts). */
@unmanaged
export class Output43 {
  get inputs(): usize {
    return 6;
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
    m5: v128,
    floor: v128,
  ): void {
    const s = changetype<S>(0);
    const even = f32x4.add(m1, m2);
    const odd = f32x4.sub(m1, m2);
    s.put(y, 0, f32x4.add(f32x4.add(m0, even), f32x4.add(m3, m4)), floor);
    s.put(y, yStep, madd(f32x4.splat(-2), m4, madd(f32x4.splat(0.5), m3, odd)), floor);
    s.put(y, 2 * yStep, madd(f32x4.splat(4), m4, madd(f32x4.splat(0.25), m3, even)), floor);
    const last = f32x4.add(odd, m5);
    s.put(y, 3 * yStep, madd(f32x4.splat(-8), m4, madd(f32x4.splat(0.125), m3, last)), floor);
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
    m5: v128,
    n0: v128,
    n1: v128,
    n2: v128,
    n3: v128,
    n4: v128,
    n5: v128,
    floor: v128,
  ): void {
    const s = changetype<S>(0);
    const even = f32x4.add(m1, m2);
    const evenUpper = f32x4.add(n1, n2);
    const odd = f32x4.sub(m1, m2);
    const oddUpper = f32x4.sub(n1, n2);
    const last = f32x4.add(odd, m5);
    const lastUpper = f32x4.add(oddUpper, n5);
    s.putPair(
      y,
      0,
      f32x4.add(f32x4.add(m0, even), f32x4.add(m3, m4)),
      f32x4.add(f32x4.add(n0, evenUpper), f32x4.add(n3, n4)),
      floor,
    );
    s.putPair(
      y,
      yStep,
      madd(f32x4.splat(-2), m4, madd(f32x4.splat(0.5), m3, odd)),
      madd(f32x4.splat(-2), n4, madd(f32x4.splat(0.5), n3, oddUpper)),
      floor,
    );
    s.putPair(
      y,
      2 * yStep,
      madd(f32x4.splat(4), m4, madd(f32x4.splat(0.25), m3, even)),
      madd(f32x4.splat(4), n4, madd(f32x4.splat(0.25), n3, evenUpper)),
      floor,
    );
    s.putPair(
      y,
      3 * yStep,
      madd(f32x4.splat(-8), m4, madd(f32x4.splat(0.125), m3, last)),
      madd(f32x4.splat(-8), n4, madd(f32x4.splat(0.125), n3, lastUpper)),
      floor,
    );
  }
}

/** u = G g. */
@unmanaged
export class Weight43 {
  get inputs(): usize {
    return 3;
  }
  get outputs(): usize {
    return 6;
  }

  @inline
  apply(u: F32, uStep: usize, g0: v128, g1: v128, g2: v128, _g3: v128, _g4: v128, _g5: v128): void {
    const even = f32x4.add(g0, g2);
    const third = f32x4.splat(1.0 / 3.0);
    const half = madd(f32x4.splat(0.25), g2, madd(f32x4.splat(0.5), g1, g0));
    const minusTwo = madd(f32x4.splat(4), g2, madd(f32x4.splat(-2), g1, g0));
    u.setLanes(0, g0);
    u.setLanes(uStep, f32x4.mul(third, f32x4.add(even, g1)));
    u.setLanes(2 * uStep, f32x4.mul(third, f32x4.sub(g1, even)));
    u.setLanes(3 * uStep, f32x4.mul(f32x4.splat(-16.0 / 15.0), half));
    u.setLanes(4 * uStep, f32x4.mul(f32x4.splat(1.0 / 15.0), minusTwo));
    u.setLanes(5 * uStep, g2);
  }
}

/** t = A y, the transpose of the output transform. */
@unmanaged
export class Gradient43 {
  get inputs(): usize {
    return 4;
  }
  get outputs(): usize {
    return 6;
  }

  @inline
  apply(t: F32, tStep: usize, y0: v128, y1: v128, y2: v128, y3: v128, _y4: v128, _y5: v128): void {
    const even = f32x4.add(y0, y2);
    const odd = f32x4.add(y1, y3);
    t.setLanes(0, y0);
    t.setLanes(tStep, f32x4.add(even, odd));
    t.setLanes(2 * tStep, f32x4.sub(even, odd));
    const half = madd(f32x4.splat(0.125), y3, madd(f32x4.splat(0.25), y2, y0));
    t.setLanes(3 * tStep, madd(f32x4.splat(0.5), y1, half));
    const two = madd(f32x4.splat(-8), y3, madd(f32x4.splat(4), y2, y0));
    t.setLanes(4 * tStep, madd(f32x4.splat(-2), y1, two));
    t.setLanes(5 * tStep, y3);
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
    const half = madd(f32x4.splat(0.125), y3, madd(f32x4.splat(0.25), y2, y0));
    const halfUpper = madd(f32x4.splat(0.125), z3, madd(f32x4.splat(0.25), z2, z0));
    const two = madd(f32x4.splat(-8), y3, madd(f32x4.splat(4), y2, y0));
    const twoUpper = madd(f32x4.splat(-8), z3, madd(f32x4.splat(4), z2, z0));
    t.setPair(0, y0, z0);
    t.setPair(tStep, f32x4.add(even, odd), f32x4.add(evenUpper, oddUpper));
    t.setPair(2 * tStep, f32x4.sub(even, odd), f32x4.sub(evenUpper, oddUpper));
    t.setPair(3 * tStep, madd(f32x4.splat(0.5), y1, half), madd(f32x4.splat(0.5), z1, halfUpper));
    t.setPair(4 * tStep, madd(f32x4.splat(-2), y1, two), madd(f32x4.splat(-2), z1, twoUpper));
    t.setPair(5 * tStep, y3, z3);
  }
}

/** g = Gᵀ u, the transpose of the weight transform. */
@unmanaged
export class WeightGradient43 {
  get inputs(): usize {
    return 6;
  }
  get outputs(): usize {
    return 3;
  }

  @inline
  apply(g: F32, gStep: usize, u0: v128, u1: v128, u2: v128, u3: v128, u4: v128, u5: v128): void {
    const third = f32x4.splat(1.0 / 3.0);
    const odd = f32x4.mul(third, f32x4.sub(u1, u2));
    const even = f32x4.mul(third, f32x4.add(u1, u2));
    const first = madd(f32x4.splat(-16.0 / 15.0), u3, f32x4.add(u0, odd));
    g.setLanes(0, madd(f32x4.splat(1.0 / 15.0), u4, first));
    const second = madd(f32x4.splat(-8.0 / 15.0), u3, even);
    g.setLanes(gStep, madd(f32x4.splat(-2.0 / 15.0), u4, second));
    const last = f32x4.add(odd, u5);
    g.setLanes(2 * gStep, madd(f32x4.splat(4.0 / 15.0), f32x4.sub(u4, u3), last));
  }
}
