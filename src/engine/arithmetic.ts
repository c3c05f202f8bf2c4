import { ShapeError } from '../errors.js';
import { host } from './host/index.js';
import type { Build } from './module.js';
import { NULL, type Pointer, plus } from './pointer.js';
import type { ReverseKernel } from './reverse-kernel.js';
import { Scratch } from './scratch.js';
import type { Key } from './seed.js';

/** A stream of random numbers; all fields but the key are u32 words of Philox's counter. */
export interface Stream {
  readonly key: Key;
  readonly purpose: number;
  /** Training step, epoch or image number, depending on the purpose. */
  readonly index: number;
  readonly timestep?: number;
}

/** Inputs of a `tableStep` beside its arrays. */
export interface StepMemory {
  /** x̂_0 of one, two and three steps ago, as many as the table reads; each step replaces them. */
  readonly history: Float32Array<ArrayBuffer>[];
  /** Dynamic thresholding, for images of `each` values; null clamps to the row's range. */
  readonly threshold: { readonly quantile: number; readonly most: number } | null;
  readonly each: number;
}

/** A batch of images: [batch, height, width, channels], row-major. */
export interface ImageShape {
  readonly height: number;
  readonly width: number;
  /** 1 to 4. */
  readonly channels: number;
}

/** A part of an image, in pixels that may be fractional. */
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/**
 * The arithmetic around the U-Net on typed arrays: one thread, one call at a time, results in new
 * arrays. For small work, decoding workers and tests; training and sampling programs run the same
 * kernels in the pool, with the same bits.
 */
export class Arithmetic {
  readonly #scratch: Scratch;

  /** @param build which kernels; none of these has relaxed operations, so both give the same bits */
  constructor(build: Build = 'strict') {
    this.#scratch = new Scratch(build);
  }

  /** Random words of the elements [begin, begin + count) of a stream. */
  words(stream: Stream, begin: number, count: number): Uint32Array<ArrayBuffer> {
    const at = this.#stream('philox', stream, begin, count);
    return this.#scratch.words(at, count);
  }

  /** Standard normals of the elements [begin, begin + count) of a stream. */
  gaussian(stream: Stream, begin: number, count: number): Float32Array<ArrayBuffer> {
    const at = this.#stream('gaussian', stream, begin, count);
    return this.#scratch.floats(at, count);
  }

  /** x_t = a·x_0 + b·ε with a = √ᾱ_t and b = √(1−ᾱ_t). */
  qSample(x0: Float32Array, eps: Float32Array, a: number, b: number): Float32Array<ArrayBuffer> {
    same('qSample', { x0, eps });
    const s = this.#begin();
    const out = s.put(x0);
    s.kernels.qSample(out, out, s.put(eps), a, b, 0, x0.length);
    return s.floats(out, x0.length);
  }

  /** qSample for a batch, image n at timestep t[n] of the schedule's tables. */
  qSampleImages(
    x0: Float32Array,
    eps: Float32Array,
    tables: { readonly sqrtAlphaBar: Float32Array; readonly sqrtOneMinusAlphaBar: Float32Array },
    t: Uint32Array | Int32Array,
  ): Float32Array<ArrayBuffer> {
    same('qSampleImages', { x0, eps });
    const perImage = x0.length / t.length;
    if (!Number.isInteger(perImage))
      throw new ShapeError(`qSampleImages: t has ${t.length} images, x0 ${x0.length} elements`);
    const s = this.#begin();
    const out = s.put(x0);
    const signal = s.put(tables.sqrtAlphaBar);
    const noise = s.put(tables.sqrtOneMinusAlphaBar);
    const steps = s.put(Uint32Array.from(t));
    s.kernels.qSampleImages(out, out, s.put(eps), signal, noise, steps, perImage, 0, x0.length);
    return s.floats(out, x0.length);
  }

  /**
   * A reverse step: the kernel and one row of coefficients of a `Trajectory`.
   * @param memory for a table whose steps use earlier ones, or thresholding
   */
  reverseStep(
    kernel: ReverseKernel,
    x: Float32Array,
    output: Float32Array,
    z: Float32Array,
    coefficients: Float32Array,
    memory?: StepMemory,
  ): Float32Array<ArrayBuffer> {
    same(kernel, { x, output, z });
    if (kernel === 'tableStep') return this.#tableStep(x, output, z, coefficients, memory);
    const s = this.#begin();
    const out = s.put(x);
    s.kernels[kernel](out, out, s.put(output), s.put(z), s.put(coefficients), 0, x.length);
    return s.floats(out, x.length);
  }

