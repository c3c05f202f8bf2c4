/** A run's view of its workers: it announces itself to them, reports who is there, and notices when all of them fail. */
import type { Redis } from 'ioredis';
import { RunError } from '../errors.js';
import { plural } from '../units.js';
import { present, type RunSign, sign, type WorkerSign } from './board.js';
import { type Connection, isOutOfMemory, memoryInWords } from './connect.js';
import { MOST_ATTEMPTS } from './queues.js';

export interface TeamOptions {
  readonly connection: Connection;
  readonly build: string;
  /** The run's own name, and its id. */
  readonly name: string;
  readonly id: string;
  readonly onNote: (text: string) => void;
}

type About = Omit<RunSign, 'name' | 'build' | 'id'>;

export class Team {
  private readonly options: TeamOptions;
  private last: string | undefined;
  /** Whether the last look found no worker. */
  private alone = true;
  private full = false;

  constructor(options: TeamOptions) {
    this.options = options;
  }

  /**
   * Announces the run, and looks for workers of its build.
   * @param failing whether one of the run's jobs has failed and is to be tried again
   * @throws RunError if each worker has failed at as many jobs in a row as a job has attempts
   */
  async look(about: About, failing: boolean): Promise<void> {
    const { connection, build, name, id } = this.options;
    const { redis } = connection;
    try {
      await sign(redis, 'run', { name, build, id, ...about });
      this.hasRoom();
    } catch (error) {
      if (!isOutOfMemory(error)) throw error;
      // Workers cannot announce themselves either.
      return this.isFull();
    }
    const all = await present(redis, 'worker');
    const own = all.filter((worker) => worker.build === build);
    this.tell(own.length, all);
    const lost = own.filter(({ inARow }) => inARow >= MOST_ATTEMPTS);
    if (failing && own.length > 0 && lost.length === own.length)
      throw new RunError(
        `all workers fail (${plural(own.length, 'worker')}), the last one ${lost[0]!.inARow} times in a row: ${lost[0]!.reason}`,
      );
  }

  /** Reports that Redis is out of memory, once until it has room again. */
  async isFull(): Promise<void> {
    if (this.full) return;
    this.full = true;
    const { connection, onNote } = this.options;
    const memory = await connection.info().then(memoryInWords, () => 'out of memory');
    onNote(
      `${connection.address.shown} is full, ${memory}; waiting for room: free some memory or raise maxmemory`,
    );
  }

  private hasRoom(): void {
    if (!this.full) return;
    this.full = false;
    this.options.onNote(`${this.options.connection.address.shown} has room again`);
  }

  /** Workers that were there are missed only by the second look: they may be about to announce themselves to a Redis that is back. */
  private tell(count: number, all: readonly WorkerSign[]): void {
    const alone = this.alone;
    this.alone = count === 0;
    if (this.alone && !alone) return;
    const text = count > 0 ? `${plural(count, 'worker')} there` : this.without(all);
    if (text === this.last) return;
    this.last = text;
    this.options.onNote(text);
  }

  /** What to do if no worker is of the run's build. */
  private without(all: readonly WorkerSign[]): string {
    const { build } = this.options;
    const others = [...new Set(all.map((worker) => worker.build))].sort();
    const there =
      others.length === 0
        ? 'haze worker starts one'
        : `there ${others.length === 1 ? 'is one' : 'are some'} of ${others.join(', ')}: version, --strict and processor must agree`;
    return `there is no worker for ${build}; ${there}`;
  }
}

/** The other processes that work on the same run. */
export async function twinsOf(
  redis: Redis,
  { id, name }: Pick<RunSign, 'id' | 'name'>,
): Promise<RunSign[]> {
  return (await present(redis, 'run')).filter((run) => run.id === id && run.name !== name);
}
