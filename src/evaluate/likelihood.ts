/**
 * How well a model predicts unseen images: the loss on their noise by timestep, and the variational bound of
 * their likelihood in bits per dimension (Ho et al. 2020, eq. 5; Nichol & Dhariwal 2021, whose image_nll computes the same terms).
 * For networks that predict ε, or something from which it follows, with a fixed variance. Of latents there are only losses: the bound is
 * one of bytes, and clamps to their range.
 */
import type { Loss } from '../contracts/device.js';
import { imageFrom, type Mix, noiseFrom, type Objective } from '../diffusion/objective.js';
import type { Schedule } from '../diffusion/schedule.js';
import { RunError } from '../errors.js';
import type { Breath } from './breath.js';

/** Means over the images; a list has an entry per timestep, from 0. */
export interface Likelihood {
  readonly images: number;
  readonly timesteps: number;
  /** The bound: the prior's term plus the terms of all timesteps. Null for latents. */
  readonly bitsPerDim: number | null;
  /** Standard error of that mean over the images; null for one image, and for latents. */
  readonly standardError: number | null;
  /** The prior's term: bits per dimension that x_T still contains about the image. Null for latents. */
  readonly prior: number | null;
  /**
   * Bits per dimension of each timestep: at 0 those of the image's bytes, after that the error of the reverse step. Null for
   * latents.
   */
  readonly terms: readonly number[] | null;
  /** Mean |ε − ε̂|, squared or Huber's. */
  readonly losses: Readonly<Record<Loss, readonly number[]>>;
}

export interface LikelihoodOptions {
  readonly schedule: Schedule;
  /** What the network predicts. */
  readonly objective: Exclude<Objective, 'flow'>;
  /** σ² of the reverse steps: the posterior variance, or β_t. At t = 0 both are the posterior variance of t = 1. */
  readonly variance: 'small' | 'large';
  /** u8 pixels, or f32 latents, one image after the other. */
  readonly values: Uint8Array | Float32Array;
  readonly images: number;
  /** Images per call of `predict`. */
  readonly batch: number;
  /** The network's output for `batch` images with these indices, each at its own timestep. */
  predict(xt: Float32Array, t: Int32Array, images: Int32Array): Promise<Float32Array>;
  /** ε of an image at a timestep. */
  noise(image: number, t: number): Float32Array;
  readonly onProgress?: (done: number, total: number) => void;
}

/** Every image at every timestep. @throws RunError for a prediction that is not finite: no mean would be */
export async function likelihood(options: LikelihoodOptions, breath: Breath): Promise<Likelihood> {
  const { schedule, objective, images, batch, values } = options;
  const steps = schedule.timesteps;
  const each = values.length / images;
  const isBounded = values instanceof Uint8Array;
  const sums = new Sums(images, steps);
  const tables = boundTables(schedule, objective, options.variance);
  const x0 = Float64Array.from(values, isBounded ? (byte) => byte / 127.5 - 1 : (value) => value);
  const xt = new Float32Array(batch * each);
  const hat = new Float64Array(each);
  const t = new Int32Array(batch);
  const numbers = new Int32Array(batch);
  for (let first = 0; first < images * steps; first += batch) {
    const pairs = Math.min(batch, images * steps - first);
    const epsilon: Float32Array[] = [];
    for (let slot = 0; slot < pairs; slot++) {
      const image = Math.floor((first + slot) / steps);
      t[slot] = (first + slot) % steps;
      numbers[slot] = image;
      epsilon.push(options.noise(image, t[slot]!));
      const own = x0.subarray(image * each, (image + 1) * each);
      noised(xt.subarray(slot * each, (slot + 1) * each), own, epsilon[slot]!, schedule, t[slot]!);
    }
    const predicted = await options.predict(xt, t, numbers);
    for (let slot = 0; slot < pairs; slot++) {
      const image = Math.floor((first + slot) / steps);
      const own = x0.subarray(image * each, (image + 1) * each);
      const output = predicted.subarray(slot * each, (slot + 1) * each);
      checkPrediction(output, t[slot]!);
      const pair = { x0: own, epsilon: epsilon[slot]!, output, t: t[slot]! };
      predictedNoise(hat, pair, tables);
      sums.addLosses(pair.t, pair.epsilon, hat);
      if (isBounded) sums.addTerm(image, pair.t, term(pair, tables));
    }
    options.onProgress?.(first + pairs, images * steps);
    await breath.take();
  }
  if (!isBounded) return { ...sums.losses(), ...NO_BOUND };
  for (let i = 0; i < images; i++)
    sums.prior[i] = priorTerm(x0.subarray(i * each, (i + 1) * each), tables);
  return { ...sums.losses(), ...sums.bound() };
}

