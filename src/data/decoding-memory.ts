/**
 * Limits the memory of pictures that are being decoded. A file of 32 KB may hold 268 million pixels, and every worker
 * decodes several files at once; so each reserves its memory before it is decoded, and waits until there is room.
 */
import { setTimeout } from 'node:timers/promises';
import { requireMemory } from '../machine/faults.js';
import { bytes as inUnits } from '../units.js';

/** Most bytes of one picture. Larger ones are refused on every machine, so that a data set is the same everywhere. */
export const MOST_BYTES = 2 ** 30;

/** Most pixels of a picture, 0x3fff a side: beyond that decoders overflow, and the file is a decompression bomb or a mistake. */
const MOST_PIXELS = 0x3fff ** 2;

/** Milliseconds between checks for room. Only pictures that take a large part of a second wait. */
const PATIENCE = 5;

/** Bytes per unit of the count, so that it fits into 32 bits. */
const UNIT = 1024;

/** Cells of the shared count: units in use, and whether to stop. */
const USED = 0;
const STOPPED = 1;

/** The bytes in use, counted over all threads of a pool. */
export class DecodingMemory {
  /** To pass to other threads. */
  readonly shared: SharedArrayBuffer;
  readonly budget: number;
  readonly #cells: Int32Array;

  /** @param budget bytes in use at once; a picture that takes more is decoded alone */
  constructor(budget: number, shared = new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT)) {
    this.budget = budget;
    this.shared = shared;
    this.#cells = new Int32Array(shared);
  }

  /** Bytes in use. */
  get used(): number {
    return Atomics.load(this.#cells, USED) * UNIT;
  }

  /** Whether decoding was stopped. */
  get stopped(): boolean {
    return Atomics.load(this.#cells, STOPPED) === 1;
  }

  stop(): void {
    Atomics.store(this.#cells, STOPPED, 1);
  }

  /** Waits until there is room for the bytes and takes them. @throws if decoding is stopped */
  async take(bytes: number): Promise<void> {
    while (!this.#tryTake(bytes)) {
      if (this.stopped) throw new Error('given up');
      await setTimeout(PATIENCE);
    }
  }

  give(bytes: number): void {
    Atomics.sub(this.#cells, USED, units(bytes));
  }

  #tryTake(bytes: number): boolean {
    const used = Atomics.load(this.#cells, USED);
    if (used > 0 && used + units(bytes) > units(this.budget)) return false;
    return Atomics.compareExchange(this.#cells, USED, used, used + units(bytes)) === used;
  }
}

const units = (bytes: number): number => Math.ceil(bytes / UNIT);

/** One picture's share of a `DecodingMemory`, from before its decoding until its pixels are no longer needed. */
export class Share {
  readonly #memory: DecodingMemory | undefined;
  #bytes = 0;

  /** @param memory omitted if only one picture is decoded */
  constructor(memory?: DecodingMemory) {
    this.#memory = memory;
  }

  /**
   * Waits for room for a picture with so many bytes per pixel.
   * @throws if it exceeds the limits; the message is only the reason. If it exceeds what this process may use, the machine
   * is at fault
   */
  async take(width: number, height: number, bytesPerPixel: number): Promise<void> {
    const bytes = width * height * bytesPerPixel;
    checkSize(width, height, bytes);
    requireMemory(`its ${width}x${height} pixels take ${inUnits(bytes)} to decode`, bytes);
    await this.#memory?.take(bytes);
    this.#bytes += bytes;
  }

  give(): void {
    this.#memory?.give(this.#bytes);
    this.#bytes = 0;
  }
}

/** @throws if a picture exceeds the limits of pixels or memory */
export function checkSize(width: number, height: number, bytes = 0): void {
  const size = `its ${width}x${height} pixels`;
  if (width * height > MOST_PIXELS)
    throw new Error(`${size} are ${width * height}, above the pixel limit of ${MOST_PIXELS}`);
  if (bytes > MOST_BYTES)
    throw new Error(
      `${size} take ${inUnits(bytes)} to decode, above the limit of ${inUnits(MOST_BYTES)}; scale it down first`,
    );
}
