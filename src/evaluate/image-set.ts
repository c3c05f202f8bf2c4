/** A set of images, and one pass over it that collects everything that figures need. */
import type { Fit } from '../config/config.js';
import type { Source } from '../data/source.js';
import { type CounterRandom, PURPOSE } from '../diffusion/random.js';
import type { FeatureNetwork } from './feature-network.js';
import { streamImages } from './image-stream.js';
import { Moments } from './moments.js';
import type { NearestImages } from './nearest.js';
import type { Rows } from './pairs.js';
import { Patches } from './sliced-wasserstein.js';

/** Side and channels of images. */
export interface Shape {
  readonly size: number;
  readonly channels: 1 | 3;
}

/** What a pass collects. */
export interface PassOptions extends Shape {
  /** 0 the samples, 1 the reference: selects their random choices. */
  readonly set: 0 | 1;
  readonly fit: Fit;
  readonly threads: number;
  readonly random: CounterRandom;
  readonly network: FeatureNetwork | null;
  /** Largest number of images whose features are kept, and whose patches are. */
  readonly pairImages: number;
  readonly patchImages: number;
  /** Number of first images whose pixels are kept. */
  readonly keep: number;
  readonly nearest: NearestImages | null;
  readonly signal?: AbortSignal | undefined;
  readonly onSkipped: (skipped: { path: string; reason: string }) => void;
  readonly onProgress: (done: number, total: number) => void;
}

/** The findings of a pass. */
export interface Collected {
  readonly images: number;
  readonly moments: Moments | null;
  /** Features of some images, chosen by the seed. */
  readonly rows: Rows | null;
  readonly patches: Patches | null;
  readonly kept: readonly { readonly number: number; readonly pixels: Uint8Array }[];
}

/** One pass over the images of a source. @throws UsageError if none can be read */
export async function collect(source: Source, options: PassOptions): Promise<Collected> {
  const { size, channels, random, set, network, nearest } = options;
  const each = size * size * channels;
  const order = random.permutation(PURPOSE.evaluationImages, set, source.count);
  const ofPairs = new Set(order.subarray(0, options.pairImages));
  // In random order: the first files of a larger set may be of one kind.
  const ofPatches = new Map(
    Array.from(order.subarray(0, options.patchImages), (number, rank) => [number, rank]),
  );
  const features =
    network && new Features(network, options, Math.min(source.count, options.pairImages));
  const patches = ofPatches.size > 0 ? new Patches(size, channels, ofPatches.size, random) : null;
  const kept: { number: number; pixels: Uint8Array }[] = [];
  let images = 0;
  for await (const chunk of streamImages(source, options)) {
    for (const [k, number] of chunk.numbers.entries()) {
      const pixels = chunk.pixels.subarray(k * each, (k + 1) * each);
      const rank = ofPatches.get(number);
      if (rank !== undefined) patches?.add(pixels, number, rank);
      if (kept.length < options.keep) kept.push({ number, pixels: pixels.slice() });
      nearest?.add(pixels, source.label(number));
      if (!features && k % 64 === 0) options.signal?.throwIfAborted();
    }
    await features?.add(chunk.numbers, chunk.pixels, ofPairs, (done) =>
      options.onProgress(images + done, source.count),
    );
    images += chunk.numbers.length;
    options.onProgress(chunk.passed, source.count);
  }
  return {
    images,
    moments: features?.moments ?? null,
    rows: features?.rows ?? null,
    patches,
    kept,
  };
}

/** Moments of all features, and the features of some images. */
class Features {
  moments: Moments | null = null;
  readonly #extractor;
  readonly #most: number;
  readonly #signal: AbortSignal | undefined;
  #kept = new Float32Array(0);
  #features = 0;
  #count = 0;

  constructor(network: FeatureNetwork, options: PassOptions, most: number) {
    this.#extractor = network.extractor(options);
    this.#most = most;
    this.#signal = options.signal;
  }

  get rows(): Rows {
    const data = this.#kept.subarray(0, this.#count * this.#features);
    return { count: this.#count, features: this.#features, data };
  }

  async add(
    numbers: readonly number[],
    pixels: Uint8Array,
    chosen: ReadonlySet<number>,
    onImages: (done: number) => void,
  ): Promise<void> {
    const each = pixels.length / numbers.length;
    const { batch } = this.#extractor;
    for (let first = 0; first < numbers.length; first += batch) {
      this.#signal?.throwIfAborted();
      const count = Math.min(batch, numbers.length - first);
      const rows = await this.#extractor.extract(
        pixels.subarray(first * each, (first + count) * each),
      );
      this.#features = rows.length / count;
      if (!this.moments) this.#kept = new Float32Array(this.#most * this.#features);
      this.moments ??= new Moments(this.#features);
      this.moments.add(rows);
      for (let k = 0; k < count; k++) if (chosen.has(numbers[first + k]!)) this.#keep(rows, k);
      onImages(first + count);
    }
  }

  #keep(rows: Float32Array, k: number): void {
    const n = this.#features;
    this.#kept.set(rows.subarray(k * n, (k + 1) * n), this.#count * n);
    this.#count++;
  }
}
