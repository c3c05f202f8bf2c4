/** Group norm with all it can be joined to, plainly, in f64 and without padding: what its kernels are checked against. */
export interface GroupNorm {
  readonly images: number;
  readonly pixels: number;
  /** Real channels. */
  readonly channels: number;
  readonly groups: number;
  readonly eps: number;
  readonly silu: boolean;
}

export interface GroupNormInputs {
  /** [images, pixels, channels]. */
  readonly r: ArrayLike<number>;
  readonly weight: ArrayLike<number>;
  readonly bias: ArrayLike<number>;
  /** [images, channels]. */
  readonly add?: ArrayLike<number>;
  /** [images, 2, channels]. */
  readonly film?: ArrayLike<number>;
}

/** y [images, pixels, channels]. */
export function groupNorm(
  { images, pixels, channels, groups, eps, silu }: GroupNorm,
  { r, weight, bias, add, film }: GroupNormInputs,
): Float64Array {
  const y = new Float64Array(images * pixels * channels);
  const per = channels / groups;
  for (let image = 0; image < images; image++)
    for (let group = 0; group < groups; group++) {
      const places: number[] = [];
      for (let pixel = 0; pixel < pixels; pixel++)
        for (let k = 0; k < per; k++)
          places.push((image * pixels + pixel) * channels + group * per + k);
      const ofImage = (i: number) => image * channels + (i % channels);
      const x = places.map((i) => r[i]! + (add?.[ofImage(i)] ?? 0));
      const mean = x.reduce((sum, v) => sum + v, 0) / x.length;
      const variance = x.reduce((sum, v) => sum + (v - mean) ** 2, 0) / x.length;
      for (const [k, i] of places.entries()) {
        const c = i % channels;
        let z = ((x[k]! - mean) / Math.sqrt(variance + eps)) * weight[c]! + bias[c]!;
        if (film) {
          const at = image * 2 * channels + c;
          z = z * (1 + film[at]!) + film[at + channels]!;
        }
        y[i] = silu ? z / (1 + Math.exp(-z)) : z;
      }
    }
  return y;
}

/** The derivative of Σ dy · groupNorm by element `at` of one of the inputs, as a central difference. */
export function groupNormSlope(
  norm: GroupNorm,
  inputs: GroupNormInputs,
  name: keyof GroupNormInputs,
  at: number,
  dy: ArrayLike<number>,
): number {
  const h = 1e-4;
  const loss = (step: number) => {
    const moved = Float64Array.from(inputs[name]!);
    moved[at]! += step;
    const y = groupNorm(norm, { ...inputs, [name]: moved });
    return y.reduce((sum, v, i) => sum + v * dy[i]!, 0);
  };
  return (8 * (loss(h) - loss(-h)) - (loss(2 * h) - loss(-2 * h))) / (12 * h);
}
