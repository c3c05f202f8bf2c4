import cliProgress from 'cli-progress';
import { printable } from '../printable.js';

/** Progress of a long command: a bar on a terminal that moves its cursor, otherwise a plain line now and then; always on stderr. */
export interface Progress {
  /**
   * `done` of `total`, with further text. The time left follows from the pace since the first call;
   * `exact` also counts what is half done, for a steadier estimate.
   */
  update(done: number, total: number, text: string, exact?: number): void;
  /** What happens between two updates. */
  aside(text: string): void;
  /** A separate line, above the bar. */
  line(text: string): void;
  /** Ends the bar; a later update starts a new one. */
  stop(): void;
}

/** Between the parts of a line. */
const SEPARATOR = ' · ';

/** Seconds between plain lines. */
const INTERVAL = 10;

/** Where progress is written: stderr, which may be a terminal. */
export type ProgressStream = NodeJS.WritableStream & {
  readonly isTTY?: boolean;
  readonly columns?: number;
};

/** A progress display for `noun` (`step`, `image`). A dumb terminal would print what moves the cursor. */
export function openProgress(
  noun: string,
  stream: ProgressStream = process.stderr,
  terminal = process.env.TERM,
): Progress {
  return stream.isTTY && terminal !== 'dumb' ? new Bar(noun, stream) : new Lines(noun, stream);
}

/** `0:07`, `12:30`, `3:05:00`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const two = (n: number) => String(n).padStart(2, '0');
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes}:${two(whole % 60)}`;
  return `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % 60)}`;
}

/** The time left at the pace since the first update. */
class Pace {
  private start: { time: number; done: number } | undefined;

  left(done: number, total: number): string {
    const time = performance.now() / 1000;
    this.start ??= { time, done };
    const pace = (done - this.start.done) / (time - this.start.time);
    return pace > 0 ? `${duration((total - done) / pace)} left` : '';
  }
}

/** Back to the beginning of the line, and clear it. */
const CLEAR_LINE = '\r\u001b[2K';
/** Remembers where the cursor is (DECSC). */
const SAVE_CURSOR = '\u001b7';

class Bar implements Progress {
  private readonly noun: string;
  private readonly stream: ProgressStream;
  private bar: cliProgress.SingleBar | undefined;
  private pace = new Pace();

  constructor(noun: string, stream: ProgressStream) {
    this.noun = noun;
    this.stream = stream;
  }

  update(done: number, total: number, text: string, exact = done): void {
    const payload: Payload = { text, left: this.pace.left(exact, total) };
    if (this.bar) this.bar.update(done, payload);
    else this.bar = start(this.stream, this.noun, done, total, payload);
  }

  aside(text: string): void {
    this.bar?.update({ text, left: '' } satisfies Payload);
  }

  line(text: string): void {
    this.stream.write(`${this.bar ? CLEAR_LINE : ''}${printable(text)}\n`);
    this.bar?.render();
  }

  stop(): void {
    // The end of the bar is where the cursor was saved when it started: lines written since would be lost.
    if (this.bar) this.stream.write(SAVE_CURSOR);
    this.bar?.stop();
    this.bar = undefined;
    this.pace = new Pace();
  }
}

/** The text behind the bar. */
interface Payload {
  readonly text: string;
  readonly left: string;
}

/** Characters of the bar, and the fewest on a short line. */
const BAR = 24;
const SHORT_BAR = 8;

/**
 * A line that fits into `columns`. If it is too long, the bar is shortened first; then parts of the text are dropped, from the
 * last one. How far it is and how long it takes matter most: they stay.
 */
export function barLine(
  count: string,
  progress: number,
  text: string,
  left: string,
  columns: number,
): string {
  const parts = text === '' ? [] : text.split(SEPARATOR);
  for (;;) {
    const rest = [...parts, left].filter((part) => part !== '').join(SEPARATOR);
    const room = columns - 1 - `${count} [] ${rest}`.length;
    if (room >= SHORT_BAR || parts.length === 0) {
      const size = Math.max(0, Math.min(BAR, room));
      const done = Math.round(Math.min(1, progress) * size);
      const bar = size > 0 ? ` [${'='.repeat(done)}${'-'.repeat(size - done)}]` : '';
      return `${count}${bar} ${rest}`;
    }
    parts.pop();
  }
}

function start(
  stream: ProgressStream,
  noun: string,
  done: number,
  total: number,
  payload: Payload,
): cliProgress.SingleBar {
  const bar = new cliProgress.SingleBar({
    format: (_, { progress, value, total: all }, { text, left }: Payload) =>
      barLine(`${noun} ${value}/${all}`, progress, text, left, stream.columns ?? 80),
    // Drawn again after a line has replaced it.
    forceRedraw: true,
    // The command handles interrupts.
    gracefulExit: false,
    stream,
  });
  bar.start(total, done, payload);
  return bar;
}

class Lines implements Progress {
  private readonly noun: string;
  private readonly stream: ProgressStream;
  private last = Number.NEGATIVE_INFINITY;
  private ended = false;
  private pace = new Pace();

  constructor(noun: string, stream: ProgressStream) {
    this.noun = noun;
    this.stream = stream;
  }

  update(done: number, total: number, text: string, exact = done): void {
    const now = performance.now() / 1000;
    const left = this.pace.left(exact, total);
    const first = done >= total && !this.ended;
    this.ended = done >= total;
    if (now - this.last < INTERVAL && !first) return;
    this.last = now;
    const parts = [`${this.noun} ${done}/${total}`, text, done < total ? left : ''];
    this.line(parts.filter((part) => part !== '').join(SEPARATOR));
  }

  aside(text: string): void {
    const now = performance.now() / 1000;
    if (now - this.last < INTERVAL) return;
    this.last = now;
    this.line(text);
  }

  line(text: string): void {
    this.stream.write(`${printable(text)}\n`);
  }

  stop(): void {
    this.last = Number.NEGATIVE_INFINITY;
    this.ended = false;
    this.pace = new Pace();
  }
}
