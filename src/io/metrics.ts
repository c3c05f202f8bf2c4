/**
 * The log of a run: metrics.jsonl, one JSON object a line, one line a step. Lines go to the operating
 * system as they come (a write takes microseconds, a step many milliseconds), so a killed run keeps them;
 * `flush` forces them to disk, as checkpoints ask for.
 */
import {
  closeSync,
  fstatSync,
  fsyncSync,
  openSync,
  readSync,
  type Stats,
  statSync,
  writeSync,
} from 'node:fs';
import { RunError, UsageError } from '../errors.js';
import { asRunError, systemCode, systemReason, writeAtomically, writeFully } from './atomic.js';
import { isObject, show } from './json.js';
import { checkPlain, readLines } from './plain-file.js';

/**
 * Mean loss of a step's images by how far they are on the way to noise, in quarters (improved-diffusion's q0 to q3); one without
 * images is missing.
 */
export type Quarters = { readonly [Q in 'q0' | 'q1' | 'q2' | 'q3']?: number };

/** One training step. Steps count from 1, epochs from 0; `ms` says where its time went. */
export interface StepMetrics extends Quarters {
  readonly step: number;
  readonly epoch: number;
  readonly loss: number;
  readonly lr: number;
  readonly imagesPerSecond: number;
  readonly ms: Readonly<Record<string, number>>;
}

/** The loss on images kept aside, after `step` steps. */
export interface HeldOutMetrics {
  readonly step: number;
  readonly epoch: number;
  readonly heldOutLoss: number;
}

export type Metrics = StepMetrics | HeldOutMetrics;

/** Appends to a run's metrics.jsonl. */
export class MetricsLog {
  readonly path: string;
  private file: number | undefined;

  private constructor(path: string, file: number) {
    this.path = path;
    this.file = file;
  }

  /** Opens the log for appending; makes it when there is none. @throws RunError; UsageError for what is no file */
  static open(path: string): MetricsLog {
    return new MetricsLog(path, openLog(path));
  }

  /** Adds a line. @throws RunError when it cannot be written. */
  append(metrics: Metrics): void {
    const line = Buffer.from(`${JSON.stringify(metrics)}\n`);
    for (let at = 0; at < line.length; )
      at += attempt(this.path, () => writeSync(this.open(), line, at));
  }

  /** Forces all lines to disk. A log that was deleted since is written again. @throws RunError */
  flush(): void {
    this.file = attempt(this.path, () => follow(this.path, this.open()));
    attempt(this.path, () => fsyncSync(this.open()));
  }

  /** Forces all lines to disk and closes; safe to call twice. */
  close(): void {
    if (this.file === undefined) return;
    try {
      attempt(this.path, () => fsyncSync(this.open()));
    } finally {
      closeSync(this.file);
      this.file = undefined;
    }
  }

  private open(): number {
    if (this.file === undefined) throw new RunError(`${this.path}: the log is closed`);
    return this.file;
  }
}

/**
 * Reads a log. A last line that a crash tore is left out; no log is an empty one.
 * @throws UsageError naming the line that is no metrics.
 */
export async function readMetrics(path: string): Promise<Metrics[]> {
  const read: Metrics[] = [];
  for await (const { metrics } of logged(path)) read.push(metrics);
  return read;
}

/**
 * Drops the lines after `step`, as a resume from that step's checkpoint must, and a torn last line. Resolves to what was
 * logged of `step` itself.
 * @throws UsageError as `readMetrics` does; RunError when the log cannot be written.
 */
export async function cutBack(path: string, step: number): Promise<Metrics[]> {
  const last: Metrics[] = [];
  if (statOf(path) === undefined) return last;
  await writeAtomically(path, async (file) => {
    let text = '';
    for await (const { line, metrics } of logged(path)) {
      if (metrics.step > step) continue;
      if (metrics.step === step) last.push(metrics);
      text += `${line}\n`;
      if (text.length < PIECE) continue;
      await writeFully(file, Buffer.from(text));
      text = '';
    }
    await writeFully(file, Buffer.from(text));
  });
  return last;
}

/** Characters that are written at a time. */
const PIECE = 1 << 18;

/** Longer than any line that is ever written, and than what crashes leave of one. Bytes. */
const LONGEST_LINE = 1 << 20;

/** The sound lines of a log of any length; none where there is no log. */
async function* logged(path: string): AsyncGenerator<{ line: string; metrics: Metrics }> {
  let number = 0;
  let torn: string | undefined;
  try {
    for await (const line of readLines(path, LONGEST_LINE)) {
      if (torn !== undefined)
        throw new UsageError(`${path}:${number}: expected a step's metrics, got ${show(torn)}`);
      number++;
      const metrics = parseMetrics(line);
      if (metrics) yield { line, metrics };
      else torn = line;
    }
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return;
    const reason = systemReason(error);
    if (reason === undefined) throw error;
    throw new UsageError(`${path}: cannot be read: ${reason}`, { cause: error });
  }
}

/** A line's metrics, or undefined if it is none. JSON has no NaN; one that was written reads as null. */
export function parseMetrics(line: string): Metrics | undefined {
  try {
    // A reviver takes several times as long, and is wanted by next to no line.
    const value: unknown = line.includes('null') ? JSON.parse(line, nullAsNaN) : JSON.parse(line);
    return isHeldOut(value) || isStep(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

const nullAsNaN = (_: string, value: unknown): unknown => (value === null ? Number.NaN : value);

const isHeldOut = (value: unknown): value is HeldOutMetrics =>
  hasNumbers(value, 'step', 'epoch', 'heldOutLoss');

const isStep = (value: unknown): value is StepMetrics =>
  hasNumbers(value, 'step', 'epoch', 'loss', 'lr', 'imagesPerSecond') && isObject(value.ms);

const hasNumbers = (value: unknown, ...names: string[]): value is Record<string, unknown> =>
  isObject(value) && names.every((name) => typeof value[name] === 'number');

function openLog(path: string): number {
  const found = attempt(path, () => statOf(path));
  // Before it is opened: a pipe would wait for its reader.
  if (found) checkPlain(path, found);
  return attempt(path, () => openSync(path, 'a+'));
}

/**
 * The open log, or another where it stands no more: with all lines where it was deleted, as it is where somebody
 * replaced it.
 */
function follow(path: string, file: number): number {
  const there = statOf(path);
  const own = fstatSync(file);
  if (there && there.ino === own.ino && there.dev === own.dev) return file;
  const other = openLog(path);
  if (!there) copy(file, other);
  closeSync(file);
  return other;
}

function copy(from: number, to: number): void {
  const piece = Buffer.alloc(1 << 16);
  for (let at = 0, got = 1; got > 0; at += got) {
    got = readSync(from, piece, 0, piece.length, at);
    for (let done = 0; done < got; ) done += writeSync(to, piece, done, got - done);
  }
}

const statOf = (path: string): Stats | undefined => statSync(path, { throwIfNoEntry: false });

function attempt<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw asRunError(path, error);
  }
}
