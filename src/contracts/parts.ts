import { type Part, WHOLE } from './device.js';
import type { PartBatch, TrainBatch } from './trainer.js';

/** Splits a step's batch: each part has equally many of its images. */
export function partsOf(batch: TrainBatch, of: number): [part: Part, images: PartBatch][] {
  const { lr: _, first: begin = 0, ...images } = batch;
  if (of === 1) return [[WHOLE, { ...images, first: begin }]];
  const { step, pixels, flips, t, labels } = images;
  const count = flips.length / of;
  const each = pixels.length / of;
  return Array.from({ length: of }, (_, index) => {
    const first = index * count;
    const part = {
      ...{ step, first: begin + first },
      pixels: pixels.subarray(index * each, (index + 1) * each),
      flips: flips.subarray(first, first + count),
      t: t.subarray(first, first + count),
      ...(labels && { labels: labels.subarray(first, first + count) }),
    };
    return [{ index, of }, part];
  });
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
