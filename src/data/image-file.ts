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
import { isJpeg, type JpegHeader, jpegHeader } from './jpeg-header.js';
import { readAt } from './read-at.js';

/**
 * Truncated and corrupt files are errors, as in PIL; odd metadata is not. Pictures of more than 268 million pixels
 * are refused (sharp's default limit): they are bombs or mistakes.
 */
const SHARP = { failOn: 'error' } as const;

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
  const header = jpegHeader(head);
  const shrink = isJpeg(head) ? await planShrink(path, header, size) : undefined;
  const whole = head.length < HEAD ? head : path;
  const { data, info } = await sharp(shrink ? `${path}[shrink=${shrink.factor}]` : whole, {
    ...SHARP,
    // Even where there is nothing to turn, it costs a copy of the picture.
    autoOrient: header?.exif !== false,
  })
    .flatten({ background: '#ffffff' })
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true });
  const { width, height } = info;
  const box = shrink?.stored && extent(shrink.factor, shrink.stored, width, height);
  return { pixels: data, width, height, channels: 3, ...(box && { box }) };
}

interface Shrink {
  readonly factor: number;
  /** Undefined where the factor divides the picture's sides, and so nothing of it is lost. */
  readonly stored?: Stored;
}

/** The whole picture as it is stored. */
interface Stored {
  readonly width: number;
  readonly height: number;
  /** EXIF's, 1 to 8. */
  readonly orientation: number;
}

async function planShrink(
  path: string,
  header: JpegHeader | undefined,
  size: number,
): Promise<Shrink | undefined> {
  const { width, height } = header ?? (await sharp(path).metadata());
  const side = Math.min(width, height);
  const factor = [8, 4, 2].find((f) => Math.floor(side / f) >= 2 * size);
  if (!factor) return undefined;
  if (width % factor === 0 && height % factor === 0) return { factor };
  // Asked only where it matters: opening the file takes an eighth of the time that decoding a small photograph does.
  const { orientation = 1 } = header?.exif === false ? {} : await sharp(path).metadata();
  return { factor, stored: { width, height, orientation } };
}

/**
 * Where the whole picture lies around the shrunk one, which lacks the stored picture's last columns and
 * rows where the factor does not divide its size; orientation moves them to other sides.
 */
function extent(factor: number, stored: Stored, width: number, height: number): Box | undefined {
  const { orientation } = stored;
  const turned = orientation >= 5;
  const fullWidth = (turned ? stored.height : stored.width) / factor;
  const fullHeight = (turned ? stored.width : stored.height) / factor;
  if (Math.floor(fullWidth) !== width || Math.floor(fullHeight) !== height) return undefined;
  return {
    left: [2, 3, 6, 7].includes(orientation) ? width - fullWidth : 0,
    top: [3, 4, 7, 8].includes(orientation) ? height - fullHeight : 0,
    width: fullWidth,
    height: fullHeight,
  };
}
