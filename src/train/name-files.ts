import type { Skipped } from '../data/source.js';
import { plural } from '../units.js';
import type { TrainEvent } from './options.js';

/** Number of files per kind of warning that are named; the rest are counted. */
const NAMED = 10;

/** Warns about files: names the first ones, and counts the rest. */
export function nameFiles(
  what: string,
  noun: string,
  files: readonly Skipped[],
  onEvent: (event: Extract<TrainEvent, { kind: 'warning' }>) => void,
): void {
  for (const { path, reason } of files.slice(0, NAMED))
    onEvent({ kind: 'warning', text: `${what} ${path}: ${reason}` });
  if (files.length > NAMED)
    onEvent({ kind: 'warning', text: `${what} ${plural(files.length, noun)} in all` });
}
