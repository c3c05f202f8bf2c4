import { closest, distance } from 'fastest-levenshtein';
import { UsageError } from '../errors.js';
import { jsonText } from '../io/json.js';
import { printable } from '../printable.js';

/*
 * A source of settings: the command line (args.ts) or a config.json (json.ts). Each group of settings is
 * read by one function from either, so a range is stated once and both are checked alike.
 */

/** Bounds of a number, inclusive unless `above` or `below` is given. */
export interface Range {
  readonly min?: number;
  readonly max?: number;
  readonly above?: number;
  readonly below?: number;
  readonly even?: boolean;
}

/** An exact count, or the fewest and the most. */
export type Count = number | readonly [fewest: number, most: number];

export function isCount(length: number, count: Count): boolean {
  if (typeof count === 'number') return length === count;
  return length >= count[0] && length <= count[1];
}

/** Settings by their names in RunConfig; undefined if not given. */
export interface Source {
  whole(name: string, range: Range): number | undefined;
  real(name: string, range: Range): number | undefined;
  /** A whole number, or one of some words. */
  wholeOr<const T extends string>(
    name: string,
    range: Range,
    words: readonly T[],
  ): number | T | undefined;
  /** A number, or one of some words. */
  realOr<const T extends string>(
    name: string,
    range: Range,
    words: readonly T[],
  ): number | T | undefined;
  /** @param empty the word for an empty list on the command line, if an empty list is allowed */
  wholes(name: string, range: Range, empty?: string): number[] | undefined;
  /**
   * @param count exact count, or the fewest and the most
   * @param empty as for `wholes`
   */
  reals(name: string, range: Range, count: Count, empty?: string): number[] | undefined;
  boolean(name: string): boolean | undefined;
  booleans(name: string): boolean[] | undefined;
  oneOf<T extends string>(name: string, choices: readonly T[]): T | undefined;
  text(name: string): string | undefined;
  /** Several texts: comma-separated, or a list, whose numbers count as texts. */
  texts(name: string): string[] | undefined;
  /** Whether it is given, with any value. */
  has(name: string): boolean;
  /** The user's name of the setting, for messages. */
  where(name: string): string;
}

/** The number that a text denotes in decimal notation; NaN for hex, `Infinity`, spaces and everything else. */
export const parseDecimal = (text: string): number =>
  /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : Number.NaN;

/** `a whole number of 1 or more`, for messages. */
export function describe(kind: 'whole number' | 'number', range: Range): string {
  const noun = range.even ? `even ${kind}` : kind;
  const article = range.even ? 'an' : 'a';
  const low = range.above !== undefined ? `above ${range.above}` : range.min;
  const high = range.below !== undefined ? `below ${range.below}` : range.max;
  if (low === undefined && high === undefined) return `${article} ${noun}`;
  if (high === undefined)
    return `${article} ${noun} ${typeof low === 'number' ? `of ${low} or more` : low}`;
  if (typeof low === 'number' && typeof high === 'number')
    return `${article} ${noun} from ${low} to ${high}`;
  const ends = [
    typeof low === 'number' ? `from ${low}` : low,
    typeof high === 'number' ? `at most ${high}` : high,
  ];
  return `${article} ${noun} ${ends.filter((end) => end !== undefined).join(' and ')}`;
}

/** `2 numbers of 0 or more`, for messages. */
export const describeSeveral = (count: Count, kind: 'whole number' | 'number', range: Range) =>
  `${typeof count === 'number' ? count : count.join(' to ')} ${describe(kind, range).replace(/^an? /, '').replace(kind, `${kind}s`)}`;

/** The smallest number above 0 that a 32-bit float holds in full; the inverse of most below it is infinite. */
const SMALLEST_FLOAT = 2 ** -126;

/**
 * Whether a value is a finite number within the range, and whole if required. The engine keeps real numbers as 32-bit floats, so
 * as such they must be within it too.
 */
export function within(value: number, kind: 'whole number' | 'number', range: Range): boolean {
  return inRange(value, kind, range) && (kind === 'whole number' || fits(value, range));
}

/** The bounds that a number may not reach; those it may reach, rounding does not exceed. */
const openEnds = ({ above = -Infinity, below = Infinity }: Range): Range => ({ above, below });

