/** Images from a program: any iterable of arrays, read once into memory. */
import { createHash } from 'node:crypto';
import { Interrupted, UsageError } from '../errors.js';
import { bytes } from '../units.js';
import { unlessAborted } from '../unless-aborted.js';
import { type Classes, MOST_CLASSES, numbered } from './classes.js';
import { requirePixels } from './most-pixels.js';
import type { Source } from './source.js';

/** Stands for the path in a config when the images come from a program. */
export const GIVEN = 'given by a program';

/** An image from a program. */
export interface GivenImage {
  /** u8 [height, width, channels]: rows from the top, without padding. They are copied. */
  readonly pixels: Uint8Array | Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
  /** 1: grey; 3: red, green, blue; 4: RGB and opacity; transparent pixels are shown on white. */
  readonly channels: 1 | 3 | 4;
  /** Its class, by name or by number from 0: either all images have one, or none has. */
  readonly label?: string | number;
}

export type GivenImages = Iterable<GivenImage> | AsyncIterable<GivenImage>;

/** Bytes per allocation, shared by small images. */
const BLOCK = 1 << 24;

interface Place {
  readonly from: SharedArrayBuffer;
  readonly offset: number;
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3 | 4;
}

/**
 * Reads all images.
 * @param where names them in messages
 * @param budget limit of their memory, in bytes
 * @throws UsageError naming the invalid image; errors of the iterable; Interrupted
 */
export async function openGiven(
  where: string,
  images: GivenImages,
  budget: number,
  signal?: AbortSignal,
): Promise<Source> {
  checkIterable(where, images);
  const memory = new Blocks(where, budget);
  const hash = createHash('sha256');
  const places: Place[] = [];
  const labels: (string | number | undefined)[] = [];
  for await (const given of untilAborted(where, images, signal)) {
    const image = readImage(`${where}: image ${places.length}`, given, labels);
    const { width, height, channels, label, pixels } = image;
    hash.update(`${JSON.stringify([width, height, channels, label])}\n`).update(pixels);
    places.push({ ...memory.keep(pixels, places.length), width, height, channels });
    labels.push(label);
  }
  if (places.length === 0) throw new UsageError(`${where}: expected images, got none`);
  const listing = hash.digest('hex');
  return {
    name: GIVEN,
    count: places.length,
    memoryBytes: memory.bytes,
    item: (i) => ({ kind: 'record', ...places[i]!, planar: false }),
    label: (i) => `image ${i}`,
    skipped: [],
    leftOut: [],
    ...(labels[0] !== undefined && { classes: async () => classesOf(where, labels) }),
    fingerprint: async () => listing,
  };
}

/** The images of an iterable; an abort also ends the wait for one that does not come. @throws Interrupted */
async function* untilAborted(
  where: string,
  images: GivenImages,
  signal: AbortSignal | undefined,
): AsyncGenerator<GivenImage, void, undefined> {
  const iterator = beginOf(images)!() as AsyncIterator<GivenImage> | Iterator<GivenImage>;
  if (typeof (iterator as Partial<typeof iterator> | null)?.next !== 'function')
    throw new UsageError(
      `${where}: expected an iterable of images, whose iterator has a next(), got ${describe(iterator)}`,
    );
  const interrupted = () =>
    new Interrupted('interrupted while images were read; nothing was written');
  let open = true;
  try {
    while (true) {
      const next = Promise.resolve(iterator.next());
      const { value, done } = await unlessAborted(signal, next, interrupted);
      open = done !== true;
      if (!open) return;
      yield value;
    }
  } catch (error) {
    // An iterable that failed is at its end, and one that waits does not hear.
    if (signal?.aborted) void Promise.resolve(iterator.return?.()).catch(() => undefined);
    open = false;
    throw error;
  } finally {
    if (open) await iterator.return?.();
  }
}

/** Whether a value is a list of images or another iterable; text does not count. */
export const isIterable = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && beginOf(value) !== undefined;

/** How an iterable makes its iterator; undefined of anything else. */
function beginOf(value: object): (() => unknown) | undefined {
  const { [Symbol.asyncIterator]: later, [Symbol.iterator]: now } = value as Partial<
    Record<symbol, unknown>
  >;
  const begin = [later, now].find((begin) => typeof begin === 'function');
  return begin && (() => (begin as () => unknown).call(value));
}

