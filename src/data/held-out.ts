/** Held-out images, to measure how the model does on data that it was not trained on. */
import { CounterRandom, PURPOSE } from '../diffusion/random.js';
import { UsageError } from '../errors.js';
import type { Classes } from './classes.js';
import { type Dataset, type DatasetOptions, defaultBudget, openDataset } from './dataset.js';
import { imageBytes } from './decode.js';
import type { Source } from './source.js';

export interface TrainingData {
  readonly train: Dataset;
  /** Undefined without `--held-out`. */
  readonly heldOut: Dataset | undefined;
  /** Closes both. */
  close(): Promise<void>;
}

/** What to hold out: other images, or a share between 0 and 1 of the same ones, chosen by the seed. */
export type Aside =
  | { readonly source: Source; readonly classes?: Classes | undefined }
  | { readonly fraction: number; readonly seed: number };

/**
 * Decodes the training images and the held-out ones.
 * @throws UsageError if no image of either can be read, or the share leaves one side empty
 */
export async function openTrainingData(
  source: Source,
  aside: Aside | null,
  options: DatasetOptions,
): Promise<TrainingData> {
  const all = await openDataset(source, options);
  try {
    if (aside === null) return { train: all, heldOut: undefined, close: () => all.close() };
    if ('fraction' in aside) return split(all, aside.fraction, aside.seed);
    const other = await openDataset(aside.source, {
      ...withBudgetLeft(options, all),
      classes: aside.classes,
    });
    const close = async () => void (await Promise.all([all.close(), other.close()]));
    return { train: all, heldOut: other, close };
  } catch (error) {
    await all.close();
    throw error;
  }
}

function split(all: Dataset, fraction: number, seed: number): TrainingData {
  if (all.count < 2)
    throw new UsageError(
      `--held-out: ${all.name} has one image; expected two or more to hold one out`,
    );
  const aside = Math.min(all.count - 1, Math.max(1, Math.round(fraction * all.count)));
  const order = new CounterRandom(seed).permutation(PURPOSE.heldOutSplit, 0, all.count);
  return {
    train: new Subset(all, order.slice(aside).sort()),
    heldOut: new Subset(all, order.slice(0, aside).sort()),
    close: () => all.close(),
  };
}

function withBudgetLeft(options: DatasetOptions, train: Dataset): DatasetOptions {
  const used = train.resident ? train.count * imageBytes(train) : 0;
  return { ...options, budgetBytes: (options.budgetBytes ?? defaultBudget()) - used };
}

/** Some images of a data set, which stays open until one of its subsets is closed. */
class Subset implements Dataset {
  readonly name: string;
  readonly count: number;
  readonly size: number;
  readonly channels: 1 | 3;
  readonly skipped: Dataset['skipped'];
  readonly doubtful: Dataset['doubtful'];
  readonly classes: Dataset['classes'];
  readonly resident: boolean;
  readonly #all: Dataset;
  readonly #indices: Uint32Array;

  constructor(all: Dataset, indices: Uint32Array) {
    this.name = all.name;
    this.count = indices.length;
    this.size = all.size;
    this.channels = all.channels;
    this.skipped = all.skipped;
    this.doubtful = all.doubtful;
    this.classes = all.classes && {
      names: all.classes.names,
      labels: Int32Array.from(indices, (i) => all.classes!.labels[i]!),
    };
    this.resident = all.resident;
    this.#all = all;
    this.#indices = indices;
  }

  read(indices: ArrayLike<number>, out: Uint8Array): Promise<void> {
    return this.#all.read(this.#translate(indices), out);
  }

  ahead(batches: readonly ArrayLike<number>[]): void {
    this.#all.ahead(batches.map((batch) => this.#translate(batch)));
  }

  close(): Promise<void> {
    return this.#all.close();
  }

  #translate(indices: ArrayLike<number>): Uint32Array {
    return Uint32Array.from(indices, (i) => this.#indices[i]!);
  }
}
