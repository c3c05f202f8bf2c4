import type { Shard } from '../config/generation.js';
import type { BatchNormMode } from '../contracts/device.js';

/** Image numbers [first, end) of one shard, and one bit for each that is done: memory for any count. */
export class ImageRange {
  readonly first: number;
  readonly end: number;
  private readonly bits: Uint8Array;
  private marked = 0;

  constructor(first: number, end: number) {
    this.first = first;
    this.end = end;
    this.bits = new Uint8Array(Math.ceil((end - first) / 8));
  }

  get size(): number {
    return this.end - this.first;
  }

  /** How many are marked. */
  get count(): number {
    return this.marked;
  }

  includes(image: number): boolean {
    return image >= this.first && image < this.end;
  }

  has(image: number): boolean {
    const at = image - this.first;
    return ((this.bits[at >> 3] ?? 0) & (1 << (at & 7))) !== 0;
  }

  mark(image: number): void {
    if (this.has(image)) return;
    const at = image - this.first;
    this.bits[at >> 3]! |= 1 << (at & 7);
    this.marked++;
  }
}

/** The numbers of a shard: [⌊count·(i−1)/n⌋, ⌊count·i/n⌋). */
export function shardRange(count: number, { index, of }: Shard): ImageRange {
  const bound = (i: number) => Math.floor((count * i) / of);
  return new ImageRange(bound(index - 1), bound(index));
}

/** Images that are made together, and those of them that are wanted. */
export interface Batch {
  readonly images: Uint32Array;
  readonly wanted: readonly number[];
}

/**
 * The images that are not marked, in batches. With running statistics a batch is any images; with batch statistics it
 * is always the same ones, [k·size, (k+1)·size), so that an image depends on the batch size and on nothing else.
 * @param aligned whether no batch of any images goes beyond a multiple of the size
 */
export function* batches(
  range: ImageRange,
  size: number,
  norm: BatchNormMode,
  aligned = norm === 'batch',
): Generator<Batch> {
  let wanted: number[] = [];
  const whole = (first: number) => Uint32Array.from({ length: size }, (_, i) => first + i);
  for (let image = range.first; image < range.end; image++) {
    if (!range.has(image)) wanted.push(image);
    const last = image === range.end - 1 || (aligned && (image + 1) % size === 0);
    if (wanted.length === 0 || (!last && (aligned || wanted.length < size))) continue;
    const images = norm === 'batch' ? whole(image - (image % size)) : Uint32Array.from(wanted);
    yield { images, wanted };
    wanted = [];
  }
}

/** The batch size, at most `largest`, that gives all lanes as equal a share as can be. */
export function evenBatch(images: number, largest: number, lanes: number): number {
  const rounds = Math.ceil(images / (lanes * largest));
  return Math.ceil(images / (rounds * lanes));
}
