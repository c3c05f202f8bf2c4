/** Converts sampled arrays to pixels. */
import { sharedArithmetic } from '../engine/arithmetic.js';
import type { Images } from '../io/grid.js';

/** f32 [count, size, size, channels] in [-1, 1] as bytes: −1 is 0, 1 is 255, and what lies outside is clamped. */
export function toImages(
  data: Float32Array,
  { size, channels }: { readonly size: number; readonly channels: 1 | 3 },
): Images {
  const count = data.length / (size * size * channels);
  return { data: sharedArithmetic().toBytes(data), count, height: size, width: size, channels };
}
