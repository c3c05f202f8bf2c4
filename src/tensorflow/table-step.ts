/** `tableStep` as tfjs operations: the formulas of assembly/table-step.ts and assembly/image-limits.ts. */
import { rankOf, type StepMemory } from '../engine/arithmetic.js';
import type { Tf, TfTensor } from './tfjs.js';
import { valuesOf } from './values.js';

export interface TableStep {
  readonly x: Float32Array;
  readonly output: Float32Array;
  /** z, or null in a step without noise. */
  readonly noise: Float32Array | null;
  /** [a, b, range, c, d, h, e₁, e₂, e₃, g]. */
  readonly row: Float32Array;
  readonly memory: StepMemory | undefined;
}

export function tableStep(
  tf: Tf,
  { x, output, noise, row, memory }: TableStep,
): Float32Array<ArrayBuffer> {
  const history = memory?.history ?? [];
  const [next, x0] = valuesOf(tf, () => {
    const flat = (values: Float32Array) => tf.tensor(values, [values.length]);
    const weighted = (weight: number, values: TfTensor) => tf.mul(tf.scalar(weight), values);
    const [images, outputs] = [flat(x), flat(output)];
    const foreseen = tf.add(weighted(row[0]!, images), weighted(row[1]!, outputs));
    const clamped = clamp(tf, foreseen, row[2]!, memory);
    const terms = [weighted(row[4]!, clamped), weighted(row[5]!, outputs)];
    for (const [i, earlier] of history.entries())
      if (row[6 + i] !== 0) terms.push(weighted(row[6 + i]!, flat(earlier)));
    if (noise) terms.push(weighted(row[9]!, flat(noise)));
    return [terms.reduce((sum, term) => tf.add(sum, term), weighted(row[3]!, images)), clamped];
  });
  for (let i = history.length - 1; i > 0; i--) history[i] = history[i - 1]!;
  if (history.length > 0) history[0] = x0!;
  return next!;
}

/** Limits x̂_0 to ±range, or thresholds it per image. */
function clamp(tf: Tf, x0: TfTensor, range: number, memory: StepMemory | undefined): TfTensor {
  if (!memory?.threshold) return range === Infinity ? x0 : tf.clipByValue(x0, -range, range);
  const { threshold, each } = memory;
  const [length] = x0.shape as [number];
  const images = tf.reshape(x0, [length / each, each]);
  const limits = limitsOf(tf, tf.abs(images), threshold);
  const low = tf.sub(tf.scalar(0), limits);
  const within = tf.maximum(low, tf.minimum(limits, images));
  return tf.reshape(tf.div(within, limits), [length]);
}

/** The quantile of each row, at least 1 and at most `most`: [rows, 1]. */
function limitsOf(
  tf: Tf,
  magnitudes: TfTensor,
  { quantile, most }: NonNullable<StepMemory['threshold']>,
): TfTensor {
  const [rows, each] = magnitudes.shape as [number, number];
  const rank = rankOf(quantile, each);
  const below = Math.floor(rank);
  // The values from the rank up, decreasing: the last is the rank's, the one before it the next.
  const { values } = tf.topk(magnitudes, each - below, true);
  const column = (n: number) => tf.slice(values, [0, Math.max(0, n)], [rows, 1]);
  const [low, high] = [column(each - below - 1), column(each - below - 2)];
  const value = tf.add(low, tf.mul(tf.scalar(rank - below), tf.sub(high, low)));
  return tf.minimum(tf.maximum(value, tf.scalar(1)), tf.scalar(most));
}
