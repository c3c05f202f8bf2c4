/** Converts sampled arrays to pixels. */
import { sharedArithmetic } from '../engine/arithmetic.js';
import { ShapeError, UsageError } from '../errors.js';
import type { Images } from '../io/grid.js';

/**
 * f32 [count, size, size, channels] in [-1, 1] as bytes: −1 is 0, 1 is 255, and what lies outside is clamped.
 * @param shape of one image, which has 1 or 3 channels
 * @throws UsageError for anything but these; ShapeError for a part of an image
 */
export function toImages(
  data: Float32Array,
  shape: { readonly size: number; readonly channels: number },
): Images {
  const { size, channels } = shape ?? { size: 0, channels: 1 };
  const each = size * size * channels;
  if (!((data as unknown) instanceof Float32Array) || !Number.isSafeInteger(each) || each < 1)
    throw new UsageError(
      'toImages: expected images in a Float32Array, and { size, channels } in whole numbers',
    );
  if (data.length % each > 0)
    throw new ShapeError(
      `toImages: expected images of ${size}x${size}x${channels} = ${each} values each, got ${data.length} values`,
    );
  if (channels !== 1 && channels !== 3)
    throw new UsageError(
      `toImages: expected images of 1 or 3 channels, got ${channels}: latents, which an autoencoder decodes`,
    );
  const count = data.length / each;
  return { data: sharedArithmetic().toBytes(data), count, height: size, width: size, channels };
}
