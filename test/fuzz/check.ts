/** What is asked of every reader: a file is read, or it is the user's error, told in a line. Nothing else comes out of it, whatever its bytes. */
import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { UsageError } from '../../src/errors.js';
import { damage, damaged } from './edits.js';
import type { Target } from './targets.js';

/** Bytes that reading a file of some kilobytes may add to what the process takes. */
const MOST_MEMORY = 512 * 2 ** 20;

/** The line that a message of Haze's may have after its first: how to convert the file. */
const CONVERT = /\n {2}python -c .*$/;

/** @throws unless the file is read, or refused as it should be */
export async function check(target: Target, folder: string, bytes: Buffer): Promise<void> {
  const path = join(folder, target.file);
  await writeFile(path, target.around?.(bytes) ?? bytes);
  const before = process.memoryUsage().rss;
  try {
    await target.read(path);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    const [line, ...others] = error.message.replace(CONVERT, '').split('\n');
    if (others.length > 0 || line === '')
      throw new Error(`expected one line, got ${JSON.stringify(error.message)}`);
  }
  const grown = process.memoryUsage().rss - before;
  if (grown > MOST_MEMORY) throw new Error(`it took ${Math.round(grown / 2 ** 20)} MiB`);
}

/** A folder in which files are tried, gone afterwards. */
export async function inFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'haze-fuzz-'));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

export interface Search {
  readonly seed: number;
  /** Damaged files that are tried at most. */
  readonly runs: number;
  /** Milliseconds after which it ends. */
  readonly time?: number;
  /** Milliseconds that reading a file may take; default without end. */
  readonly patience?: number;
  /** Told of each file before it is read, so that one which is never done is known. */
  readonly onTry?: (bytes: Buffer) => void;
}

/** A file that a reader does not take as it should, as small as it was made. */
export interface Find {
  readonly bytes: Buffer;
  readonly error: unknown;
}

export interface Found {
  readonly tried: number;
  readonly find?: Find;
}

/** Looks for a damaged file that a reader neither reads nor refuses. */
export async function search(target: Target, folder: string, options: Search): Promise<Found> {
  const { seed, runs, time, patience = Number.POSITIVE_INFINITY, onTry } = options;
  const property = fc.asyncProperty(damage, async (one) => {
    const bytes = damaged(target.seeds, one);
    onTry?.(bytes);
    const begin = performance.now();
    await check(target, folder, bytes);
    const taken = performance.now() - begin;
    if (taken > patience) throw new Error(`it took ${Math.round(taken / 1000)} s`);
  });
  const details = await fc.check(property, {
    ...{ seed, numRuns: runs },
    ...(time !== undefined && { interruptAfterTimeLimit: time, markInterruptAsFailure: false }),
  });
  if (!details.counterexample) return { tried: details.numRuns };
  const bytes = damaged(target.seeds, details.counterexample[0]);
  return { tried: details.numRuns, find: { bytes, error: details.errorInstance } };
}

/** The name that a find is kept under. */
export const nameOf = (bytes: Uint8Array): string =>
  createHash('sha256').update(bytes).digest('hex').slice(0, 16);
