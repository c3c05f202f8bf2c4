import { RunError } from '../errors.js';

/**
 * Checks that drawn images are numbers: others would become black or white pixels without a word.
 * @param images their numbers, in order, or how many they are, counted from 0; `values` holds as many values for each
 * @param why what would be the cause; default the network or its sampler
 * @throws RunError naming the first image with another value
 */
export function requireFinite(
  values: Float32Array,
  images: ArrayLike<number> | number,
  why = "the weights or the sampler's coefficients are out of range",
): void {
  const wrong = values.findIndex((value) => !Number.isFinite(value));
  if (wrong < 0) return;
  const counted = typeof images === 'number';
  const at = Math.floor((wrong * (counted ? images : images.length)) / values.length);
  throw new RunError(
    `image ${counted ? at : images[at]}: expected finite values, got ${values[wrong]}: ${why}`,
  );
}
