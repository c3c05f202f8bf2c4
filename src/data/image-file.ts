/**
 * Reads an image file by sharp.
 *
 * A JPEG can be decoded at a half, a quarter or an eighth of its size by leaving out frequencies, in about
 * half the time. We ask for it where that leaves at least twice the target, so that our own scaling still
 * has the last word. sharp has no option for it, and its `resize` would add a resampling of its own; but
 * libvips takes a loader's options in brackets after the file name.
 */
import { statSync } from 'node:fs';
import sharp from 'sharp';
import type { Box } from '../engine/arithmetic.js';
import type { Picture } from './decode.js';
import { isJpeg, jpegHeader } from './jpeg-header.js';
import { readAt } from './read-at.js';

/**
 * Truncated and corrupt files are errors, as in PIL; odd metadata is not. EXIF orientation is applied.
 * Pictures of more than 268 million pixels are refused (sharp's default limit): they are bombs or mistakes.
 */
const SHARP = { failOn: 'error', autoOrient: true } as const;

/** Bytes looked at to find a JPEG's size; smaller files are read whole. */
const HEAD = 1 << 16;

/**
 * RGB, to be scaled to `size`. Transparent pixels show white, the page that cut-outs are made for; PIL's
 * `convert('RGB')` would show whatever colour lies hidden under them. Colour profiles are applied, so CMYK
 * and wide-gamut photographs look as they do in a browser. Of an animation this is the first frame.
 * @throws when it cannot be read; the message is the reason alone.
 */
export async function loadImage(path: string, size: number): Promise<Picture> {
  const entry = statSync(path);
  // Reading a pipe would wait for its writer, and some devices never end.
  if (!entry.isFile()) throw new Error('it is a folder, a pipe or a device');
  if (entry.size === 0) throw new Error('the file is empty');
  const head = readAt(path, 0, HEAD);
  const shrink = isJpeg(head) ? await planShrink(path, head, size) : undefined;
  const whole = head.length < HEAD ? head : path;
  const { data, info } = await sharp(shrink ? `${path}[shrink=${shrink.factor}]` : whole, SHARP)
    .flatten({ background: '#ffffff' })
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true });
  const { width, height } = info;
  const box = shrink && extent(shrink, width, height);
  return { pixels: data, width, height, channels: 3, ...(box && { box }) };
}

interface Shrink {
  readonly factor: number;
  /** Of the whole picture as stored, and its EXIF orientation, 1 to 8. */
  readonly width: number;
  readonly height: number;
  readonly orientation: number;
}

async function planShrink(path: string, head: Buffer, size: number): Promise<Shrink | undefined> {
  const header = jpegHeader(head);
  const known = header && !header.exif ? { ...header, orientation: 1 } : undefined;
  const { width, height, orientation = 1 } = known ?? (await sharp(path).metadata());
  const side = Math.min(width, height);
  const factor = [8, 4, 2].find((f) => Math.floor(side / f) >= 2 * size);
  return factor ? { factor, width, height, orientation } : undefined;
}

/**
 * Where the whole picture lies around the shrunk one, which lacks the stored picture's last columns and
 * rows where the factor does not divide its size; orientation moves them to other sides.
 */
function extent(shrink: Shrink, width: number, height: number): Box | undefined {
  const { factor, orientation } = shrink;
  const turned = orientation >= 5;
  const fullWidth = (turned ? shrink.height : shrink.width) / factor;
  const fullHeight = (turned ? shrink.width : shrink.height) / factor;
  if (Math.floor(fullWidth) !== width || Math.floor(fullHeight) !== height) return undefined;
  return {
    left: [2, 3, 6, 7].includes(orientation) ? width - fullWidth : 0,
    top: [3, 4, 7, 8].includes(orientation) ? height - fullHeight : 0,
    width: fullWidth,
    height: fullHeight,
  };
}
