/**
 * Files of a run that grow step by step. What is added goes to the operating system as it comes (a write takes microseconds, a
 * step many milliseconds), so a killed run keeps it; `flush` forces it to disk, as checkpoints ask for.
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

  /** Opens the file for appending; makes it when there is none. @throws RunError; UsageError for what is no file */
  constructor(path: string) {
    this.path = path;
    this.file = openLog(path);
  }

  /** Whether nothing was written to it yet. */
  protected isEmpty(): boolean {
    return attempt(this.path, () => fstatSync(this.open()).size === 0);
  }

  /** Adds bytes. @throws RunError when they cannot be written. */
  protected write(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; )
      at += attempt(this.path, () => writeSync(this.open(), bytes, at));
  }

  /** Forces all to disk. A file that was deleted since is written again. @throws RunError */
  flush(): void {
    this.file = attempt(this.path, () => follow(this.path, this.open()));
    attempt(this.path, () => fsyncSync(this.open()));
  }

  /** Forces all to disk and closes; safe to call twice. */
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