const NO_BOUND = { bitsPerDim: null, standardError: null, prior: null, terms: null };

/** @throws RunError for a prediction that is not finite */
function checkPrediction(output: Float32Array, t: number): void {
  const wrong = output.find((value) => !Number.isFinite(value));
  if (wrong !== undefined)
    throw new RunError(
      `--held-out: expected finite predictions of the model, got ${wrong} at timestep ${t}`,
    );
}

/** x_t = √ᾱ_t·x_0 + √(1 − ᾱ_t)·ε. */
function noised(
  out: Float32Array,
  x0: Float64Array,
  epsilon: Float32Array,
  { exact }: Schedule,
  t: number,
): void {
  const [signal, noise] = [exact.sqrtAlphaBar[t]!, exact.sqrtOneMinusAlphaBar[t]!];
  for (let i = 0; i < out.length; i++) out[i] = signal * x0[i]! + noise * epsilon[i]!;
}

/** An image at a timestep: its noise, and the network's output. */
interface Pair {
  readonly x0: Float64Array;
  readonly epsilon: Float32Array;
  readonly output: Float32Array;
  readonly t: number;
}

/** The tables of the schedule that the terms use, in f64. */
interface BoundTables {
  readonly bar: Float64Array;
  /** x̂_0 and ε̂ from x_t and the network's output. */
  readonly image: readonly Mix[];
  readonly noise: readonly Mix[];
  /** Coefficient of x_0 in the mean of q(x_{t−1}|x_t, x_0). */
  readonly start: Float64Array;
  /** Coefficient of x_t in it. */
  readonly present: Float64Array;
  /** ln of the posterior's variance and of the model's; at t = 0 the former is that of t = 1. */
  readonly logTrue: Float64Array;
  readonly logModel: Float64Array;
}

function boundTables(
  { exact }: Schedule,
  objective: LikelihoodOptions['objective'],
  variance: 'small' | 'large',
): BoundTables {
  const { betas, alphas, alphaBar, alphaBarPrev, posteriorVariance } = exact;
  const signals = Array.from(alphaBar, (bar) => ({
    alpha: Math.sqrt(bar),
    sigma: Math.sqrt(1 - bar),
  }));
  // A single timestep has no posterior variance above 0.
  const least = posteriorVariance[1] ?? betas[0]!;
  const clipped = posteriorVariance.map((v, t) => Math.log(t === 0 ? least : v));
  const large = betas.map((v, t) => Math.log(t === 0 ? least : v));
  return {
    bar: alphaBar,
    image: signals.map((signal) => imageFrom(objective, signal)),
    noise: signals.map((signal) => noiseFrom(objective, signal)),
    start: betas.map((b, t) => (b * Math.sqrt(alphaBarPrev[t]!)) / (1 - alphaBar[t]!)),
    present: alphas.map((a, t) => ((1 - alphaBarPrev[t]!) * Math.sqrt(a)) / (1 - alphaBar[t]!)),
    logTrue: clipped,
    logModel: variance === 'small' ? clipped : large,
  };
}

/** ε̂ of an image at a timestep. */
function predictedNoise(
  out: Float64Array,
  { x0, epsilon, output, t }: Pair,
  { bar, noise }: BoundTables,
): void {
  const [alpha, sigma] = [Math.sqrt(bar[t]!), Math.sqrt(1 - bar[t]!)];
  const mix = noise[t]!;
  for (let i = 0; i < out.length; i++)
    out[i] = mix.x * (alpha * x0[i]! + sigma * epsilon[i]!) + mix.output * output[i]!;
}

/** Bits per dimension of one image at t: KL(q(x_{t−1}|x_t, x_0) ‖ p(x_{t−1}|x_t)), at 0 −log p(x_0|x_1). x̂_0 is clamped to ±1. */
function term(
  { x0, epsilon, output, t }: Pair,
  { bar, image, start, present, logTrue, logModel }: BoundTables,
): number {
  const [signal, noise] = [Math.sqrt(bar[t]!), Math.sqrt(1 - bar[t]!)];
  const mix = image[t]!;
  const [ofStart, ofPresent] = [start[t]!, present[t]!];
  const [before, after] = [logTrue[t]!, logModel[t]!];
  let sum = 0;
  for (let i = 0; i < x0.length; i++) {
    const xt = signal * x0[i]! + noise * epsilon[i]!;
    const seen = Math.min(1, Math.max(-1, mix.x * xt + mix.output * output[i]!));
    const mean = ofStart * seen + ofPresent * xt;
    if (t === 0) sum -= logLikelihood(x0[i]!, mean, 0.5 * after);
    else sum += divergence(ofStart * x0[i]! + ofPresent * xt, before, mean, after);
  }
  return sum / x0.length / Math.LN2;
}

