/** A worker's messages about errors outside of its jobs, without repetition. */
import { type Connection, isOutOfMemory, memoryInWords } from './connect.js';

/** Milliseconds within which a message is not repeated. */
const REPEAT = 10_000;

export class Complaints {
  private readonly connection: Connection;
  private readonly onNote: (text: string) => void;
  private last = { text: '', time: 0 };

  constructor(connection: Connection, onNote: (text: string) => void) {
    this.connection = connection;
    this.onNote = onNote;
  }

  note(text: string): void {
    const now = performance.now();
    if (text === this.last.text && now - this.last.time < REPEAT) return;
    this.last = { text, time: now };
    this.onNote(text);
  }

  /** Reports an error of BullMQ or Redis. */
  of(error: Error): void {
    const { address, info } = this.connection;
    if (isOutOfMemory(error)) {
      void info().then(
        (found) => this.note(`${address.shown} is full, ${memoryInWords(found)}`),
        () => {},
      );
    } else if (/could not renew lock|Missing (lock|key) for job/.test(error.message)) {
      this.note('a job was taken from this worker, which was unreachable for too long');
    } else if (!('code' in error) && !/Connection is closed/.test(error.message)) {
      // The connection already reports that Redis is unreachable.
      this.note(error.message);
    }
  }
}
