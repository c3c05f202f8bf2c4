import { readFileSync } from 'node:fs';
import type { GivenImage } from '../../src/index.js';

/** The images of an IDX file of `writeBars`, as a program has them. */
export function givenBars(file: string): GivenImage[] {
  const bytes = readFileSync(file).subarray(16);
  return Array.from({ length: bytes.length / 256 }, (_, i) => ({
    ...{ width: 16, height: 16, channels: 1 },
    pixels: bytes.subarray(256 * i, 256 * (i + 1)),
  }));
}
