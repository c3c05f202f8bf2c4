/**
 * From an item to the u8 pixels of the training image: decoding by sharp (or a plain read for files of raw
 * pixels), then our own antialiased scaling, the same for every source.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import sharp from 'sharp';
import { Arithmetic } from '../engine/arithmetic.js';
import { CAR_UNITS } from './car-drawing.js';
import { jpegSize } from './jpeg-size.js';
import type { Item } from './source.js';
import { carPicture } from './toy-cars.js';

/** How images end up: `size` a side, grey or RGB, squashed to the square or cropped to it. */
export interface Target {
  readonly size: number;
  readonly channels: 1 | 3;
  readonly fit: 'squash' | 'crop';
}

/** Bytes of one image of the target: u8 [size, size, channels]. */
export const imageBytes = ({ size, channels }: Pick<Target, 'size' | 'channels'>): number =>
  size * size * channels;

/** A decoded picture before scaling: u8 [height, width, channels]. */
interface Picture {
  readonly pixels: Uint8Array;
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
}

let arithmetic: Arithmetic | undefined;

/** u8 [size, size, channels]. @throws when the item cannot be read; the message is the reason alone. */
export async function decode(item: Item, target: Target): Promise<Uint8Array> {
  const { pixels, width, height, channels } = await load(item, target.size);
  arithmetic ??= new Arithmetic();
  const image = arithmetic.fitImage(pixels, width, height, channels, target.size, target.fit);
  return withChannels(image, channels, target.channels);
}

function load(item: Item, size: number): Promise<Picture> {
  switch (item.kind) {
    case 'file':
      return loadFile(item.path, size);
    case 'record':
      return loadRecord(item);
    case 'car':
      return rasterise(item.seed, item.index, size);
    default:
      return item satisfies never;
  }
}

/**
 * Truncated and corrupt files are errors, as in PIL; odd metadata is not. EXIF orientation is applied.
 * Pictures of more than 268 million pixels are refused (sharp's default limit): they are bombs or mistakes.
 */
const SHARP = { failOn: 'error', autoOrient: true } as const;

/**
 * Transparent pixels show white, the page that cut-outs are made for; PIL's `convert('RGB')` would show
 * whatever colour lies hidden under them. Colour profiles are applied, so CMYK and wide-gamut photographs
 * look as they do in a browser. Of an animation this is the first frame.
 */
async function loadFile(path: string, size: number): Promise<Picture> {
  const { data, info } = await sharp(await input(path, size), SHARP)
    .flatten({ background: '#ffffff' })
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { pixels: data, width: info.width, height: info.height, channels: 3 };
}

/** Bytes looked at to find a JPEG's size; smaller files are read whole. */
const HEAD = 1 << 16;

/**
 * What sharp is given to read: the bytes of a small file, the path of a larger one, and for a JPEG of at
 * least four times the target the path with a wish to shrink it while it loads.
 *
 * A JPEG can be decoded at a half, a quarter or an eighth of its size by leaving out frequencies, in about
 * half the time. We ask for it where that leaves at least twice the target, so that our own scaling still
 * has the last word. sharp has no option for it, and its `resize` would add a resampling of its own; but
 * libvips takes a loader's options in brackets after the file name.
 */
async function input(path: string, size: number): Promise<string | Buffer> {
  const head = readAt(path, 0, HEAD);
  const side = await jpegSide(path, head);
  const factor = [8, 4, 2].find((f) => Math.floor(side / f) >= 2 * size);
  if (factor) return `${path}[shrink=${factor}]`;
  return head.length < HEAD ? head : path;
}

/** The short side of a JPEG, 0 for other files. */
async function jpegSide(path: string, head: Buffer): Promise<number> {
  if (head[0] !== 0xff || head[1] !== 0xd8) return 0;
  const { width, height } = jpegSize(head) ?? (await sharp(path).metadata());
  return Math.min(width, height);
}

/** Up to `length` bytes, read at once: a worker has nothing better to do, and the asynchronous way costs more. */
function readAt(path: string, offset: number, length: number): Buffer {
  const file = openSync(path, 'r');
  try {
    const bytes = Buffer.allocUnsafe(length);
    return bytes.subarray(0, readSync(file, bytes, 0, length, offset));
  } finally {
    closeSync(file);
  }
}

async function loadRecord(item: Item & { kind: 'record' }): Promise<Picture> {
  const { from, offset, width, height, channels } = item;
  const length = width * height * channels;
  const bytes =
    typeof from === 'string' ? readAt(from, offset, length) : new Uint8Array(from, offset, length);
  if (bytes.length < length) throw new Error('the file has become shorter');
  return { pixels: item.planar ? interleave(bytes) : bytes, width, height, channels };
}

/** Three planes to RGB pixels. */
function interleave(planes: Uint8Array): Uint8Array {
  const n = planes.length / 3;
  const pixels = new Uint8Array(planes.length);
  for (let i = 0; i < n; i++) for (let c = 0; c < 3; c++) pixels[3 * i + c] = planes[c * n + i]!;
  return pixels;
}

/** Drawn at least at twice the target and at 128 pixels, so that our scaling gives the same clean edges at any size. */
async function rasterise(seed: number, index: number, size: number): Promise<Picture> {
  const side = Math.max(2 * CAR_UNITS, 2 * size);
  const svg = carPicture(seed, index, side);
  const pixels = await sharp(Buffer.from(svg)).removeAlpha().raw().toBuffer();
  return { pixels, width: side, height: side, channels: 3 };
}

/** Grey to RGB by repetition, RGB to grey by PIL's integer luma: (19595 R + 38470 G + 7471 B + 2¹⁵) >> 16. */
function withChannels(pixels: Uint8Array, from: 1 | 3, to: 1 | 3): Uint8Array {
  if (from === to) return pixels;
  const n = pixels.length / from;
  const out = new Uint8Array(n * to);
  if (to === 3) for (let i = 0; i < out.length; i++) out[i] = pixels[Math.floor(i / 3)]!;
  else
    for (let i = 0; i < n; i++) {
      const [r, g, b] = [pixels[3 * i]!, pixels[3 * i + 1]!, pixels[3 * i + 2]!];
      out[i] = (19595 * r + 38470 * g + 7471 * b + 32768) >> 16;
    }
  return out;
}
