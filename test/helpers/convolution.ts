import type {
  ConvolutionKind,
  Feature,
  TiledConvolution,
} from '../../src/engine/winograd/algorithms.js';

/**
 * The U-Net's three convolutions as plain sums in f64, straight from PyTorch's definitions, and its weight layout:
 * what every convolution kernel is checked against.
 */

/** Kernel side, and where y(oy) meets x(iy): forward iy = oy·stride − 1 + ky; transposed oy = iy·2 − 1 + ky. */
const side = (kind: ConvolutionKind): number => (kind === 'conv' ? 3 : 4);

/** Index in W[Cout/8][tap][Cin][8]; `up` keeps its taps by output phase: odd kernel rows make the even rows of y. */
export function weightIndex(
  kind: ConvolutionKind,
  inputs: number,
  [co, ky, kx, ci]: readonly [number, number, number, number],
): number {
  const phase = (k: number) => (k % 2 === 1 ? 0 : 1);
  const within = (k: number) => (k >= 2 ? 0 : 1);
  const tap =
    kind === 'up'
      ? (phase(ky) * 2 + phase(kx)) * 4 + within(ky) * 2 + within(kx)
      : ky * side(kind) + kx;
  return ((Math.floor(co / 8) * side(kind) ** 2 + tap) * inputs + ci) * 8 + (co % 8);
}

/** Floats of a weight. */
export function weightLength({ kind, input, output }: TiledConvolution): number {
  return side(kind) ** 2 * input.channels * output.channels;
}

/** Floats of a tensor. */
export const length = (f: Feature, batch: number): number => batch * f.height * f.width * f.pixel;

/** Calls `visit` for every product of the convolution: y[at] += x[at] · w[at], all channels. */
function eachTap(
  { kind, batch, input, output }: TiledConvolution,
  visit: (x: number, y: number, ky: number, kx: number) => void,
): void {
  const stride = kind === 'conv' ? 1 : 2;
  const [wide, narrow] = kind === 'up' ? [output, input] : [input, output];
  for (let n = 0; n < batch; n++)
    for (let ny = 0; ny < narrow.height; ny++)
      for (let nx = 0; nx < narrow.width; nx++)
        for (let ky = 0; ky < side(kind); ky++)
          for (let kx = 0; kx < side(kind); kx++) {
            const wy = ny * stride - 1 + ky;
            const wx = nx * stride - 1 + kx;
            if (wy < 0 || wx < 0 || wy >= wide.height || wx >= wide.width) continue;
            const atWide = ((n * wide.height + wy) * wide.width + wx) * wide.pixel;
            const atNarrow = ((n * narrow.height + ny) * narrow.width + nx) * narrow.pixel;
            if (kind === 'up') visit(atNarrow, atWide, ky, kx);
            else visit(atWide, atNarrow, ky, kx);
          }
}

/** Adds conv(x, w) to y, in y's own layout. */
export function convolve(
  c: TiledConvolution,
  x: ArrayLike<number>,
  w: ArrayLike<number>,
  y: Float64Array,
): void {
  const panels = byPosition(c);
  eachTap(c, (atX, atY, ky, kx) => {
    for (let co = 0; co < c.output.channels; co++) {
      let sum = 0;
      for (let ci = 0; ci < c.input.channels; ci++)
        sum += x[atX + ci]! * w[panels(co, ky, kx) + 8 * ci]!;
      y[atY + co]! += sum;
    }
  });
}

/** dw of Σ dy · conv(x, w), in the layout of the weight. */
export function weightGradient(
  c: TiledConvolution,
  x: ArrayLike<number>,
  dy: ArrayLike<number>,
): Float64Array {
  const dw = new Float64Array(weightLength(c));
  const panels = byPosition(c);
  eachTap(c, (atX, atY, ky, kx) => {
    for (let co = 0; co < c.output.channels; co++) {
      const at = panels(co, ky, kx);
      for (let ci = 0; ci < c.input.channels; ci++)
        dw[at + 8 * ci]! += x[atX + ci]! * dy[atY + co]!;
    }
  });
  return dw;
}

/** Start of the row of input channels, 8 floats apart, for an output channel and a tap. */
const byPosition = (c: TiledConvolution) => (co: number, ky: number, kx: number) =>
  weightIndex(c.kind, c.input.channels, [co, ky, kx, 0]);

/** Largest difference over the root mean square of what is expected. */
export function relativeError(got: ArrayLike<number>, expected: ArrayLike<number>): number {
  let worst = 0;
  let square = 0;
  for (let i = 0; i < expected.length; i++) {
    worst = Math.max(worst, Math.abs(got[i]! - expected[i]!) || 0);
    if (Number.isNaN(got[i]!)) return Number.NaN;
    square += expected[i]! ** 2;
  }
  return worst / Math.sqrt(square / expected.length);
}
