/**
 * Files of a run that grow step by step. Each addition is passed to the operating system at once (a write takes microseconds, a
 * step many milliseconds), so a killed run keeps it; `flush` syncs it to disk, as checkpoints require.
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
import { RunError } from '../errors.js';
import { asRunError } from './atomic.js';
import { checkPlain } from './plain-file.js';

export class AppendLog {
  readonly path: string;
  private file: number | undefined;

  /** Opens the file for appending, and creates it if it does not exist. @throws RunError; UsageError if it is not a plain file */
  constructor(path: string) {
    this.path = path;
    this.file = openLog(path);
  }

  /** Whether nothing has been written to it yet. */
  protected isEmpty(): boolean {
    return attempt(this.path, () => fstatSync(this.open()).size === 0);
  }

  /** Appends bytes. @throws RunError if they cannot be written */
  protected write(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; )
      at += attempt(this.path, () => writeSync(this.open(), bytes, at));
  }

  /** Syncs everything to disk. A file that was deleted since is written again. @throws RunError */
  flush(): void {
    this.file = attempt(this.path, () => follow(this.path, this.open()));
    attempt(this.path, () => fsyncSync(this.open()));
  }

  /** Syncs everything to disk and closes; safe to call twice. */
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

function openLog(path: string): number {
  const found = attempt(path, () => statOf(path));
  // Before opening: a pipe would wait for its reader.
  if (found) checkPlain(path, found);
  return attempt(path, () => openSync(path, 'a+'));
}

/**
 * The open log, or a new one if it is no longer in place: with all lines if it was deleted, unchanged if somebody
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
