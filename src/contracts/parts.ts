import { type Part, WHOLE } from './device.js';
import type { BatchImages, PartBatch, TrainBatch } from './trainer.js';

/** Splits a step's batch: each part has equally many of its images. */
export function partsOf(batch: TrainBatch, of: number): [part: Part, images: PartBatch][] {
  const { lr: _, first: begin = 0, ...images } = batch;
  if (of === 1) return [[WHOLE, { ...images, first: begin }]];
  const { step, t, labels } = images;
  const count = t.length / of;
  return Array.from({ length: of }, (_, index) => {
    const first = index * count;
    const part = {
      ...someImages(images, t.length, first, count),
      ...{ step, first: begin + first },
      t: t.subarray(first, first + count),
      ...(labels && { labels: labels.subarray(first, first + count) }),
    };
    return [{ index, of }, part];
  });
}

/** `count` of `all` images, from `first` on, in the same memory. */
function someImages(images: BatchImages, all: number, first: number, count: number): BatchImages {
  const range = (each: number) => [first * each, (first + count) * each] as const;
  const { pixels, flips, latents } = images;
  if (latents) return { latents: latents.subarray(...range(latents.length / all)) };
  return {
    pixels: pixels.subarray(...range(pixels.length / all)),
    ...(flips && { flips: flips.subarray(...range(1)) }),
  };
}

/** Milliseconds by part, added up. */
export function sumTimes(
  times: readonly Readonly<Record<string, number>>[],
): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const part of times)
    for (const [name, ms] of Object.entries(part)) sums[name] = (sums[name] ?? 0) + ms;
  return sums;
}
