import { UsageError } from '../errors.js';

/** Most pixels of an image: the decoder's limit for a picture. */
const MOST_PIXELS = 268_435_456;

/** @throws UsageError for an image of more pixels than can be decoded */
export function requirePixels(where: string, height: number, width: number): void {
  if (height * width > MOST_PIXELS)
    throw new UsageError(
      `${where}: expected at most ${MOST_PIXELS} pixels per image, got ${width}x${height}`,
    );
}
