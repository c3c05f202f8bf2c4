/**
 * The outer step of DiLoCo (Douillard et al., 2023), element by element and in double precision. Sums go over the replicas in their order,
 * so that the bits depend on neither the layout of the weights nor on who computed which replica.
 */
import type { Outer } from '../config/replicas.js';

/** Where all go on from the mean of the replicas: no momentum is kept. */
export const isPlain = ({ lr, momentum }: Outer): boolean => lr === 1 && momentum === 0;

/** out ← the mean of some arrays; out may be one of them. */
export function mean(out: Float32Array, of: readonly Float32Array[]): void {
  for (let i = 0; i < out.length; i++) {
    let sum = 0;
    for (const values of of) sum += values[i]!;
    out[i] = sum / of.length;
  }
}

/**
 * θ ← θ + η·(μ·b + Δ) with b ← μ·b + Δ and Δ the mean of θ_r − θ: PyTorch's SGD with Nesterov's momentum, of which −Δ is the
 * gradient. With η = 1 and μ = 0 it is the mean itself, without the rounding of a difference.
 * @param weights θ, which the round began with
 * @param momentum b; not read where μ is 0
 * @param replicas θ_r, which it ended with
 */
export function outerStep(
  weights: Float32Array,
  momentum: Float32Array,
  replicas: readonly Float32Array[],
  outer: Outer,
): void {
  if (isPlain(outer)) {
    mean(weights, replicas);
    return;
  }
  const { lr, momentum: kept } = outer;
  for (let i = 0; i < weights.length; i++) {
    const before = weights[i]!;
    let change = 0;
    for (const values of replicas) change += values[i]! - before;
    change /= replicas.length;
    if (kept === 0) {
      weights[i] = before + lr * change;
      continue;
    }
    momentum[i] = kept * momentum[i]! + change;
    weights[i] = before + lr * (kept * momentum[i]! + change);
  }
}
