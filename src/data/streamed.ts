/** A data set that exceeds its budget: images are decoded on request, or just before. */
import { ImageLost } from '../errors.js';
import type { About, Dataset } from './dataset.js';
import { imageBytes } from './decode.js';
import type { DecodePool } from './decode-pool.js';
import type { Failure } from './decode-worker.js';
import type { Source } from './source.js';

/** Batches decoded ahead of the requested one: enough to even out slow files. */
const AHEAD = 4;

/** Decodes batches in a pool while the step before them computes. */
export class StreamedDataset implements Dataset {
  readonly name: string;
  readonly count: number;
  readonly size: number;
  readonly channels: 1 | 3;
  readonly skipped: Dataset['skipped'];
  readonly doubtful: Dataset['doubtful'];
  readonly classes: Dataset['classes'];
  readonly resident = false;
  readonly #source: Source;
  /** The item of each image; unreadable ones are left out. */
  readonly #items: Uint32Array;
  readonly #pool: DecodePool;
  readonly #budget: number;
  /** Batches that are being decoded or wait to be read, by their indices. */
  #coming = new Map<string, Promise<Uint8Array>>();

  constructor(
    about: About,
    source: Source,
    failures: readonly Failure[],
    pool: DecodePool,
    budget: number,
  ) {
    this.name = about.name;
    this.count = about.count;
    this.size = about.size;
    this.channels = about.channels;
    this.skipped = about.skipped;
    this.doubtful = about.doubtful;
    this.classes = about.classes;
    this.#source = source;
    const failed = new Set(failures.map((f) => f.item));
    const all = Uint32Array.from({ length: source.count }, (_, i) => i);
    this.#items = all.filter((i) => !failed.has(i));
    this.#pool = pool;
    this.#budget = budget;
  }

  async read(indices: ArrayLike<number>, out: Uint8Array): Promise<void> {
    const key = keyOf(indices);
    const coming = this.#coming.get(key);
    this.#coming.delete(key);
    out.set(await (coming ?? this.#decode(indices)));
  }

  /** Decodes at least one batch, and at most four or as many as the budget holds. */
  ahead(batches: readonly ArrayLike<number>[]): void {
    const batchBytes = (batches[0]?.length ?? 0) * imageBytes(this);
    const most = Math.max(1, Math.min(AHEAD, Math.floor(this.#budget / batchBytes)));
    const coming = new Map<string, Promise<Uint8Array>>();
    for (const batch of batches.slice(0, most)) {
      const key = keyOf(batch);
      const decoding = this.#coming.get(key) ?? this.#decode(batch);
      // The reader of the batch gets the error; for a batch that is never read it does not matter.
      decoding.catch(() => {});
      coming.set(key, decoding);
    }
    this.#coming = coming;
  }

  async close(): Promise<void> {
    this.#coming.clear();
    await this.#pool.close();
  }

  async #decode(indices: ArrayLike<number>): Promise<Uint8Array> {
    const item = (k: number) => this.#items[indices[k]!]!;
    const pixels = new SharedArrayBuffer(indices.length * imageBytes(this));
    const { failures } = await this.#pool.decode({
      count: indices.length,
      item: (k) => this.#source.item(item(k)),
      out: pixels,
    });
    const [failure] = failures;
    if (!failure) return new Uint8Array(pixels);
    const label = this.#source.label(item(failure.item));
    throw new ImageLost(`${label}: ${failure.reason}; it could be read when the run began`);
  }
}

const keyOf = (indices: ArrayLike<number>): string => Array.prototype.join.call(indices, ' ');