function checkIterable(where: string, images: unknown): void {
  if (!isIterable(images))
    throw new UsageError(
      `${where}: expected a list or another iterable of images, got ${describe(images)}`,
    );
}

/** @throws UsageError for an invalid image */
function readImage(
  where: string,
  given: GivenImage,
  before: readonly (string | number | undefined)[],
): GivenImage {
  if (typeof given !== 'object' || given === null)
    throw new UsageError(
      `${where}: expected { pixels, width, height, channels }, got ${describe(given)}`,
    );
  const { pixels, width, height, channels, label } = given;
  for (const [name, value] of Object.entries({ width, height }))
    if (!Number.isSafeInteger(value) || value < 1)
      throw new UsageError(
        `${where}: ${name}: expected a whole number of 1 or more, got ${describe(value)}`,
      );
  requirePixels(where, height, width);
  if (channels !== 1 && channels !== 3 && channels !== 4)
    throw new UsageError(`${where}: channels: expected 1, 3 or 4, got ${describe(channels)}`);
  if (!(pixels instanceof Uint8Array || pixels instanceof Uint8ClampedArray))
    throw new UsageError(`${where}: pixels: expected a Uint8Array, got ${describe(pixels)}`);
  const expected = width * height * channels;
  if (pixels.length !== expected)
    throw new UsageError(
      `${where}: pixels: expected ${height}·${width}·${channels} = ${expected} bytes, got ${pixels.length}`,
    );
  checkLabel(where, label, before);
  return given;
}

/** @throws UsageError for a label of another kind than the first image's */
function checkLabel(
  where: string,
  label: unknown,
  before: readonly (string | number | undefined)[],
): void {
  const kind = before.length > 0 ? typeof before[0] : typeof label;
  const sound =
    label === undefined ||
    (typeof label === 'string' && label !== '') ||
    (Number.isSafeInteger(label) && Number(label) >= 0 && Number(label) < MOST_CLASSES);
  if (!sound)
    throw new UsageError(
      `${where}: label: expected a name or a whole number from 0 to ${MOST_CLASSES - 1}, got ${describe(label)}`,
    );
  if (typeof label === kind) return;
  const first = kind === 'undefined' ? 'none' : `a ${kind}`;
  throw new UsageError(
    `${where}: label: expected ${first} like the first image's, got ${describe(label)}`,
  );
}

function classesOf(where: string, labels: readonly (string | number | undefined)[]): Classes {
  if (typeof labels[0] === 'string') return numbered(where, labels as string[]);
  const numbers = Int32Array.from(labels as number[]);
  const count = numbers.reduce((most, label) => Math.max(most, label), 0) + 1;
  return { names: Array.from({ length: count }, (_, i) => String(i)), labels: numbers };
}

/** The actual value, on one line. */
function describe(value: unknown): string {
  if (value === undefined || value === null || value === '') return 'nothing';
  if (typeof value === 'object') return value.constructor?.name ?? 'an object';
  return typeof value === 'number' ? String(value) : `a ${typeof value}`;
}

/** Consecutive images in shared memory. */
class Blocks {
  /** Total bytes of all blocks. */
  bytes = 0;
  readonly #where: string;
  readonly #budget: number;
  #block = new SharedArrayBuffer(0);
  #used = 0;

  constructor(where: string, budget: number) {
    this.#where = where;
    this.#budget = budget;
  }

  /** Copies the pixels of image `number`. @throws UsageError if the budget is exceeded */
  keep(pixels: ArrayLike<number>, number: number): Pick<Place, 'from' | 'offset'> {
    const { length } = pixels;
    if (this.#used + length > this.#block.byteLength) this.#grow(length, number);
    const offset = this.#used;
    new Uint8Array(this.#block, offset, length).set(pixels);
    this.#used += length;
    return { from: this.#block, offset };
  }

  #grow(length: number, number: number): void {
    const left = this.#budget - this.bytes;
    if (length > left)
      throw new UsageError(
        `${this.#where}: expected images of at most ${bytes(this.#budget)} in all (dataBudget), got more with image ${number}; images in files can be streamed`,
      );
    this.#block = new SharedArrayBuffer(Math.max(length, Math.min(BLOCK, left)));
    this.#used = 0;
    this.bytes += this.#block.byteLength;
  }
}
