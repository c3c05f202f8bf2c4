import type { Loss } from '../contracts/device.js';
import type { Evaluated, Trainer } from '../contracts/trainer.js';
import type { RunImages } from '../data/run-images.js';
import { drawPositions, type PositionOptions, type Positions } from '../diffusion/mixture.js';
import { type CounterRandom, PURPOSE } from '../diffusion/random.js';
import type { Attention } from './options.js';

/**
 * The loss on held-out images, with running statistics: the same images, t and noise every time, so that
 * a change comes from training, not from sampling noise.
 */
export class HeldOutLoss {
  private readonly dataset: RunImages;
  private readonly loss: Loss;
  private readonly t: Positions;

  constructor(dataset: RunImages, loss: Loss, options: PositionOptions, random: CounterRandom) {
    this.dataset = dataset;
    this.loss = loss;
    const stream = { purpose: PURPOSE.heldOutTimestep, index: 0 };
    this.t = drawPositions(random, stream, dataset.count, options);
  }

  /** Mean over all elements of all held-out images; null if it is interrupted. */
  async measure(trainer: Trainer, { signal, onProgress }: Attention = {}): Promise<number | null> {
    const { count, size, channels, classes } = this.dataset;
    const { batch } = trainer.unet;
    const each = size * size * channels;
    let sum = 0;
    for (let first = 0; first < count; first += batch) {
      if (signal?.aborted) return null;
      // The last batch is filled up with its last image, whose copies do not count.
      const images = Uint32Array.from({ length: batch }, (_, i) => Math.min(first + i, count - 1));
      const read = await this.dataset.batch(images);
      const chosen = Array.from(images, (k) => this.t[k]!);
      const t = this.t instanceof Int32Array ? Int32Array.from(chosen) : Float32Array.from(chosen);
      const labels = classes && Int32Array.from(images, (k) => classes.labels[k]!);
      const evaluated = await trainer.evaluate({ ...read, images, t, ...(labels && { labels }) });
      sum += total(evaluated, Math.min(batch, count - first), each, this.loss);
      onProgress?.(Math.min(first + batch, count), count);
    }
    return sum / (count * each);
  }
}

/** Sum of the loss over the elements of the first images of a batch. */
function total(
  { epsilon, noise, weights }: Evaluated,
  images: number,
  each: number,
  loss: Loss,
): number {
  let sum = 0;
  for (let i = 0; i < images * each; i++) {
    const weight = weights?.[Math.floor(i / each)] ?? 1;
    sum += weight * distance(Math.abs(epsilon[i]! - noise[i]!), loss);
  }
  return sum;
}

function distance(d: number, loss: Loss): number {
  switch (loss) {
    case 'l1':
      return d;
    case 'l2':
      return d * d;
    case 'huber':
      return d < 1 ? 0.5 * d * d : d - 0.5;
    default:
      return loss satisfies never;
  }
}
