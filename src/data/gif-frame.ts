/** The position of a GIF's first frame on its canvas (GIF89a, 18 to 24). */
import type { ReadBytes } from './tiff-header.js';

/** In pixels of the canvas. */
export interface Frame {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** Size of the signature and the logical screen descriptor. */
const HEADER = 13;
const EXTENSION = 0x21;
const IMAGE = 0x2c;

/** Undefined if there is none; the decoder reports that. */
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

/** Bytes of the colour table that the flags announce. */
const colourTable = (flags: number): number => (flags & 0x80 ? 3 * 2 ** ((flags & 7) + 1) : 0);

/** Bytes per read: most extensions are shorter. */
const WINDOW = 1 << 14;

/** The offset after a chain of blocks, each of which starts with its length; the last is empty. */
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
    if (length === undefined) return at; // There is no block beyond the end.
    at += 1 + length;
    if (length === 0) return at;
  }
}

/** Fills the canvas outside the frame with white, like transparent pixels; libvips leaves it black. */
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
