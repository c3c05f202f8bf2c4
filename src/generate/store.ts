import type { ImageRange } from './image-range.js';

/** The state of an image's file. */
export type Condition = 'sound' | 'damaged' | 'missing';

/** Stores finished images. Nothing is written before `begin`. */
export interface Store {
  /** Name of the file that holds, or finally will hold, the image. */
  file(image: number): string;
  /** Checks an image that a manifest lists. */
  check(image: number, sha256: string): Promise<Condition>;
  /** The name of an existing file that an image of the range would replace, if there is one. */
  occupied(range: ImageRange): Promise<string | undefined>;
  /** Prepares for writing images of the range, and removes what a killed process left half-written. */
  begin(range: ImageRange): Promise<void>;
  /** Writes an image, u8 [size, size, channels]. Resolves to its SHA-256, for the manifest. @throws RunError */
  write(image: number, pixels: Uint8Array): Promise<string>;
  close(): Promise<void>;
}
