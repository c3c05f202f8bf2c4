/** Compares a report with an older one: what became faster or slower, and whether the change exceeds the noise. */
import { UsageError } from '../errors.js';
import { isObject, parseJson } from '../io/json.js';
import { readSmallFile } from '../io/plain-file.js';
import { noise } from './ratios.js';
import { type Path, pathName, type Report, type Result, type Work, workName } from './result.js';

/** The fields that are read from an older row. */
export type OldResult = Work & Path & Pick<Result, 'ms' | 'spread'>;

export interface Change {
  readonly result: Result;
  /** Null if the older report has no such row. */
  readonly old: OldResult | null;
  /** New time over old, less 1: −0.1 is a tenth faster. */
  readonly change: number;
  /** The noise of both: √(new² + old²). */
  readonly noise: number;
}

/** Each row with its older counterpart. */
export function compareReports(report: Report, old: readonly OldResult[]): Change[] {
  const known = new Map(old.map((row) => [key(row), row]));
  return report.results.map((result) => {
    const before = known.get(key(result)) ?? null;
    if (!before) return { result, old: null, change: 0, noise: noise(result) };
    const change = result.ms / before.ms - 1;
    return { result, old: before, change, noise: Math.hypot(noise(result), noise(before)) };
  });
}

const key = (row: Work & Path): string => `${workName(row)}: ${pathName(row)}`;

/** Size limit of a report, in bytes; a full one has about 100 thousand. */
const LONGEST = 1 << 26;

const LIMITS = { depth: 16, names: 1_000_000 };

/** The rows of a file that `--json` wrote, which `flag` names. @throws UsageError that says what is wrong with it */
export async function readResults(path: string, flag = '--compare'): Promise<OldResult[]> {
  const text = await readSmallFile(path, LONGEST).catch((error: NodeJS.ErrnoException) => {
    if (error instanceof UsageError) throw new UsageError(`${flag}: ${error.message}`);
    throw new UsageError(`${flag}: cannot read ${path} (${error.code ?? error.message})`);
  });
  const expected = 'expected the output of haze bench --json';
  let value: unknown;
  try {
    value = parseJson(text, LIMITS);
  } catch (error) {
    throw new UsageError(`${flag}: ${path}: ${expected}, got ${(error as Error).message}`);
  }
  const rows = isObject(value) ? value.results : undefined;
  if (!Array.isArray(rows)) throw new UsageError(`${flag}: ${path}: ${expected}: no results`);
  for (const [i, row] of rows.entries())
    if (!isOldResult(row))
      throw new UsageError(`${flag}: ${path}: results[${i}] is not a row; ${expected}`);
  return rows as OldResult[];
}

function isOldResult(row: unknown): row is OldResult {
  if (!isObject(row)) return false;
  const { spread } = row;
  const text = ['subject', 'what', 'by'].every((name) => typeof row[name] === 'string');
  const numbers = ['batch', 'size', 'ms'].every((name) => isTime(row[name]));
  return text && numbers && Array.isArray(spread) && spread.length === 2 && spread.every(isTime);
}

const isTime = (value: unknown): boolean =>
  typeof value === 'number' && Number.isFinite(value) && value > 0;
