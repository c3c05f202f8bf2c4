/** A data set whose images are all in memory. */
import type { About, Dataset } from './dataset.js';
import type { Failure } from './decode-worker.js';

/** Consecutive images in shared memory; reading copies them. */
export class ResidentDataset implements Dataset {
  readonly name: string;
  readonly count: number;
  readonly size: number;
  readonly channels: 1 | 3;
  readonly skipped: Dataset['skipped'];
  readonly doubtful: Dataset['doubtful'];
  readonly classes: Dataset['classes'];
  readonly resident = true;
  #pixels: Uint8Array;

  /** @param pixels images of all items in order; the places of those in `failures` are unset */
  constructor(about: About, pixels: SharedArrayBuffer, failures: readonly Failure[]) {
    this.name = about.name;
    this.count = about.count;
    this.size = about.size;
    this.channels = about.channels;
    this.skipped = about.skipped;
    this.doubtful = about.doubtful;
    this.classes = about.classes;
    this.#pixels = new Uint8Array(pixels);
    this.#closeGaps(failures.map((f) => f.item));
  }

  async read(indices: ArrayLike<number>, out: Uint8Array): Promise<void> {
    const bytes = this.#bytes;
    for (let k = 0; k < indices.length; k++) {
      const at = indices[k]! * bytes;
      out.set(this.#pixels.subarray(at, at + bytes), k * bytes);
    }
  }

  ahead(): void {}

  async close(): Promise<void> {
    this.#pixels = new Uint8Array(0);
  }

  get #bytes(): number {
    return this.size * this.size * this.channels;
  }

  #closeGaps(gaps: readonly number[]): void {
    const bytes = this.#bytes;
    const items = this.count + gaps.length;
    gaps.forEach((gap, i) => {
      const next = gaps[i + 1] ?? items;
      this.#pixels.copyWithin((gap - i) * bytes, (gap + 1) * bytes, next * bytes);
    });
  }
}
