import type { ImageRange } from './image-range.js';

/** What stands where an image should be. */
export type Condition = 'sound' | 'damaged' | 'missing';

/** Where finished images go. Nothing is written before `begin`. */
export interface Store {
  /** Name of the file that holds, or in the end will hold, the image. */
  file(image: number): string;
  /** Looks at an image that a manifest lists. */
  check(image: number, sha256: string): Promise<Condition>;
  /** A file of this range, by name, that stands where an image would go, if there is one. */
  occupied(range: ImageRange): Promise<string | undefined>;
  /** Makes ready to write images of the range, and clears what a killed process left half-written. */
  begin(range: ImageRange): Promise<void>;
  /** Writes an image, u8 [size, size, channels]. Resolves to its SHA-256, for the manifest. @throws RunError */
  write(image: number, pixels: Uint8Array): Promise<string>;
  close(): Promise<void>;
}