/** Whether a number is still within its range as a 32-bit float, and above 0 if it must be. */
function fits(value: number, range: Range): boolean {
  const least = range.above === 0 ? SMALLEST_FLOAT : -Infinity;
  const near = Math.fround(value);
  return inRange(near, 'number', openEnds(range)) && near >= least;
}

/**
 * `, which is infinite as a 32-bit float`: what a message adds about a number that is within its range only in more bits; else
 * empty.
 */
export function asFloat(value: unknown, range: Range): string {
  if (typeof value !== 'number' || !inRange(value, 'number', range) || fits(value, range))
    return '';
  const near = Math.fround(value);
  if (!Number.isFinite(near)) return ', which is infinite as a 32-bit float';
  return near < SMALLEST_FLOAT && range.above === 0
    ? ', which is too small for a 32-bit float'
    : `, which is ${near} as a 32-bit float`;
}

function inRange(value: number, kind: 'whole number' | 'number', range: Range): boolean {
  if (kind === 'whole number' ? !Number.isSafeInteger(value) : !Number.isFinite(value))
    return false;
  return (
    value >= (range.min ?? -Infinity) &&
    value <= (range.max ?? Infinity) &&
    value > (range.above ?? -Infinity) &&
    value < (range.below ?? Infinity) &&
    (!range.even || value % 2 === 0)
  );
}

/** What diffusers, PyTorch and their scripts call it: our name, for hints. */
const ELSEWHERE: ReadonlyMap<string, string> = new Map([
  ['ddpm', 'ancestral'],
  ['euler-ancestral', 'euler-a'],
  ['dpmsolver++', 'dpm++2m'],
  ['scheduler', 'sampler'],
  ['steps', 'sample-steps'],
  ['num-inference-steps', 'sample-steps'],
  ['guidance-scale', 'guidance'],
  ['num-images', 'count'],
  ['image', 'from'],
  ['init-image', 'from'],
  ['mask-image', 'mask'],
  ['jump-n-sample', 'resample'],
  ['beta-schedule', 'schedule'],
  ['num-train-timesteps', 'timesteps'],
  ['prediction-type', 'objective'],
  ['learning-rate', 'lr'],
  ['batch-size', 'batch'],
  ['train-batch-size', 'batch'],
  ['num-epochs', 'epochs'],
  ['max-train-steps', 'steps'],
  ['checkpointing-steps', 'save-every'],
  ['resolution', 'size'],
  ['output-dir', 'out'],
  ['use-ema', 'ema'],
  ['resume-from-checkpoint', 'resume'],
]);

/** ` (did you mean ddim?)` if a known name is close, or is what others call it, else empty. */
export function suggestion(got: string, known: readonly string[], prefix = ''): string {
  if (known.length === 0) return '';
  const ours = ELSEWHERE.get(got.replaceAll('_', '-'));
  if (ours !== undefined && known.includes(ours)) return ` (did you mean ${prefix}${ours}?)`;
  const near = closest(got, known);
  const shared = near.startsWith(got) && got.length >= 2;
  return shared ||
    distance(got, near) <= (near.length < 4 ? 1 : Math.max(2, Math.floor(near.length / 3)))
    ? ` (did you mean ${prefix}${near}?)`
    : '';
}

/** @throws UsageError `where: expected one of a, b, c, got x (did you mean b?)`. */
export function choose<T extends string>(where: string, got: string, choices: readonly T[]): T {
  const found = choices.find((choice) => choice === got);
  if (found !== undefined) return found;
  const expected = choices.length === 1 ? choices[0] : `one of ${choices.join(', ')}`;
  const shown = got === '' ? 'nothing' : quote(got);
  throw new UsageError(
    `${where}: expected ${expected}, got ${shown}${suggestion(got.toLowerCase(), choices)}`,
  );
}

/** The user's input on one line, shortened; in quotes if it begins or ends with a space. */
export function quote(got: unknown): string {
  // JSON writes null for NaN and infinity.
  const isNumber = typeof got === 'number';
  const text =
    typeof got === 'string' ? got : ((isNumber ? undefined : jsonText(got)) ?? String(got));
  if (text === '') return 'nothing';
  const line = printable(text);
  if (line.length > 60) return `${line.slice(0, 57)}…`;
  return line === line.trim() ? line : `'${line}'`;
}
