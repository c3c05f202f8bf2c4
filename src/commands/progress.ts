import cliProgress from 'cli-progress';

/** How far a long command is: a bar on a terminal, plain lines now and then elsewhere; always on stderr. */
export interface Progress {
  /**
   * `done` of `total`, with what else is worth saying. The time left follows from the pace since the first call;
   * `exact` also counts what is half done, for a steadier one.
   */
  update(done: number, total: number, text: string, exact?: number): void;
  /** A line of its own, above the bar. */
  line(text: string): void;
  /** Ends the bar; a later update begins a new one. */
  stop(): void;
}

/** Seconds between plain lines. */
const INTERVAL = 10;

/** A progress display for `noun` (`step`, `image`). */
export function openProgress(noun: string): Progress {
  return process.stderr.isTTY ? new Bar(noun) : new Lines(noun);
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

class Bar implements Progress {
  private readonly noun: string;
  private bars: cliProgress.MultiBar | undefined;
  private bar: cliProgress.SingleBar | undefined;
  private pace = new Pace();

  constructor(noun: string) {
    this.noun = noun;
  }

  update(done: number, total: number, text: string, exact = done): void {
    this.bars ??= new cliProgress.MultiBar({
      format: `${this.noun} {value}/{total} [{bar}] {text}`,
      barsize: 24,
      hideCursor: null,
      clearOnComplete: false,
      stream: process.stderr,
    });
    this.bar ??= this.bars.create(total, done, { text: '' });
    const rest = [text, this.pace.left(exact, total)].filter((part) => part !== '');
    this.bar.setTotal(total);
    this.bar.update(done, { text: rest.join(' · ') });
  }

  line(text: string): void {
    if (this.bars) this.bars.log(`${text}\n`);
    else process.stderr.write(`${text}\n`);
  }

  stop(): void {
    this.bars?.stop();
    this.bars = undefined;
    this.bar = undefined;
    this.pace = new Pace();
  }
}

class Lines implements Progress {
  private readonly noun: string;
  private last = Number.NEGATIVE_INFINITY;
  private pace = new Pace();

  constructor(noun: string) {
    this.noun = noun;
  }

  update(done: number, total: number, text: string, exact = done): void {
    const now = performance.now() / 1000;
    const left = this.pace.left(exact, total);
    if (now - this.last < INTERVAL && done < total) return;
    this.last = now;
    const parts = [`${this.noun} ${done}/${total}`, text, done < total ? left : ''];
    this.line(parts.filter((part) => part !== '').join(' · '));
  }

  line(text: string): void {
    process.stderr.write(`${text}\n`);
  }

  stop(): void {
    this.last = Number.NEGATIVE_INFINITY;
    this.pace = new Pace();
  }
}
