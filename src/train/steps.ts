/** Training as an async iterable: one step at a time, on request. */
import { Interrupted } from '../errors.js';
import type { TrainEvent, TrainOptions, TrainResult } from './options.js';
import { train } from './train.js';

/** A training step, and what followed it. */
export interface TrainStep {
  /** Steps taken, from 1. */
  readonly step: number;
  /** Those of the whole run. */
  readonly totalSteps: number;
  /** From 1. */
  readonly epoch: number;
  readonly loss: number;
  readonly imagesPerSecond: number;
  /** The loss on held-out images, at the end of an epoch and of the run. */
  readonly heldOutLoss?: number;
  /** The folder of a checkpoint that was written. */
  readonly checkpoint?: string;
  /** The grid of samples that was drawn. */
  readonly samples?: string;
}

/** Trains step by step. Leaving the loop early saves a checkpoint. @throws like `train` */
export async function* trainSteps(
  options: TrainOptions,
): AsyncGenerator<TrainStep, TrainResult, undefined> {
  const leaving = new AbortController();
  const signals = options.signal ? [options.signal, leaving.signal] : [leaving.signal];
  const steps = new Handover<TrainStep>();
  let current: TrainStep | undefined;
  const onEvent = (event: TrainEvent) => {
    current = follow(current, event);
    options.onEvent?.(event);
  };
  const running = train({ ...options, signal: AbortSignal.any(signals), onEvent }, () =>
    steps.give(current!),
  );
  const end = () => steps.end();
  running.then(end, end);
  try {
    for (let next = await steps.take(); next !== undefined; next = await steps.take()) yield next;
    return await running;
  } finally {
    leaving.abort();
    steps.end();
    await running.catch((error: unknown) => {
      if (!(error instanceof Interrupted)) throw error;
    });
  }
}

function follow(current: TrainStep | undefined, event: TrainEvent): TrainStep | undefined {
  if (event.kind === 'step') {
    const { kind: _, ...step } = event;
    return step;
  }
  if (!current || !('step' in event) || event.step !== current.step) return current;
  if (event.kind === 'heldOut') return { ...current, heldOutLoss: event.heldOutLoss };
  if (event.kind === 'checkpoint') return { ...current, checkpoint: event.path };
  return event.kind === 'samples' ? { ...current, samples: event.path } : current;
}

/** Hands items over one by one: the producer waits until the next one is requested. */
class Handover<T> {
  #receive: ((item: T | undefined) => void) | undefined;
  #release: (() => void) | undefined;
  #ended = false;

  /** Resolves when another one is requested, or no more are. */
  give(item: T): Promise<void> {
    if (this.#ended) return Promise.resolve();
    return new Promise((release) => {
      this.#release = release;
      this.#receive?.(item);
    });
  }

  /** The next item; undefined when there are no more. */
  take(): Promise<T | undefined> {
    if (this.#ended) return Promise.resolve(undefined);
    return new Promise((receive) => {
      this.#receive = receive;
      this.#release?.();
    });
  }

  end(): void {
    this.#ended = true;
    this.#release?.();
    this.#receive?.(undefined);
  }
}
