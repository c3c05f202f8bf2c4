/** Images kept aside, to see how the model does on what it was not trained on. */
import { CounterRandom, PURPOSE } from '../diffusion/random.js';
import { UsageError } from '../errors.js';
import { type Dataset, type DatasetOptions, defaultBudget, openDataset } from './dataset.js';
import { imageBytes } from './decode.js';

export interface TrainingData {
  readonly train: Dataset;
  /** Undefined without `--held-out`. */
  readonly heldOut: Dataset | undefined;
  /** Closes both. */
  close(): Promise<void>;
}

/**
 * Opens `<data>` and what `--held-out` keeps aside: other data, or a seeded fraction of the same.
 * @param heldOut anything that `<data>` may be, or a number between 0 and 1.
 * @throws UsageError when either cannot be opened, or the fraction leaves one side empty.
 */
export async function openTrainingData(
  spec: string,
  heldOut: string | undefined,
  options: DatasetOptions,
): Promise<TrainingData> {
  const fraction = heldOut === undefined ? undefined : parseFraction(heldOut);
  const all = await openDataset(spec, options);
  try {
    if (heldOut === undefined) return { train: all, heldOut: undefined, close: () => all.close() };
    if (fraction !== undefined) return split(all, fraction, options.seed);
    const other = await openDataset(heldOut, withBudgetLeft(options, all));
    const close = async () => void (await Promise.all([all.close(), other.close()]));
    return { train: all, heldOut: other, close };
  } catch (error) {
    await all.close();
    throw error;
  }
}

/** Anything that reads as a number is a fraction; a folder of such a name can be written ./0.1. */
function parseFraction(heldOut: string): number | undefined {
  const value = heldOut.trim() === '' ? 0 : Number(heldOut.replace(/%$/, ''));
  if (Number.isNaN(value)) return undefined;
  if (value > 0 && value < 1 && !heldOut.endsWith('%')) return value;
  throw new UsageError(
    `--held-out: expected a folder or a fraction between 0 and 1, got ${heldOut}`,
  );
}

function split(all: Dataset, fraction: number, seed: number): TrainingData {
  if (all.count < 2)
    throw new UsageError(
      `--held-out: ${all.name} has one image; expected two or more to keep one aside`,
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

/** Some of the images of a data set, which stays open until one of its parts is closed. */
class Subset implements Dataset {
  readonly name: string;
  readonly count: number;
  readonly size: number;
  readonly channels: 1 | 3;
  readonly skipped: Dataset['skipped'];
  readonly resident: boolean;
  readonly #all: Dataset;
  readonly #indices: Uint32Array;

  constructor(all: Dataset, indices: Uint32Array) {
    this.name = all.name;
    this.count = indices.length;
    this.size = all.size;
    this.channels = all.channels;
    this.skipped = all.skipped;
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
