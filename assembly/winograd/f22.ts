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
  apply(t: F32, tStep: usize, d: F32, dStep: usize): void {
    const d1 = d.lanes(dStep);
    t.setLanes(0, f32x4.sub(d1, d.lanes(0)));
    t.setLanes(tStep, d1);
    t.setLanes(2 * tStep, f32x4.sub(d.lanes(2 * dStep), d1));
  }
}

/** y = Aᵀ m. */
@unmanaged
export class Output22 {
  get inputs(): usize {
    return 3;
  }
  get outputs(): usize {
    return 2;
  }

  @inline
  apply(y: F32, yStep: usize, m: F32, mStep: usize): void {
    const m1 = m.lanes(mStep);
    y.setLanes(0, f32x4.add(m.lanes(0), m1));
    y.setLanes(yStep, f32x4.add(m1, m.lanes(2 * mStep)));
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
  apply(u: F32, uStep: usize, g: F32, gStep: usize): void {
    const g0 = g.lanes(0);
    const g1 = g.lanes(gStep);
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
  apply(t: F32, tStep: usize, y: F32, yStep: usize): void {
    const y0 = y.lanes(0);
    const y1 = y.lanes(yStep);
    t.setLanes(0, y0);
    t.setLanes(tStep, f32x4.add(y0, y1));
    t.setLanes(2 * tStep, y1);
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
  apply(g: F32, gStep: usize, u: F32, uStep: usize): void {
    const u1 = u.lanes(uStep);
    g.setLanes(0, f32x4.sub(u1, u.lanes(0)));
    g.setLanes(gStep, f32x4.add(u1, u.lanes(2 * uStep)));
  }
}