  #tableStep(
    x: Float32Array,
    output: Float32Array,
    z: Float32Array,
    coefficients: Float32Array,
    { history, threshold, each }: StepMemory = NO_MEMORY,
  ): Float32Array<ArrayBuffer> {
    const s = this.#begin();
    const [out, m, row] = [s.put(x), s.put(output), s.put(coefficients)];
    const [earlier = NULL, earliest = NULL, oldest = NULL] = history.map((values) => s.put(values));
    let limits = NULL;
    if (threshold) {
      const images = x.length / each;
      limits = s.space(4 * images);
      const { quantile, most } = threshold;
      s.kernels.imageLimits(limits, out, m, row, each, rankOf(quantile, each), most, 0, images);
    }
    const noise = z === output ? m : s.put(z);
    const arrays = [out, out, m, noise, earlier, earliest, oldest, limits] as const;
    s.kernels.tableStep(...arrays, Math.max(1, each), row, 0, x.length);
    for (const [i, at] of [earlier, earliest, oldest].entries())
      if (at !== NULL) history[i] = s.floats(at, x.length);
    return s.floats(out, x.length);
  }

  /** Bytes to [−1, 1]: p/127.5 − 1. */
  toFloat(pixels: Uint8Array): Float32Array<ArrayBuffer> {
    const s = this.#begin();
    const out = s.space(4 * pixels.length);
    s.kernels.toFloat(out, s.put(pixels), 0, pixels.length);
    return s.floats(out, pixels.length);
  }

  /** [−1, 1] to bytes, clamped and rounded to the nearest; NaN becomes 0. */
  toBytes(x: Float32Array): Uint8Array<ArrayBuffer> {
    const s = this.#begin();
    const out = s.space(x.length);
    s.kernels.toBytes(out, s.put(x), 0, x.length);
    return s.bytes(out, x.length);
  }

  /** A batch as floats, with image n mirrored left to right where flips[n] is 1. */
  batchToFloat(
    pixels: Uint8Array,
    flips: Uint32Array,
    { height, width, channels }: ImageShape,
  ): Float32Array<ArrayBuffer> {
    expectLength('batchToFloat', pixels, flips.length * height * width * channels);
    const s = this.#begin();
    const out = s.space(4 * pixels.length);
    const rows = flips.length * height;
    const [from, mirror] = [s.put(pixels), s.put(flips)];
    s.kernels.batchToFloat(out, from, mirror, height, width, channels, 0, rows);
    return s.floats(out, pixels.length);
  }

  /**
   * Antialiased bilinear scaling of u8 [height, width, channels], like PIL's.
   * @param box the part to scale; it may extend up to half a pixel of the result beyond the image
   */
  resizeImage(
    pixels: Uint8Array,
    width: number,
    height: number,
    channels: number,
    outWidth: number,
    outHeight: number,
    box: Box = { left: 0, top: 0, width, height },
  ): Uint8Array<ArrayBuffer> {
    expectLength('resizeImage', pixels, height * width * channels);
    const s = this.#begin();
    const out = s.space(outHeight * outWidth * channels);
    const row = s.space(4 * (width * channels + 3));
    const rows = this.#axis(height, box.top, box.height, outHeight);
    const columns = this.#axis(width, box.left, box.width, outWidth);
    const sizes: [number, number, number] = [width, outWidth, channels];
    const stride = width * channels;
    const bands = inBands(s.words(rows[0], 2 * outHeight), Math.floor(BAND / stride));
    const from = s.space(stride * Math.max(...bands.map((band) => band.rows)));
    for (const { first, rows: count, begin, end } of bands) {
      s.write(from, pixels.subarray(first * stride, (first + count) * stride));
      // The address of row 0, which may lie below 0: addresses wrap.
      const origin = plus(from, -first * stride);
      s.kernels.resize(out, origin, row, ...rows, ...columns, ...sizes, begin, end);
    }
    return s.bytes(out, outHeight * outWidth * channels);
  }

  /** The centre outHeight x outWidth pixels; an odd excess pixel is cut at the right and the bottom. */
  centreCrop(
    pixels: Uint8Array,
    width: number,
    height: number,
    channels: number,
    outWidth: number,
    outHeight: number,
  ): Uint8Array<ArrayBuffer> {
    expectLength('centreCrop', pixels, height * width * channels);
    if (outWidth > width || outHeight > height)
      throw new ShapeError(
        `centreCrop: ${outWidth}x${outHeight} does not fit into ${width}x${height}`,
      );
    const s = this.#begin();
    const out = s.space(outHeight * outWidth * channels);
    const left = Math.floor((width - outWidth) / 2);
    const top = Math.floor((height - outHeight) / 2);
    s.kernels.crop(out, s.put(pixels), width, left, top, outWidth, channels, 0, outHeight);
    return s.bytes(out, outHeight * outWidth * channels);
  }

  /** A square image: stretched (`squash`), or with the short side scaled to `size` and the centre kept (`crop`). */
  fitImage(
    pixels: Uint8Array,
    width: number,
    height: number,
    channels: number,
    size: number,
    fit: 'squash' | 'crop',
    box: Box = { left: 0, top: 0, width, height },
  ): Uint8Array<ArrayBuffer> {
    const short = fit === 'crop' ? Math.min(box.width, box.height) : 0;
    const outWidth = short ? Math.floor((size * box.width) / short) : size;
    const outHeight = short ? Math.floor((size * box.height) / short) : size;
    const scaled = this.resizeImage(pixels, width, height, channels, outWidth, outHeight, box);
    if (outWidth === outHeight) return scaled;
    return this.centreCrop(scaled, outWidth, outHeight, channels, size, size);
  }

  #begin(): Scratch {
    this.#scratch.reset();
    return this.#scratch;
  }

  /** Runs a random kernel. Its out pointer is the address of element 0, which may lie below 0: addresses wrap. */
  #stream(kernel: 'philox' | 'gaussian', stream: Stream, begin: number, count: number): Pointer {
    const s = this.#begin();
    const at = s.space(4 * count);
    const { key, purpose, index, timestep = 0 } = stream;
    s.kernels[kernel](plus(at, -4 * begin), ...key, purpose, index, timestep, begin, begin + count);
    return at;
  }

  /** The tables that scale one axis: [bounds, weights, taps]. */
  #axis(
    inSize: number,
    start: number,
    extent: number,
    outSize: number,
  ): [Pointer, Pointer, number] {
    const s = this.#scratch;
    const taps = s.kernels.resizeTaps(extent, outSize);
    const bounds = s.space(8 * outSize);
    const weights = s.space(4 * outSize * taps);
    s.kernels.resizeWeights(bounds, weights, inSize, start, extent, outSize, taps, 0, outSize);
    return [bounds, weights, taps];
  }
}

