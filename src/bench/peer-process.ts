/**
 * A peer is a separate process with its own libraries and environment. It reads the work as a line of JSON, and
 * answers with the milliseconds and a digest of the result, so that peers and Haze can take turns.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { RunError } from '../errors.js';

/** A peer's answer to `{"work": …, "repeat": …}`; `batch` is given if it differs from the inputs'. */
export interface Answer {
  /** Milliseconds of one run: the median of `repeat`. */
  readonly ms: number;
  /** See `digest`: shows that all peers compute the same result. */
  readonly digest: readonly number[];
}

/** A program and its arguments. */
export interface Launch {
  readonly program: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Lines of a peer's stderr to keep: longer than a stack trace. */
const LAST_LINES = 50;

/** Milliseconds that a peer has to end on its own: it may be in the middle of its work when another has failed. */
const PATIENCE = 5000;

export class PeerProcess {
  readonly name: string;
  /** Its libraries' versions, after `ready`. */
  version = '';
  /** Threads that it uses, if not the number it was given. */
  threads: number | undefined;
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #lines: AsyncIterator<string>;
  readonly #complaints: string[] = [];

  constructor(name: string, { program, args, env }: Launch) {
    this.name = name;
    this.#child = spawn(program, args, {
      env: { ...process.env, TF_CPP_MIN_LOG_LEVEL: '2', ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.#child.on('error', (error) => this.#complaints.push(error.message));
    this.#child.stdin.on('error', () => undefined); // It has ended, which reading will report.
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
    createInterface({ input: this.#child.stderr }).on('line', (line) => {
      this.#complaints.push(line);
      if (this.#complaints.length > LAST_LINES) this.#complaints.shift();
    });
  }

  /** Resolves once it has loaded its inputs. @throws RunError with the reason if it exits instead */
  async ready(): Promise<void> {
    const { version, threads } = (await this.#next()) as {
      version: string;
      threads?: number | null;
    };
    this.version = version;
    this.threads = threads ?? undefined;
  }

  async ask(work: string, repeat: number, batch?: number): Promise<Answer> {
    this.#child.stdin.write(`${JSON.stringify({ work, repeat, batch })}\n`);
    const answer = (await this.#next()) as Answer & { digest: readonly (number | null)[] };
    return { ...answer, digest: answer.digest.map((value) => value ?? Number.NaN) };
  }

  /** Closes its input, so that it can end its own children, and waits until it has exited. */
  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.stdin.end();
    const late = setTimeout(() => this.#child.kill(), PATIENCE);
    await ended;
    clearTimeout(late);
  }

  async #next(): Promise<unknown> {
    for (;;) {
      const { value, done } = await this.#lines.next();
      if (done) throw new RunError(`${this.name} ended: ${reason(this.#complaints)}`);
      // Libraries may print their own lines.
      if ((value as string).startsWith('{')) return JSON.parse(value as string);
    }
  }
}

/** The line that says what went wrong (Python puts it below the stack, Node above); otherwise the last line. */
const reason = (lines: readonly string[]): string =>
  lines.findLast((line) => /^[\w.]*(Error|Exception)\b/.test(line)) ??
  lines.findLast((line) => line.trim() !== '') ??
  'it gave no reason';
