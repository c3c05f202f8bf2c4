/**
 * Memory of pictures that are being decoded. A file of 32 KB may hold 268 million pixels, and every worker has several
 * files in hand; so each says what it will take before it is decoded, and waits until there is room.
 */
import { setTimeout } from 'node:timers/promises';
import { requireMemory } from '../machine/faults.js';
import { bytes as inUnits } from '../units.js';

/** What one picture may take. A larger one is refused, and on every machine alike: a data set is the same everywhere. */
export const MOST_BYTES = 2 ** 30;

/** Pixels of a picture, 0x3fff a side: beyond, decoders overflow, and it is a bomb or a mistake. */
const MOST_PIXELS = 0x3fff ** 2;

/** Milliseconds between two looks for room. Only pictures that take a good part of a second wait. */
const PATIENCE = 5;

/** Bytes of a unit of the count, so that 32 bits hold it. */
const UNIT = 1024;

/** Cells of the shared count: units in use, and whether to give up. */
const USED = 0;
const STOPPED = 1;

/** A count of the bytes in work that all threads of a pool share. */
export class DecodingMemory {
  /** To be handed to another thread. */
  readonly shared: SharedArrayBuffer;
  readonly budget: number;
  readonly #cells: Int32Array;

  /** @param budget bytes that may be in work at a time; a picture that takes more by itself is decoded alone */
  constructor(budget: number, shared = new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT)) {
    this.budget = budget;
    this.shared = shared;
    this.#cells = new Int32Array(shared);
  }

  /** Bytes in work. */
  get used(): number {
    return Atomics.load(this.#cells, USED) * UNIT;
  }

  /** Whether what waits and what comes next is to be given up. */
  get stopped(): boolean {
    return Atomics.load(this.#cells, STOPPED) === 1;
  }

  stop(): void {
    Atomics.store(this.#cells, STOPPED, 1);
  }

  /** Waits until there is room for so many bytes and takes it. @throws when it is stopped */
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

/** What one picture takes of a `DecodingMemory`, from before its decoding until its pixels are no longer needed. */
export class Share {
  readonly #memory: DecodingMemory | undefined;
  #bytes = 0;

  /** @param memory none where one picture alone is decoded */
  constructor(memory?: DecodingMemory) {
    this.#memory = memory;
  }

  /**
   * Waits for room for a picture of so many pixels, of which each takes so many bytes.
   * @throws when it is larger than what is decoded; the message is the reason alone. Where it is larger than what this process
   * may have, that is the machine's fault
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

/** @throws when a picture has more pixels, or takes more memory, than what is decoded */
export function checkSize(width: number, height: number, bytes = 0): void {
  const size = `its ${width}x${height} pixels`;
  if (width * height > MOST_PIXELS)
    throw new Error(`${size} are ${width * height}, above the pixel limit of ${MOST_PIXELS}`);
  if (bytes > MOST_BYTES)
    throw new Error(
      `${size} take ${inUnits(bytes)} to decode, above the limit of ${inUnits(MOST_BYTES)}; scale it down first`,
    );
}
