import type { Generator } from '../contracts/generator.js';
import { EngineError } from '../errors.js';
import type { Batch } from './image-range.js';
import type { GenerateEvent } from './options.js';

/** A batch is abandoned after this many lost workers in a row. */
const ATTEMPTS = 3;

/** Milliseconds between two reports of progress. */
const INTERVAL = 500;

/** A finished image: u8 [size, size, channels]. */
export interface Image {
  readonly index: number;
  readonly pixels: Uint8Array;
}

/** Draws the images of a run, and tracks its progress. */
export class ImageMaker {
  lost = 0;
  private readonly generator: Generator;
  private readonly onNote: (text: string) => void;
  private readonly inWork: number[];
  private finished = 0;
  private stopped = false;
  private failure: { readonly error: unknown } | undefined;

  constructor(generator: Generator, onNote: (text: string) => void) {
    this.generator = generator;
    this.onNote = onNote;
    this.inWork = Array.from({ length: generator.lanes }, () => 0);
  }

  /** Images drawn, plus the finished share of those in progress. */
  get done(): number {
    const { steps } = this.generator;
    return this.inWork.reduce(
      (sum, images, lane) => sum + (images * this.generator.stepsDone(lane)) / steps,
      this.finished,
    );
  }

  /**
   * Draws the batches, each lane one after the other, and passes each image on; a lane waits while `accept` does.
   * When it ends, all lanes are idle. @throws errors of `accept`; EngineError if workers are lost repeatedly
   */
  async run(batches: Iterator<Batch>, accept: (image: Image) => Promise<void>): Promise<void> {
    const lanes = this.inWork.map((_, lane) => this.lane(lane, batches, accept));
    await Promise.allSettled(lanes);
    if (this.failure) throw this.failure.error;
  }

  /** Stops the run at once: running batches are dropped. */
  async stop(): Promise<void> {
    this.stopped = true;
    await this.generator.dispose();
  }

  private async lane(
    lane: number,
    batches: Iterator<Batch>,
    accept: (image: Image) => Promise<void>,
  ): Promise<void> {
    try {
      while (!this.stopped) {
        const { value: batch, done } = batches.next();
        if (done) return;
        const pixels = await this.make(lane, batch);
        const each = pixels.length / batch.images.length;
        for (const index of batch.wanted) {
          const at = batch.images.indexOf(index) * each;
          await accept({ index, pixels: pixels.subarray(at, at + each) });
        }
      }
    } catch (error) {
      if (this.stopped) return;
      this.failure = { error };
      await this.stop();
    }
  }

  private async make(lane: number, { images, wanted }: Batch): Promise<Uint8Array> {
    for (let attempt = 1; ; attempt++)
      try {
        this.inWork[lane] = wanted.length;
        const pixels = await this.generator.make(lane, images, wanted);
        this.finished += wanted.length;
        return pixels;
      } catch (error) {
        if (!(error instanceof EngineError) || this.stopped) throw error;
        this.lost++;
        const which = `images ${wanted[0]} to ${wanted.at(-1)}`;
        if (attempt === ATTEMPTS)
          throw new EngineError(
            `${which}: abandoned after ${ATTEMPTS} attempts: ${error.message}`,
            {
              cause: error,
            },
          );
        this.onNote(`${error.message}; ${which} are drawn again`);
      } finally {
        this.inWork[lane] = 0;
      }
  }
}

/** Reports progress periodically until the work is done, and once more then. */
export async function reporting<T>(
  report: () => GenerateEvent,
  onEvent: ((event: GenerateEvent) => void) | undefined,
  work: () => Promise<T>,
): Promise<T> {
  if (!onEvent) return work();
  const timer = setInterval(() => onEvent(report()), INTERVAL);
  try {
    return await work();
  } finally {
    clearInterval(timer);
    onEvent(report());
  }
}
