/**
 * Antialiased scaling in f32, like Pillow's for pictures of mode F: when the picture becomes smaller, the filter is widened by
 * the scaling factor; weights beyond the edge are dropped. clean-fid scales this way (Parmar et al. 2022).
 */

export const FILTERS = ['bicubic', 'bilinear'] as const;
export type Filter = (typeof FILTERS)[number];

/** Half the width of the filter, and its value. Bicubic is Keys' with a = −1/2, as in Pillow. */
const KERNELS: Readonly<Record<Filter, { support: number; value: (x: number) => number }>> = {
  bilinear: { support: 1, value: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: {
    support: 2,
    value: (signed) => {
      const x = Math.abs(signed);
      if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
      return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
    },
  },
};

/** The weights of each output pixel: for `taps` input pixels from `first` on. */
interface Axis {
  readonly taps: number;
  readonly first: Int32Array;
  readonly weights: Float64Array;
}

/** Scales square images of one size to another, channel by channel. */
export class Resizer {
  readonly #from: number;
  readonly #to: number;
  readonly #axis: Axis;
  readonly #rows: Float32Array;

  constructor(from: number, to: number, filter: Filter) {
    this.#from = from;
    this.#to = to;
    this.#axis = axisOf(from, to, filter);
    this.#rows = new Float32Array(from * to);
  }

  /** Scales a plane [from][from] to [to][to], clipped to 0 to 255. */
  plane(pixels: Float32Array, out: Float32Array): void {
    const [n, m] = [this.#from, this.#to];
    if (n === m) {
      out.set(pixels);
      return;
    }
    const { taps, first, weights } = this.#axis;
    for (let y = 0; y < n; y++)
      for (let x = 0; x < m; x++) {
        let sum = 0;
        for (let k = 0; k < taps; k++)
          sum += weights[x * taps + k]! * pixels[y * n + first[x]! + k]!;
        this.#rows[y * m + x] = sum;
      }
    for (let y = 0; y < m; y++)
      for (let x = 0; x < m; x++) {
        let sum = 0;
        for (let k = 0; k < taps; k++)
          sum += weights[y * taps + k]! * this.#rows[(first[y]! + k) * m + x]!;
        out[y * m + x] = Math.min(255, Math.max(0, sum));
      }
  }
}

function axisOf(from: number, to: number, filter: Filter): Axis {
  const { support, value } = KERNELS[filter];
  const ratio = from / to;
  const stretch = Math.max(1, ratio);
  const reach = support * stretch;
  const taps = Math.min(from, 2 * Math.ceil(reach) + 1);
  const first = new Int32Array(to);
  const weights = new Float64Array(to * taps);
  for (let i = 0; i < to; i++) {
    const centre = (i + 0.5) * ratio;
    const begin = Math.max(0, Math.floor(centre - reach + 0.5));
    const end = Math.min(from, Math.floor(centre + reach + 0.5));
    // All taps lie within the picture: those before the start of the filter have weight 0.
    first[i] = Math.min(begin, from - taps);
    let sum = 0;
    for (let k = begin; k < end; k++) {
      const weight = value((k - centre + 0.5) / stretch);
      weights[i * taps + k - first[i]!] = weight;
      sum += weight;
    }
    for (let k = 0; k < taps; k++) weights[i * taps + k]! /= sum;
  }
  return { taps, first, weights };
}
