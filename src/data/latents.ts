/** Pictures as latents of an autoencoder: each is encoded once, and its mirror image too, whose latents are not mirrored ones. */
import { createHash } from 'node:crypto';
import { endianness } from 'node:os';
import type { Autoencoder } from '../contracts/autoencoder.js';
import type { LatentImages } from '../contracts/trainer.js';
import { sharedArithmetic } from '../engine/arithmetic.js';
import { UsageError } from '../errors.js';
import type { Dataset } from './dataset.js';
import { imageBytes } from './decode.js';
import type { LatentStore, StoredLatents } from './latent-store.js';
import type { RunImages } from './run-images.js';

/** Pictures to read at once. */
const PIECE = 32;

export interface Encoding {
  /** Whether images may be mirrored. */
  readonly mirrored: boolean;
  /** A hash of what latents depend on beside the pictures: the autoencoder, and what computes it. */
  readonly identity: string;
  readonly store: LatentStore;
  /** Pictures that are encoded so far, and in total; not called if the store has them. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Aborting it ends the encoding with the picture that is being encoded, and nothing is kept. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * The latents of a data set's pictures, from the store or encoded into it. The pictures are not needed any more.
 * @throws UsageError for latents that are not finite; RunError if they cannot be written; the reason with which `signal` was aborted
 */
export async function encodeDataset(
  pictures: Dataset,
  autoencoder: Autoencoder,
  options: Encoding,
): Promise<LatentDataset> {
  const { mirrored, store } = options;
  const { latentSize: size, latentChannels: channels } = autoencoder;
  const { name, count, classes } = pictures;
  const views = mirrored ? 2 : 1;
  const values = count * views * size ** 2 * channels;
  const key = await keyOf(pictures, autoencoder, options);
  const stored =
    (await store.find(key, values)) ??
    (await store.make(key, values, encoded(pictures, autoencoder, options)));
  return new LatentDataset({ name, count, size, channels, classes }, stored, mirrored);
}

/** Latents in a file: of each picture those of the picture, then those of its mirror image, if there are any. */
export class LatentDataset implements RunImages {
  readonly name: string;
  readonly count: number;
  readonly size: number;
  readonly channels: number;
  readonly classes: Dataset['classes'];
  readonly latents: { readonly mirrored: boolean };
  readonly #stored: StoredLatents;

  constructor(
    about: Pick<RunImages, 'name' | 'count' | 'size' | 'channels' | 'classes'>,
    stored: StoredLatents,
    mirrored: boolean,
  ) {
    this.name = about.name;
    this.count = about.count;
    this.size = about.size;
    this.channels = about.channels;
    this.classes = about.classes;
    this.latents = { mirrored };
    this.#stored = stored;
  }

  async batch(indices: ArrayLike<number>, flips?: Uint32Array): Promise<LatentImages> {
    const each = this.size ** 2 * this.channels;
    const views = this.latents.mirrored ? 2 : 1;
    const latents = new Float32Array(indices.length * each);
    for (let k = 0; k < indices.length; k++) {
      const view = indices[k]! * views + (flips?.[k] ?? 0);
      await this.#stored.file.read(view * each, latents.subarray(k * each, (k + 1) * each));
    }
    return { latents };
  }

  /** The system reads files ahead, and keeps them in memory. */
  ahead(): void {}

  close(): Promise<void> {
    return this.#stored.close();
  }
}

/** The hash of everything that determines the latents. */
async function keyOf(
  pictures: Dataset,
  { latentSize, latentChannels }: Autoencoder,
  { identity, mirrored, signal }: Encoding,
): Promise<string> {
  const { count, size, channels } = pictures;
  const shapes = { count, size, channels, latentSize, latentChannels, mirrored };
  const hash = createHash('sha256');
  hash.update(`${JSON.stringify({ identity, ...shapes, order: endianness() })}\n`);
  for await (const pixels of inOrder(pictures, signal)) hash.update(pixels);
  return hash.digest('hex');
}

/** The latents of each picture, and of its mirror image. */
async function* encoded(
  pictures: Dataset,
  autoencoder: Autoencoder,
  { mirrored, onProgress, signal }: Encoding,
): AsyncGenerator<Float32Array, void, undefined> {
  const { name, count, size, channels } = pictures;
  const each = imageBytes(pictures);
  const flips = mirrored ? [0, 1] : [0];
  let done = 0;
  for await (const pixels of inOrder(pictures, signal))
    for (let at = 0; at < pixels.length; at += each) {
      for (const flip of flips) {
        signal?.throwIfAborted();
        const latents = await autoencoder.encode(
          sharedArithmetic().batchToFloat(pixels.subarray(at, at + each), Uint32Array.of(flip), {
            ...{ height: size, width: size, channels },
          }),
        );
        if (!latents.every(Number.isFinite))
          throw new UsageError(
            `${name}: the autoencoder's latents of image ${done} are not finite`,
          );
        yield latents;
      }
      done++;
      onProgress?.(done, count);
    }
}

/** All pictures, some at a time: u8 [some, size, size, channels]. */
async function* inOrder(
  pictures: Dataset,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { count } = pictures;
  const from = (first: number) =>
    Array.from({ length: Math.max(0, Math.min(PIECE, count - first)) }, (_, i) => first + i);
  for (let first = 0; first < count; first += PIECE) {
    signal?.throwIfAborted();
    const indices = from(first);
    const pixels = new Uint8Array(indices.length * imageBytes(pictures));
    const reading = pictures.read(indices, pixels);
    const next = from(first + PIECE);
    if (next.length > 0) pictures.ahead([next]);
    await reading;
    yield pixels;
  }
}