/** KL(q(x_T|x_0) ‖ N(0, 1)) in bits per dimension. */
function priorTerm(x0: Float64Array, { bar }: BoundTables): number {
  const last = bar.at(-1)!;
  const signal = Math.sqrt(last);
  let sum = 0;
  for (const value of x0) sum += divergence(signal * value, Math.log(1 - last), 0, 0);
  return sum / x0.length / Math.LN2;
}

/** KL divergence of normals, from their means and log variances, in nats. */
const divergence = (m1: number, log1: number, m2: number, log2: number): number =>
  0.5 * (-1 + log2 - log1 + Math.exp(log1 - log2) + (m1 - m2) ** 2 * Math.exp(-log2));

/** Lower bound of a byte's probability, since its logarithm must be finite. */
const LEAST = 1e-12;

/** ln of a normal's mass in the bin of a byte, 2/255 wide; the outermost bins are open. */
function logLikelihood(x: number, mean: number, logScale: number): number {
  const scale = Math.exp(-logScale);
  const above = standardNormal(scale * (x - mean + 1 / 255));
  const below = standardNormal(scale * (x - mean - 1 / 255));
  const mass = x < -0.999 ? above : x > 0.999 ? 1 - below : above - below;
  return Math.log(Math.max(LEAST, mass));
}

/** The normal distribution function, approximated as in image_nll (Page 1977). */
const standardNormal = (x: number): number =>
  0.5 * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));

class Sums {
  readonly prior: Float64Array;
  readonly #images: number;
  readonly #steps: number;
  readonly #terms: Float64Array;
  readonly #ofImages: Float64Array;
  readonly #losses: Readonly<Record<Loss, Float64Array>>;

  constructor(images: number, steps: number) {
    this.#images = images;
    this.#steps = steps;
    this.prior = new Float64Array(images);
    this.#terms = new Float64Array(steps);
    this.#ofImages = new Float64Array(images);
    const losses = () => new Float64Array(steps);
    this.#losses = { l1: losses(), l2: losses(), huber: losses() };
  }

  addLosses(t: number, epsilon: Float32Array, hat: Float64Array): void {
    let [l1, l2, huber] = [0, 0, 0];
    for (let i = 0; i < epsilon.length; i++) {
      const d = Math.abs(epsilon[i]! - hat[i]!);
      l1 += d;
      l2 += d * d;
      huber += d < 1 ? 0.5 * d * d : d - 0.5;
    }
    const values = epsilon.length;
    this.#losses.l1[t]! += l1 / values;
    this.#losses.l2[t]! += l2 / values;
    this.#losses.huber[t]! += huber / values;
  }

  addTerm(image: number, t: number, bits: number): void {
    this.#terms[t]! += bits;
    this.#ofImages[image]! += bits;
  }

  losses(): Pick<Likelihood, 'images' | 'timesteps' | 'losses'> {
    const { l1, l2, huber } = this.#losses;
    const losses = { l1: this.#mean(l1), l2: this.#mean(l2), huber: this.#mean(huber) };
    return { images: this.#images, timesteps: this.#steps, losses };
  }

  bound(): Pick<Likelihood, 'bitsPerDim' | 'standardError' | 'prior' | 'terms'> {
    const n = this.#images;
    const totals = this.#ofImages.map((bits, i) => bits + this.prior[i]!);
    const bitsPerDim = totals.reduce((a, b) => a + b, 0) / n;
    const squares = totals.reduce((sum, bits) => sum + (bits - bitsPerDim) ** 2, 0);
    return {
      bitsPerDim,
      standardError: n > 1 ? Math.sqrt(squares / (n - 1) / n) : null,
      prior: this.prior.reduce((a, b) => a + b, 0) / n,
      terms: this.#mean(this.#terms),
    };
  }

  #mean(values: Float64Array): number[] {
    return Array.from(values, (value) => value / this.#images);
  }
}
