/** A worker's messages about errors outside of its jobs, without repetition. */
import { type Connection, isOutOfMemory, memoryInWords } from './connect.js';

/** Milliseconds within which a message is not repeated. */
const REPEAT = 60_000;

/** Most messages to remember. */
const MOST = 100;

export class Complaints {
  private readonly connection: Connection;
  private readonly onNote: (text: string) => void;
  /** When each was last made. */
  private readonly last = new Map<string, number>();

  constructor(connection: Connection, onNote: (text: string) => void) {
    this.connection = connection;
    this.onNote = onNote;
  }

  /** @param about what it is about, if the text varies */
  note(text: string, about = text): void {
    const now = performance.now();
    const before = this.last.get(about);
    if (before !== undefined && now - before < REPEAT) return;
    if (this.last.size >= MOST) this.last.clear();
    this.last.set(about, now);
    this.onNote(text);
  }

  /** Reports an error of BullMQ or Redis. */
  of(error: Error): void {
    const { address, info } = this.connection;
    if (isOutOfMemory(error)) {
      void info().then(
        (found) =>
          this.note(`${address.shown} is full, ${memoryInWords(found)}; waiting for room`, 'full'),
        () => {},
      );
    } else if (/Missing key for job/.test(error.message)) {
      this.note('a job has disappeared from Redis; whoever wants it adds it again', 'gone');
    } else if (/could not renew lock|Missing lock for job/.test(error.message)) {
      this.note('a job was taken from this worker, which was unreachable for too long', 'taken');
    } else if (!('code' in error) && !/Connection is closed/.test(error.message)) {
      // The connection already reports that Redis is unreachable.
      this.note(error.message);
    }
  }
}
