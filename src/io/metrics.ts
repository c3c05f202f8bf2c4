/**
 * The log of a run: metrics.jsonl, one JSON object a line, one line a step. Lines go to the operating
 * system as they come (a write takes microseconds, a step many milliseconds), so a killed run keeps them;
 * `flush` forces them to disk, as checkpoints ask for.
 */
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { RunError, UsageError } from '../errors.js';
import { asRunError, systemCode, systemReason, writeFileAtomically } from './atomic.js';
import { isObject, show } from './json.js';
import { isFile } from './run.js';

/** One training step. Steps count from 1, epochs from 0; `ms` says where its time went. */
export interface StepMetrics {
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

  /** Opens the log for appending; makes it when there is none. @throws RunError */
  static open(path: string): MetricsLog {
    return new MetricsLog(
      path,
      attempt(path, () => openSync(path, 'a')),
    );
  }

  /** Adds a line. @throws RunError when it cannot be written. */
  append(metrics: Metrics): void {
    const line = Buffer.from(`${JSON.stringify(metrics)}\n`);
    for (let at = 0; at < line.length; )
      at += attempt(this.path, () => writeSync(this.open(), line, at));
  }

  /** Forces all lines to disk. @throws RunError */
  flush(): void {
    attempt(this.path, () => fsyncSync(this.open()));
  }

  /** Flushes and closes; safe to call twice. */
  close(): void {
    if (this.file === undefined) return;
    try {
      this.flush();
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
  return (await readLines(path)).map(({ metrics }) => metrics);
}

/**
 * Drops the lines after `step`, as a resume from that step's checkpoint must, and a torn last line. Resolves to what is
 * left.
 * @throws UsageError as `readMetrics` does; RunError when the log cannot be written.
 */
export async function cutBack(path: string, step: number): Promise<Metrics[]> {
  if (!(await isFile(path))) return [];
  const kept = (await readLines(path)).filter(({ metrics }) => metrics.step <= step);
  await writeFileAtomically(path, kept.map(({ text }) => `${text}\n`).join(''));
  return kept.map(({ metrics }) => metrics);
}

async function readLines(path: string): Promise<{ text: string; metrics: Metrics }[]> {
  const lines = (await readText(path)).split('\n');
  if (lines.at(-1) === '') lines.pop();
  const read: { text: string; metrics: Metrics }[] = [];
  for (const [i, text] of lines.entries()) {
    const metrics = parse(text);
    if (metrics) read.push({ text, metrics });
    else if (i < lines.length - 1)
      throw new UsageError(`${path}:${i + 1}: expected a step's metrics, got ${show(text)}`);
  }
  return read;
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return '';
    throw new UsageError(`${path}: cannot be read: ${systemReason(error)}`, { cause: error });
  }
}

/** A line's metrics, or undefined if it is none. JSON has no NaN; one that was written reads as null. */
function parse(line: string): Metrics | undefined {
  try {
    const value: unknown = JSON.parse(line, (_, v) => (v === null ? Number.NaN : v));
    return isHeldOut(value) || isStep(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

const isHeldOut = (value: unknown): value is HeldOutMetrics =>
  hasNumbers(value, 'step', 'epoch', 'heldOutLoss');

const isStep = (value: unknown): value is StepMetrics =>
  hasNumbers(value, 'step', 'epoch', 'loss', 'lr', 'imagesPerSecond') && isObject(value.ms);

const hasNumbers = (value: unknown, ...names: string[]): value is Record<string, unknown> =>
  isObject(value) && names.every((name) => typeof value[name] === 'number');

function attempt<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw asRunError(path, error);
  }
}
