/**
 * How a convolution becomes batched matrix products: which pixels are gathered into patches, which constant matrices
 * transform them, and where a pixel's gradients are. All of this is constant, and given as plain numbers.
 *
 * With a tile of m, n = m + r − 1 values per dimension (r the taps) give the m outputs of a tile (Winograd's F(m, r)): n²
 * products of [tiles, inputs] and [inputs, outputs]. A 4x4 kernel with stride 2 is a 2x2 one over the four phases of
 * the image as channels. Without a tile, there is one product over all taps of every output pixel.
 */
import type { ConvolutionGeometry } from './convolution.js';
import { type Matrix, minimalFilter, square, transpose } from './cook-toom.js';

/** Output rows per tile; 0 for patches that are not transformed. */
export type Tile = 0 | 2 | 4;

/** Sizes of the products: x [points, rows, pixels·inputs] times w [points, pixels·inputs, outputs]. */
export interface LoweredSize {
  /** n², or 1. */
  readonly points: number;
  /** Tiles (or output pixels) of all images. */
  readonly rows: number;
  /** Pixels in a row: phases, or taps. */
  readonly pixels: number;
  /** Tiles (or output pixels) along a side of the image. */
  readonly tiles: number;
}

export interface Lowering extends ConvolutionGeometry, LoweredSize {
  readonly tile: Tile;
  readonly transforms?: Transforms;
  /** The pixels of patches, by their index in the first image with a border of one zero: [points, tiles², pixels]. */
  readonly take: Int32Array;
  /**
   * Where the gradients of each pixel of the first image are in [points, batch, tiles², pixels]: one array [side²] for each
   * of them, −1 where a pixel has fewer.
   */
  readonly put: readonly Int32Array[];
}

/** The constant matrices of F(m, r), for rows and columns at once. */
export interface Transforms {
  /** [n², n²]: of a tile's pixels. */
  readonly image: Matrix;
  /** [n²·phases, kernel²]: of the weights. */
  readonly weights: Matrix;
  /** [m², n²]: from products to outputs. */
  readonly output: Matrix;
}

export function lowerConvolution(c: ConvolutionGeometry, tile: Tile): Lowering {
  const size = loweredSize(c, tile);
  const take = takeTable(c, tile, size);
  const put = putTables(c, size, take);
  const lowering = { ...c, ...size, tile, take, put };
  return tile === 0 ? lowering : { ...lowering, transforms: transformsOf(c, tile) };
}

/** Only the sizes of the products. */
export function loweredSize(c: ConvolutionGeometry, tile: Tile): LoweredSize {
  const taps = c.kernel / c.stride;
  const tiles = c.side / c.stride / (tile || 1);
  return {
    points: tile === 0 ? 1 : (tile + taps - 1) ** 2,
    rows: c.batch * tiles ** 2,
    pixels: tile === 0 ? c.kernel ** 2 : c.stride ** 2,
    tiles,
  };
}

function transformsOf(c: ConvolutionGeometry, tile: number): Transforms {
  const { a, g, b } = minimalFilter(tile, c.kernel / c.stride);
  return { image: square(b), weights: weightTransform(c, g), output: square(transpose(a)) };
}

/** The taps of each phase separately: rows are (point, point, phase, phase), columns (tap, tap). */
function weightTransform({ kernel, stride }: ConvolutionGeometry, g: Matrix): Matrix {
  const phases = range(stride);
  // A phase has every stride-th tap.
  const spread = (row: readonly number[], phase: number) =>
    range(kernel).map((tap) => (tap % stride === phase ? row[(tap - phase) / stride]! : 0));
  return g.flatMap((rowY) =>
    g.flatMap((rowX) =>
      phases.flatMap((y) =>
        phases.map((x) => spread(rowY, y).flatMap((v) => spread(rowX, x).map((w) => v * w))),
      ),
    ),
  );
}

/** The pixels of a patch relative to its upper left one, in the order [points, pixels]. */
function patchOffsets(c: ConvolutionGeometry, tile: Tile): [y: number, x: number][] {
  const points = tile === 0 ? 1 : tile + c.kernel / c.stride - 1;
  const inner = tile === 0 ? c.kernel : c.stride;
  return range(points ** 2 * inner ** 2).map((i) => {
    const pixel = i % inner ** 2;
    const point = (i - pixel) / inner ** 2;
    const along = (of: number, side: number) => [Math.floor(of / side), of % side] as const;
    const [py, px] = along(point, points);
    const [y, x] = along(pixel, inner);
    return [py * inner + y, px * inner + x];
  });
}

function takeTable(
  c: ConvolutionGeometry,
  tile: Tile,
  { tiles, pixels, points }: LoweredSize,
): Int32Array {
  const offsets = patchOffsets(c, tile);
  const step = c.stride * (tile || 1);
  const table = new Int32Array(points * tiles ** 2 * pixels);
  let i = 0;
  for (let point = 0; point < points; point++)
    for (let tileY = 0; tileY < tiles; tileY++)
      for (let tileX = 0; tileX < tiles; tileX++)
        for (let pixel = 0; pixel < pixels; pixel++) {
          const [y, x] = offsets[point * pixels + pixel]!;
          table[i++] = (tileY * step + y) * (c.side + 2) + tileX * step + x;
        }
  return table;
}

function putTables(c: ConvolutionGeometry, size: LoweredSize, take: Int32Array): Int32Array[] {
  const within = size.tiles ** 2 * size.pixels;
  const tables: Int32Array[] = [];
  const seen = new Uint8Array(c.side ** 2);
  take.forEach((padded, i) => {
    const y = Math.floor(padded / (c.side + 2)) - 1;
    const x = (padded % (c.side + 2)) - 1;
    if (y < 0 || x < 0 || y >= c.side || x >= c.side) return;
    const pixel = y * c.side + x;
    const table = seen[pixel]!++;
    tables[table] ??= new Int32Array(c.side ** 2).fill(-1);
    const point = Math.floor(i / within);
    tables[table][pixel] = point * c.batch * within + (i % within);
  });
  return tables;
}

const range = (length: number): number[] => Array.from({ length }, (_, i) => i);
