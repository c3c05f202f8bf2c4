import type { Curve } from './messages.js';

/** The largest number of buckets in a curve: more cannot be distinguished on a screen. */
export const MOST_BUCKETS = 2048;

/** The largest number of series: Haze's own logs have fewer, and others could take any amount of memory. */
export const MOST_SERIES = 64;

/** Digits of a mean of several values; single values are not rounded. */
const DIGITS = 6;

/** A series within a bucket. */
interface Cell {
  low: number;
  high: number;
  sum: number;
  count: number;
}

/**
 * Series over steps, thinned as they arrive: buckets of `width` consecutive entries with minimum, maximum and mean. When there are too
 * many buckets, pairs of them are merged. So memory and the time per entry do not depend on the length of the log.
 */
export class Thinned {
  private width = 1;
  private first: number[] = [];
  private last: number[] = [];
  /** Entries in the last bucket. */
  private filled = 0;
  private readonly columns = new Map<string, (Cell | undefined)[]>();
  private readonly banded: ReadonlySet<string>;
  private readonly most: number;
  private readonly life = Math.random().toString(36).slice(2);
  private merges = 0;

  /** @param banded series whose smallest and largest values are also kept */
  constructor(banded: readonly string[], most = MOST_BUCKETS) {
    this.banded = new Set(banded);
    this.most = most;
  }

  /** The last step; 0 for none. */
  get step(): number {
    return this.last.at(-1) ?? 0;
  }

  /** Adds an entry, whose step must be above the last one's. Values that are not finite are left out. */
  add(step: number, values: Iterable<readonly [name: string, value: number]>): void {
    if (this.first.length === 0 || this.filled === this.width) {
      if (this.first.length === this.most) this.merge();
      if (this.filled === this.width || this.first.length === 0) {
        this.first.push(step);
        this.filled = 0;
      }
    }
    const at = this.first.length - 1;
    this.last[at] = step;
    this.filled++;
    for (const [name, value] of values) if (Number.isFinite(value)) this.put(name, at, value);
  }

  /** The buckets from `from` on if the caller has the earlier ones of this generation; otherwise all. */
  curve(generation = '', from = 0): Curve {
    const own = `${this.life}-${this.merges}`;
    const at = generation === own ? Math.min(Math.max(0, from), this.first.length) : 0;
    return {
      generation: own,
      from: at,
      width: this.width,
      first: this.first.slice(at),
      last: this.last.slice(at),
      means: this.columnsOf(at, [...this.columns.keys()], ({ sum, count }) =>
        count === 1 ? sum : round(sum / count),
      ),
      lows: this.columnsOf(at, [...this.banded], ({ low }) => low),
      highs: this.columnsOf(at, [...this.banded], ({ high }) => high),
    };
  }

  private put(name: string, at: number, value: number): void {
    let column = this.columns.get(name);
    if (!column) {
      if (this.columns.size >= MOST_SERIES) return;
      column = [];
      this.columns.set(name, column);
    }
    const cell = column[at];
    if (!cell) {
      column[at] = { low: value, high: value, sum: value, count: 1 };
      return;
    }
    cell.low = Math.min(cell.low, value);
    cell.high = Math.max(cell.high, value);
    cell.sum += value;
    cell.count++;
  }

  private merge(): void {
    this.first = this.first.filter((_, i) => i % 2 === 0);
    const { last } = this;
    this.last = this.first.map((_, i) => last[2 * i + 1] ?? last[2 * i]!);
    for (const [name, column] of this.columns)
      this.columns.set(
        name,
        this.first.map((_, i) => joined(column[2 * i], column[2 * i + 1])),
      );
    // If their number was odd, the last bucket is half full.
    this.filled = last.length % 2 === 1 ? this.width : 2 * this.width;
    this.width *= 2;
    this.merges++;
  }

  private columnsOf(at: number, names: readonly string[], pick: (cell: Cell) => number) {
    // No prototype, since a part of a step may be called __proto__.
    const columns: Record<string, (number | null)[]> = Object.create(null);
    for (const name of names) {
      const column = this.columns.get(name) ?? [];
      columns[name] = this.first.slice(at).map((_, i) => {
        const cell = column[at + i];
        return cell ? pick(cell) : null;
      });
    }
    return columns;
  }
}

function joined(a: Cell | undefined, b: Cell | undefined): Cell | undefined {
  if (!a || !b) return a ?? b;
  return {
    low: Math.min(a.low, b.low),
    high: Math.max(a.high, b.high),
    sum: a.sum + b.sum,
    count: a.count + b.count,
  };
}

const round = (value: number): number => Number(value.toPrecision(DIGITS));
