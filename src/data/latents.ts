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
const READ = 32;

/** Pictures whose latents are kept as soon as all of them are encoded. */
const PIECE = 8;

export interface Encoding {
  /** Whether images may be mirrored. */
  readonly mirrored: boolean;
  /** A hash of what latents depend on beside the pictures: the autoencoder, and what computes it. */
  readonly identity: string;
  readonly store: LatentStore;
  /** Pictures that are encoded so far, and in total; not called if the store has them. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Called if another process is encoding the same pictures, which is waited for. */
  readonly onWait?: () => void;
  /** Aborting it ends the encoding with the picture that is being encoded. What the store keeps then is not encoded again. */
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
  const { mirrored, store, signal, onWait } = options;
  const { latentSize: size, latentChannels: channels } = autoencoder;
  const { name, count, classes } = pictures;
  const views = mirrored ? 2 : 1;
  const each = views * size ** 2 * channels;
  const layout = { values: count * each, piece: PIECE * each };
  const key = await keyOf(pictures, autoencoder, options);
  const from = (first: number) => encoded(pictures, first / each, autoencoder, options);
  const stored =
    (await store.find(key, layout)) ?? (await store.make(key, layout, { from, signal, onWait }));
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
  for await (const pixels of inOrder(pictures, 0, signal)) hash.update(pixels);
  return hash.digest('hex');
}

/**
 * The latents of a picture, encoded as for training.
 * @param pixels u8 [size, size, channels]
 * @param name of the picture, for messages
 * @throws UsageError for latents that are not finite
 */
export async function encodePicture(
  pixels: Uint8Array,
  isMirrored: boolean,
  autoencoder: Autoencoder,
  name: string,
): Promise<Float32Array> {
  const { size, channels } = autoencoder;
  const picture = sharedArithmetic().batchToFloat(pixels, Uint32Array.of(isMirrored ? 1 : 0), {
    ...{ height: size, width: size, channels },
  });
  const latents = await autoencoder.encode(picture);
  if (latents.every(Number.isFinite)) return latents;
  throw new UsageError(`${name}: the autoencoder's latents are not finite`);
}

/** The latents of each picture from the `first` on, and of its mirror image. */
async function* encoded(
  pictures: Dataset,
  first: number,
  autoencoder: Autoencoder,
  { mirrored, onProgress, signal }: Encoding,
): AsyncGenerator<Float32Array, void, undefined> {
  const { name, count } = pictures;
  const each = imageBytes(pictures);
  const views = mirrored ? [false, true] : [false];
  let done = first;
  for await (const pixels of inOrder(pictures, first, signal))
    for (let at = 0; at < pixels.length; at += each) {
      const picture = pixels.subarray(at, at + each);
      for (const isMirrored of views) {
        signal?.throwIfAborted();
        yield await encodePicture(picture, isMirrored, autoencoder, `${name}: image ${done}`);
      }
      done++;
      onProgress?.(done, count);
    }
}

/** The pictures from `begin` on, some at a time: u8 [some, size, size, channels]. */
async function* inOrder(
  pictures: Dataset,
  begin: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { count } = pictures;
  const from = (first: number) =>
    Array.from({ length: Math.max(0, Math.min(READ, count - first)) }, (_, i) => first + i);
  for (let first = begin; first < count; first += READ) {
    signal?.throwIfAborted();
    const indices = from(first);
    const pixels = new Uint8Array(indices.length * imageBytes(pictures));
    const reading = pictures.read(indices, pixels);
    const next = from(first + READ);
    if (next.length > 0) pictures.ahead([next]);
    await reading;
    yield pixels;
  }
}
