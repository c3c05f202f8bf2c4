/** Where the first frame of a GIF lies on its canvas (GIF89a, 18 to 24). */
import type { ReadBytes } from './tiff-header.js';

/** In pixels of the canvas. */
export interface Frame {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** Signature and logical screen. */
const HEADER = 13;
const EXTENSION = 0x21;
const IMAGE = 0x2c;

/** Undefined where there is none, which is the decoder's to say. */
export function firstFrame(read: ReadBytes): Frame | undefined {
  let at = HEADER + colourTable(read(0, HEADER)[10] ?? 0);
  for (;;) {
    const block = read(at, 10);
    if (block[0] === EXTENSION) at = afterSubBlocks(read, at + 2);
    else if (block[0] !== IMAGE || block.length < 10) return undefined;
    else
      return {
        left: block.readUInt16LE(1),
        top: block.readUInt16LE(3),
        width: block.readUInt16LE(5),
        height: block.readUInt16LE(7),
      };
  }
}

/** Bytes of the colour table that the flags tell of. */
const colourTable = (flags: number): number => (flags & 0x80 ? 3 * 2 ** ((flags & 7) + 1) : 0);

/** Bytes read at a time: most extensions are shorter. */
const WINDOW = 1 << 14;

/** The place after a chain of blocks, each of which begins with its length; the last has none. */
function afterSubBlocks(read: ReadBytes, start: number): number {
  let window: Buffer = Buffer.alloc(0);
  let begin = start;
  let at = start;
  for (;;) {
    if (at - begin >= window.length) {
      window = read(at, WINDOW);
      begin = at;
    }
    const length = window[at - begin];
    if (length === undefined) return at; // Beyond the end there is no block.
    at += 1 + length;
    if (length === 0) return at;
  }
}

/** Shows white, as transparent pixels do, where the canvas has nothing of the frame; libvips leaves it black. */
export function outsideWhite(
  pixels: Uint8Array,
  width: number,
  height: number,
  frame: Frame | undefined,
): void {
  if (!frame) return;
  const right = Math.min(width, frame.left + frame.width);
  for (let y = 0; y < height; y++) {
    const row = 3 * y * width;
    const inside = y >= frame.top && y < frame.top + frame.height;
    pixels.fill(255, row, row + 3 * (inside ? Math.min(width, frame.left) : width));
    if (inside) pixels.fill(255, row + 3 * right, row + 3 * width);
  }
}
