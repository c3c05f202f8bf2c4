/** The log of a run: metrics.jsonl, one JSON object per line, one line per step. */
import { statSync } from 'node:fs';
import { UsageError } from '../errors.js';
import { AppendLog } from './append-log.js';
import { systemCode, systemReason, writeAtomically, writeFully } from './atomic.js';
import { isObject, show } from './json.js';
import { readLines } from './plain-file.js';

/** Number of steps whose mean loss and speed are a run's latest: what its summary and its page show. */
export const LAST = 40;

/** Quarters of the timesteps, from the least noise to the most (improved-diffusion's q0 to q3). */
export const QUARTERS = ['q0', 'q1', 'q2', 'q3'] as const;

/** Mean loss of a step's images by quarter; a quarter without images is missing. */
export type Quarters = { readonly [Q in (typeof QUARTERS)[number]]?: number };

/** One training step. Steps count from 1, epochs from 0; `ms` says how long each part took. */
export interface StepMetrics extends Quarters {
  readonly step: number;
  readonly epoch: number;
  readonly loss: number;
  readonly lr: number;
  readonly imagesPerSecond: number;
  readonly ms: Readonly<Record<string, number>>;
}

/** The loss on held-out images, after `step` steps. */
export interface HeldOutMetrics {
  readonly step: number;
  readonly epoch: number;
  readonly heldOutLoss: number;
}

export type Metrics = StepMetrics | HeldOutMetrics;

/** Appends to a run's metrics.jsonl. */
export class MetricsLog extends AppendLog {
  /** Opens the log for appending, and creates it if it does not exist. @throws RunError; UsageError if it is not a plain file */
  static open(path: string): MetricsLog {
    return new MetricsLog(path);
  }

  /** Appends a line. @throws RunError if it cannot be written */
  append(metrics: Metrics): void {
    this.write(Buffer.from(`${JSON.stringify(metrics)}\n`));
  }
}

/**
 * Reads a log. A torn last line is omitted; a missing log is empty.
 * @throws UsageError naming an invalid line
 */
export async function readMetrics(path: string): Promise<Metrics[]> {
  const read: Metrics[] = [];
  for await (const { metrics } of logged(path)) read.push(metrics);
  return read;
}

/**
 * Drops the lines after `step`, as a resume from that step's checkpoint requires, and a torn last line. Resolves to what was
 * logged for `step` itself.
 * @throws UsageError like `readMetrics`; RunError if the log cannot be written
 */
export async function cutBack(path: string, step: number): Promise<Metrics[]> {
  const last: Metrics[] = [];
  if (statSync(path, { throwIfNoEntry: false }) === undefined) return last;
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

/** Characters per write. */
const PIECE = 1 << 18;

/** Longer than any line ever written, or left by a crash. Bytes. */
const LONGEST_LINE = 1 << 20;

/** The intact lines of a log of any length; none if there is no log. */
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

/** A line's metrics, or undefined if it is invalid. JSON has no NaN; one is written as null. */
export function parseMetrics(line: string): Metrics | undefined {
  try {
    // A reviver takes several times as long, and hardly any line needs it.
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
