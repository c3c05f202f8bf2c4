/*
 * Compares values with expected ones, group by group. An element passes if |got − expected| ≤ its tolerance;
 * a group is judged by the element that uses the largest share of its tolerance.
 */

/** The element of a group that uses the largest share of its tolerance. */
export interface Worst {
  readonly tensor: string;
  /** Its index in the tensor, one number per dimension. */
  readonly index: readonly number[];
  readonly expected: number;
  readonly got: number;
  readonly error: number;
  readonly tolerance: number;
}

/** The result for a group of expected values. */
export interface Group {
  readonly name: string;
  readonly values: number;
  /** Largest |got − expected| of the group. */
  readonly largestError: number;
  readonly worst: Worst;
  readonly holds: boolean;
}

/** Tolerance of an element by its flat index. */
export type Tolerance = (index: number) => number;

/** Values of a tensor; I64 ones may be bigints. */
export type Values = ArrayLike<number> | ArrayLike<bigint>;

/** Gathers the tensors of one group. */
export class Comparison {
  private readonly name: string;
  private values = 0;
  private largestError = 0;
  private worst: Worst | undefined;
  private use = Number.NEGATIVE_INFINITY;

  constructor(name: string) {
    this.name = name;
  }

  /** Compares a tensor. A different length, or a NaN on either side, counts as infinitely wrong. */
  add(
    tensor: string,
    shape: readonly number[],
    got: Values,
    expected: Values,
    tolerance: Tolerance,
  ): void {
    this.values += expected.length;
    for (let i = 0; i < Math.max(got.length, expected.length); i++) {
      const a = Number(got[i]);
      const b = Number(expected[i]);
      const difference = Math.abs(a - b);
      const error = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
      const limit = tolerance(i);
      const use = partUsed(error, limit);
      this.largestError = Math.max(this.largestError, error);
      if (use <= this.use) continue;
      this.use = use;
      const index = position(i, shape);
      this.worst = { tensor, index, expected: b, got: a, error, tolerance: limit };
    }
  }

  /** The group's result, or null if nothing was compared. */
  result(): Group | null {
    const { name, values, largestError, worst, use } = this;
    return worst ? { name, values, largestError, worst, holds: use <= 1 } : null;
  }
}

/**
 * The part of its tolerance that an error uses. A tolerance that follows from expected values is no number where one of
 * these is none, and endless where one is endless: then an error that is no number does not hold either.
 */
function partUsed(error: number, limit: number): number {
  if (error === 0) return 0;
  const use = error / limit;
  return Number.isNaN(use) ? Number.POSITIVE_INFINITY : use;
}

/** Converts a flat index in a row-major tensor. */
function position(flat: number, shape: readonly number[]): number[] {
  const index: number[] = [];
  let rest = flat;
  for (const size of [...shape].reverse()) {
    index.unshift(rest % size);
    rest = Math.floor(rest / size);
  }
  return index;
}
