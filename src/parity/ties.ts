/**
 * Noise that puts each residual ε − ε̂ on the side of zero where the reference's is. |·| has no gradient at zero, so
 * where the residual is within rounding of it, two right passes may differ by a whole term of the loss's
 * gradient. Such elements (both predictions agree within `tolerance`, the residuals' signs do not) get the
 * reference's residual; all others keep their noise.
 */
export function settleTies(
  noise: Float32Array,
  ours: Float32Array,
  theirs: Float32Array,
  tolerance: number,
): Float32Array {
  return noise.map((value, i) => {
    const residual = value - theirs[i]!;
    const agree = Math.sign(residual) === Math.sign(value - ours[i]!);
    const close = Math.abs(ours[i]! - theirs[i]!) <= tolerance;
    return agree || !close ? value : ours[i]! + residual;
  });
}
