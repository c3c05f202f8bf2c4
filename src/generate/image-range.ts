import type { Shard } from '../config/generation.js';
import type { BatchNormMode } from '../contracts/device.js';

/** Image numbers [first, end) of one shard, with one bit each for those that are done. */
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

  /** Number of marked images. */
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

/** Images drawn together, and those of them that are wanted. */
export interface Batch {
  readonly images: Uint32Array;
  readonly wanted: readonly number[];
}

/**
 * The unmarked images, in batches. With running statistics a batch may hold any images; with batch statistics it
 * is always the same ones, [k·size, (k+1)·size), so that an image depends only on the batch size.
 * @param aligned whether, with running statistics too, a batch is always the same images, within the range
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
    const images = aligned ? whole(image - (image % size)) : Uint32Array.from(wanted);
    yield { images: norm === 'batch' ? images : images.filter((i) => range.includes(i)), wanted };
    wanted = [];
  }
}

/** The batch size, at most `largest`, that divides the images evenly among the lanes. */
export function evenBatch(images: number, largest: number, lanes: number): number {
  const rounds = Math.ceil(images / (lanes * largest));
  return Math.ceil(images / (rounds * lanes));
}
