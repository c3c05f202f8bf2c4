import type { Generator } from '../contracts/generator.js';
import { EngineError } from '../errors.js';
import type { Batch } from './image-range.js';
import type { GenerateEvent } from './options.js';

/** A batch is given up when so many workers in a row are lost over it. */
const ATTEMPTS = 3;

/** Milliseconds between two reports of progress. */
const INTERVAL = 500;

/** A finished image: u8 [size, size, channels]. */
export interface Image {
  readonly index: number;
  readonly pixels: Uint8Array;
}

/** How the images of a run come to be, and how far they are. */
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

  /** Images made, and the done part of those in work. */
  get done(): number {
    const { steps } = this.generator;
    return this.inWork.reduce(
      (sum, images, lane) => sum + (images * this.generator.stepsDone(lane)) / steps,
      this.finished,
    );
  }

  /**
   * Makes the batches, each lane one after the other, and hands each image over; a lane waits while `accept` does.
   * When it ends, no lane is at work. @throws what `accept` throws; EngineError when workers are lost over and over
   */
  async run(batches: Iterator<Batch>, accept: (image: Image) => Promise<void>): Promise<void> {
    const lanes = this.inWork.map((_, lane) => this.lane(lane, batches, accept));
    await Promise.allSettled(lanes);
    if (this.failure) throw this.failure.error;
  }

  /** Ends the run at once: batches in work are dropped. */
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
          throw new EngineError(`${which}: given up after ${ATTEMPTS} attempts: ${error.message}`, {
            cause: error,
          });
        this.onNote(`${error.message}; ${which} are made again`);
      } finally {
        this.inWork[lane] = 0;
      }
  }
}

/** Reports progress now and then until the work is done, and once more then. */
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
