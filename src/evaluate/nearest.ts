/**
 * The reference images nearest to samples, by pixel difference, which reveals samples that are copies of training
 * images. Mirrored images count, since training mirrors.
 */
import { film, type Images } from '../io/grid.js';
import { writePicture } from '../io/pictures.js';
import { mirrored } from './image-stream.js';

/** A reference image near a sample. */
export interface Neighbour {
  readonly name: string;
  /** Root mean square difference of the pixels, of 255. */
  readonly distance: number;
  readonly mirrored: boolean;
}

/** A sample's number and its nearest images, nearest first. */
export interface NearestOf {
  readonly sample: number;
  readonly neighbours: readonly Neighbour[];
}

interface Found extends Neighbour {
  readonly pixels: Uint8Array;
}

/** Neighbours shown beside a sample. */
const SHOWN = 5;

export class NearestImages {
  readonly #size: number;
  readonly #channels: 1 | 3;
  readonly #samples: readonly { readonly number: number; readonly pixels: Uint8Array }[];
  readonly #found: Found[][];

  constructor(
    size: number,
    channels: 1 | 3,
    samples: readonly { readonly number: number; readonly pixels: Uint8Array }[],
  ) {
    this.#size = size;
    this.#channels = channels;
    this.#samples = samples;
    this.#found = samples.map(() => []);
  }

  /** Compares a reference image with every sample. */
  add(pixels: Uint8Array, name: string): void {
    const mirror = mirrored(pixels, this.#size, this.#channels);
    for (const [k, sample] of this.#samples.entries()) {
      const found = this.#found[k]!;
      const farthest = found.length < SHOWN ? Infinity : found.at(-1)!.distance;
      const [straight, turned] = [
        difference(sample.pixels, pixels, farthest),
        difference(sample.pixels, mirror, farthest),
      ];
      const distance = Math.min(straight, turned);
      if (distance >= farthest) continue;
      const isMirrored = turned < straight;
      const kept = (isMirrored ? mirror : pixels).slice();
      found.push({ name, distance, mirrored: isMirrored, pixels: kept });
      found.sort((a, b) => a.distance - b.distance);
      found.length = Math.min(found.length, SHOWN);
    }
  }

  result(): NearestOf[] {
    return this.#samples.map(({ number }, k) => ({
      sample: number,
      neighbours: this.#found[k]!.map(({ pixels: _, ...neighbour }) => neighbour),
    }));
  }

  /** A row per sample, which comes first. @throws RunError if it cannot be written */
  async write(path: string): Promise<void> {
    const columns = 1 + Math.min(...this.#found.map((found) => found.length));
    const frames = Array.from({ length: columns }, (_, column) =>
      this.#images(
        this.#samples.map(({ pixels }, k) =>
          column === 0 ? pixels : this.#found[k]![column - 1]!.pixels,
        ),
      ),
    );
    await writePicture(path, film(frames));
  }

  #images(pictures: readonly Uint8Array[]): Images {
    const size = { height: this.#size, width: this.#size };
    return {
      ...size,
      count: pictures.length,
      channels: this.#channels,
      data: Uint8Array.from(pictures.flatMap((picture) => [...picture])),
    };
  }
}

/** Root mean square difference; the sum is cut short once it is known to exceed `most`. */
function difference(a: Uint8Array, b: Uint8Array, most: number): number {
  const limit = most ** 2 * a.length;
  let sum = 0;
  for (let i = 0; i < a.length; ) {
    const end = Math.min(a.length, i + 256);
    for (; i < end; i++) sum += (a[i]! - b[i]!) ** 2;
    if (sum >= limit) return Infinity;
  }
  return Math.sqrt(sum / a.length);
}