const NO_MEMORY: StepMemory = { history: [], threshold: null, each: 0 };

/** The rank of a quantile among `values` values, in f32 like torch.quantile's. */
export const rankOf = (quantile: number, values: number): number =>
  Math.fround(Math.fround(quantile) * (values - 1));

/** Bytes of a picture to scale at once: kernel memory never shrinks, and a picture may have a gigabyte. */
const BAND = 16 << 20;

/** Output rows [begin, end), and the input rows that they need. */
interface Band {
  readonly begin: number;
  readonly end: number;
  readonly first: number;
  readonly rows: number;
}

/** Output rows in groups that need at most `most` input rows, or single rows. */
function inBands(bounds: Uint32Array, most: number): Band[] {
  const bands: Band[] = [];
  for (let i = 0; i < bounds.length / 2; i++) {
    const [first, last] = [bounds[2 * i]!, bounds[2 * i]! + bounds[2 * i + 1]!];
    const band = bands.at(-1);
    if (band && last - band.first <= most)
      bands[bands.length - 1] = { ...band, end: i + 1, rows: last - band.first };
    else bands.push({ begin: i, end: i + 1, first, rows: last - first });
  }
  return bands;
}

function same(where: string, arrays: Record<string, Float32Array>): void {
  const [first, ...rest] = Object.entries(arrays);
  for (const [name, { length }] of rest)
    if (length !== first![1].length)
      throw new ShapeError(
        `${where}: ${name} has ${length} elements, ${first![0]} has ${first![1].length}`,
      );
}

function expectLength(where: string, pixels: Uint8Array, length: number): void {
  if (pixels.length !== length)
    throw new ShapeError(`${where}: the shape has ${length} bytes, pixels has ${pixels.length}`);
}

let shared: Arithmetic | undefined;

/** One per thread: each has its own memory, for which V8 reserves gigabytes of address space. */
export function sharedArithmetic(): Arithmetic {
  shared ??= new Arithmetic(host.plainBuild());
  return shared;
}
