import type { FileHandle } from 'node:fs/promises';
import { openPlain } from '../io/plain-file.js';
import { inside } from './inside.js';

/** Bytes per read. */
const CHUNK = 1 << 20;
/** Bytes of the longest line; longer ones are skipped. */
const LONGEST_LINE = 1 << 20;
/** Milliseconds that one call may take: the caller wants what is read so far, and calls again. */
const PATIENCE = 100;

/** Number of last bytes to compare before reading on: if they differ, the file was overwritten. */
const TAIL = 64;

const NEWLINE = 0x0a;

/** How far a file has been read. */
export interface Progress {
  readonly read: number;
  readonly size: number;
  /** The time of its last write, in milliseconds since 1970. */
  readonly modified: number;
}

/**
 * The lines of a growing file, each once. A file that was truncated or replaced, e.g. by a resume, is read again from its start. An
 * incomplete last line waits for the rest.
 */
export class FollowedFile {
  private readonly root: string;
  private readonly path: string;
  private readonly onLine: (line: string) => void;
  private readonly onRestart: () => void;
  private identity = '';
  private offset = 0;
  private rest: Buffer = Buffer.alloc(0);
  /** The last bytes read. */
  private tail: Buffer = Buffer.alloc(0);

  /**
   * @param root a real path, which no link may lead out of
   * @param onRestart called when earlier lines are no longer those of the file
   */
  constructor(root: string, path: string, onLine: (line: string) => void, onRestart: () => void) {
    this.root = root;
    this.path = path;
    this.onLine = onLine;
    this.onRestart = onRestart;
  }

  /** Continues reading, for a limited time. @throws the system's error if there is no file; UsageError if it is not a plain one */
  async follow(): Promise<Progress> {
    const file = await openPlain(await inside(this.root, this.path));
    try {
      const { dev, ino, size, mtimeMs } = await file.stat();
      const identity = `${dev} ${ino}`;
      if (identity !== this.identity || size < this.offset || !(await this.goesOn(file)))
        this.restart(identity);
      await this.readOn(file);
      return { read: this.offset, size: Math.max(size, this.offset), modified: mtimeMs };
    } finally {
      await file.close();
    }
  }

  private async goesOn(file: FileHandle): Promise<boolean> {
    const { tail, offset } = this;
    const there = Buffer.alloc(tail.length);
    await file.read(there, 0, tail.length, offset - tail.length);
    return there.equals(tail);
  }

  private restart(identity: string): void {
    const isFirst = this.identity === '';
    this.identity = identity;
    this.offset = 0;
    this.rest = Buffer.alloc(0);
    this.tail = Buffer.alloc(0);
    if (!isFirst) this.onRestart();
  }

  private async readOn(file: FileHandle): Promise<void> {
    const until = performance.now() + PATIENCE;
    const chunk = Buffer.alloc(CHUNK);
    do {
      const { bytesRead } = await file.read(chunk, 0, CHUNK, this.offset);
      if (bytesRead === 0) return;
      this.offset += bytesRead;
      const bytes = chunk.subarray(0, bytesRead);
      this.tail = Buffer.concat([this.tail, bytes.subarray(-TAIL)]).subarray(-TAIL);
      this.take(bytes);
    } while (performance.now() < until);
  }

  private take(bytes: Buffer): void {
    const end = bytes.lastIndexOf(NEWLINE);
    if (end < 0) {
      this.keep(Buffer.concat([this.rest, bytes]));
      return;
    }
    const text = Buffer.concat([this.rest, bytes.subarray(0, end)]).toString('utf8');
    for (const line of text.split('\n')) this.onLine(line);
    this.keep(Buffer.from(bytes.subarray(end + 1)));
  }

  private keep(rest: Buffer): void {
    // The rest of a line that is too long then becomes an invalid line.
    this.rest = rest.length > LONGEST_LINE ? Buffer.from('?') : rest;
  }
}
