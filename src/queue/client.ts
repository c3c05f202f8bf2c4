/** A connection to Redis, as ioredis has one. It loads ioredis, and is loaded lazily itself. */
import { type Command, Redis } from 'ioredis';

/**
 * Every command settles once the connection is closed for good. ioredis by itself forgets those that were under way when the
 * connection broke, to be sent again, if Redis refuses the next connection, e.g. since it has another password: whoever waits for one
 * would wait forever.
 */
export class Client extends Redis {
  private readonly unanswered = new Set<Command>();

  override sendCommand(...args: Parameters<Redis['sendCommand']>): unknown {
    const [command] = args;
    if (!this.unanswered.has(command)) {
      this.unanswered.add(command);
      const answered = () => this.unanswered.delete(command);
      command.promise.then(answered, answered);
    }
    return super.sendCommand(...args);
  }

  /** Fails what is still unanswered. */
  fail(error: Error): void {
    for (const command of this.unanswered) command.reject(error);
  }
}
