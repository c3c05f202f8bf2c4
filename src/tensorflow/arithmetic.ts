/**
 * `--arithmetic tensorflow`: noising, the reverse steps and pixel conversion as tfjs operations, one for
 * each operation in the formula. An alternative to the kernels: the same methods and formulas, equal within f32
 * rounding.
 */
import type { ReverseKernel } from '../diffusion/sampler.js';
import type { Arithmetic, ImageShape, StepMemory } from '../engine/arithmetic.js';
import { ShapeError } from '../errors.js';
import { loadTensorflow } from './load.js';
import { tableStep } from './table-step.js';
import type { Tf, TfTensor } from './tfjs.js';
import { valuesOf } from './values.js';

type SecondPath = Pick<
  Arithmetic,
  'qSample' | 'qSampleImages' | 'reverseStep' | 'toFloat' | 'toBytes' | 'batchToFloat'
>;

/** @throws UsageError if TensorFlow is not set up */
export async function createTensorflowArithmetic(): Promise<TensorflowArithmetic> {
  return new TensorflowArithmetic((await loadTensorflow()).tf);
}

/** Results are new arrays; arguments are never written to. */
export class TensorflowArithmetic implements SecondPath {
  readonly #tf: Tf;

  constructor(tf: Tf) {
    this.#tf = tf;
  }

  /** x_t = a·x_0 + b·ε with a = √ᾱ_t and b = √(1−ᾱ_t) (Ho et al., 2020, eq. 4). */
  qSample(x0: Float32Array, eps: Float32Array, a: number, b: number) {
    same('qSample', { x0, eps });
    return this.#floats((tf) => {
      const [image, noise] = [flat(tf, x0), flat(tf, eps)];
      return tf.add(tf.mul(tf.scalar(a), image), tf.mul(tf.scalar(b), noise));
    });
  }

  /** qSample for a batch, image n at timestep t[n] of the schedule's tables. */
  qSampleImages(
    x0: Float32Array,
    eps: Float32Array,
    tables: { readonly sqrtAlphaBar: Float32Array; readonly sqrtOneMinusAlphaBar: Float32Array },
    t: Uint32Array | Int32Array,
  ) {
    same('qSampleImages', { x0, eps });
    const perImage = x0.length / t.length;
    if (!Number.isInteger(perImage))
      throw new ShapeError(`qSampleImages: t has ${t.length} images, x0 ${x0.length} elements`);
    return this.#floats((tf) => {
      const images = (values: Float32Array) => tf.tensor(values, [t.length, perImage]);
      const perStep = (table: Float32Array) =>
        tf.tensor(
          Float32Array.from(t, (step) => table[step]!),
          [t.length, 1],
        );
      const signal = tf.mul(perStep(tables.sqrtAlphaBar), images(x0));
      return tf.add(signal, tf.mul(perStep(tables.sqrtOneMinusAlphaBar), images(eps)));
    });
  }

  /** A reverse step with one row of coefficients of a `Trajectory`; if the last is 0, z is not read. */
  reverseStep(
    kernel: ReverseKernel,
    x: Float32Array,
    output: Float32Array,
    z: Float32Array,
    coefficients: Float32Array,
    memory?: StepMemory,
  ) {
    same(kernel, { x, output, z });
    const noise = coefficients.at(-1) === 0 ? null : z;
    if (kernel === 'tableStep')
      return tableStep(this.#tf, { x, output, noise, row: coefficients, memory });
    return this.#floats((tf) => {
      const row = Array.from(coefficients, (value) => tf.scalar(value));
      const mean = STEPS[kernel](tf, flat(tf, x), flat(tf, output), row);
      return noise ? tf.add(mean, tf.mul(row.at(-1)!, flat(tf, noise))) : mean;
    });
  }

  /** Bytes to [−1, 1]: p/127.5 − 1. */
  toFloat(pixels: Uint8Array) {
    return this.#floats((tf) => unit(tf, tf.tensor(pixels, [pixels.length], 'int32')));
  }

  /** [−1, 1] to bytes, clamped and rounded to the nearest; NaN becomes 0. */
  toBytes(x: Float32Array) {
    const levels = this.#floats((tf) => {
      const clamped = tf.clipByValue(flat(tf, x), -1, 1);
      return tf.round(tf.mul(tf.add(clamped, tf.scalar(1)), tf.scalar(127.5)));
    });
    return new Uint8Array(Uint8ClampedArray.from(levels).buffer);
  }

  /** A batch as floats, with image n mirrored left to right where flips[n] is 1. */
  batchToFloat(pixels: Uint8Array, flips: Uint32Array, { height, width, channels }: ImageShape) {
    const shape = [flips.length, height, width, channels];
    const length = flips.length * height * width * channels;
    if (pixels.length !== length)
      throw new ShapeError(
        `batchToFloat: the shape has ${length} bytes, pixels has ${pixels.length}`,
      );
    return this.#floats((tf) => {
      const images = unit(tf, tf.tensor(pixels, shape, 'int32'));
      const mirror = tf.tensor(Uint8Array.from(flips), [flips.length, 1, 1, 1], 'bool');
      return tf.where(mirror, tf.reverse(images, 2), images);
    });
  }

  #floats(body: (tf: Tf) => TfTensor): Float32Array<ArrayBuffer> {
    const tf = this.#tf;
    return valuesOf(tf, () => [body(tf)])[0]!;
  }
}

const flat = (tf: Tf, values: Float32Array): TfTensor => tf.tensor(values, [values.length]);

const unit = (tf: Tf, levels: TfTensor): TfTensor =>
  tf.sub(tf.div(tf.cast(levels, 'float32'), tf.scalar(127.5)), tf.scalar(1));

/** 1/√α_t·(x_t − β_t/√(1−ᾱ_t)·ε̂): Ho et al. (2020), Algorithm 2, line 4, without its noise. */
function pSample(tf: Tf, x: TfTensor, eps: TfTensor, [recip, scale]: TfTensor[]): TfTensor {
  return tf.mul(recip!, tf.sub(x, tf.mul(scale!, eps)));
}

/** √ᾱ_s·x̂_0 + √(1−ᾱ_s−σ²)·ε̂ with x̂_0 = (x_t − √(1−ᾱ_t)·ε̂)/√ᾱ_t: Song et al. (2021), eq. 12, without its noise. */
function ddimStep(
  tf: Tf,
  x: TfTensor,
  eps: TfTensor,
  [recip, noise, signal, direction]: TfTensor[],
): TfTensor {
  const x0 = tf.mul(tf.sub(x, tf.mul(noise!, eps)), recip!);
  return tf.add(tf.mul(signal!, x0), tf.mul(direction!, eps));
}

const STEPS = { pSample, ddimStep } satisfies Record<
  Exclude<ReverseKernel, 'tableStep'>,
  typeof ddimStep
>;

function same(where: string, arrays: Record<string, Float32Array>): void {
  const [first, ...rest] = Object.entries(arrays);
  for (const [name, { length }] of rest)
    if (length !== first![1].length)
      throw new ShapeError(
        `${where}: ${name} has ${length} elements, ${first![0]} has ${first![1].length}`,
      );
}
