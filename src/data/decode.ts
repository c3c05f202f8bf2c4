/**
 * From an item to the u8 pixels of the training image: decoding by sharp (or a plain read of raw
 * pixels), then Haze's own antialiased scaling, the same for every source.
 */
import sharp from 'sharp';
import { type Box, sharedArithmetic } from '../engine/arithmetic.js';
import { CAR_UNITS } from './car-drawing.js';
import { type DecodingMemory, Share } from './decoding-memory.js';
import { loadImage } from './image-file.js';
import { flattened } from './on-white.js';
import { readAt } from './read-at.js';
import type { Item } from './source.js';
import { carPicture } from './toy-cars.js';

/** The form of the decoded images: `size` a side, grey or RGB, squashed to the square or cropped to it. */
export interface Target {
  readonly size: number;
  readonly channels: 1 | 3;
  readonly fit: 'squash' | 'crop';
}

/** Bytes of one decoded image: u8 [size, size, channels]. */
export const imageBytes = ({ size, channels }: Pick<Target, 'size' | 'channels'>): number =>
  size * size * channels;

/** A decoded picture before scaling: u8 [height, width, channels]. */
export interface Picture {
  readonly pixels: Uint8Array;
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
  /** The extent of the whole picture, if the pixels lack some of it. */
  readonly box?: Box;
  /** Why it may not look as intended. */
  readonly doubt?: string;
}

/** A decoded and scaled image. */
export interface Image {
  /** u8 [size, size, channels]. */
  readonly pixels: Uint8Array;
  /** Its width by its height before scaling. */
  readonly aspect: number;
  /** Why it may not look as intended. */
  readonly doubt?: string | undefined;
}

/**
 * The image of an item.
 * @param memory shared by all decoders that run at the same time
 * @throws if the item cannot be read; the message is only the reason
 */
export async function decode(item: Item, target: Target, memory?: DecodingMemory): Promise<Image> {
  const share = new Share(memory);
  try {
    const { pixels, width, height, channels, box, doubt } = await load(item, target.size, share);
    const { size, fit } = target;
    const image = sharedArithmetic().fitImage(pixels, width, height, channels, size, fit, box);
    const whole = box ?? { width, height };
    const aspect = whole.width / whole.height;
    return { pixels: withChannels(image, channels, target.channels), aspect, doubt };
  } finally {
    share.give();
  }
}

function load(item: Item, size: number, share: Share): Promise<Picture> {
  switch (item.kind) {
    case 'file':
      return loadImage(item.path, size, share);
    case 'record':
      return loadRecord(item, share);
    case 'car':
      return rasterise(item.seed, item.index, size);
    default:
      return item satisfies never;
  }
}

async function loadRecord(item: Item & { kind: 'record' }, share: Share): Promise<Picture> {
  const { from, offset, width, height, channels } = item;
  await share.take(width, height, channels);
  const length = width * height * channels;
  const bytes =
    from instanceof SharedArrayBuffer
      ? new Uint8Array(from, offset, length)
      : readAt(from, offset, length);
  if (bytes.length < length) throw new Error('the file has become shorter');
  if (channels === 4) return { pixels: flattened(bytes), width, height, channels: 3 };
  return { pixels: item.planar ? interleave(bytes) : bytes, width, height, channels };
}

/** Three planes to RGB pixels. */
function interleave(planes: Uint8Array): Uint8Array {
  const n = planes.length / 3;
  const pixels = new Uint8Array(planes.length);
  for (let i = 0; i < n; i++) for (let c = 0; c < 3; c++) pixels[3 * i + c] = planes[c * n + i]!;
  return pixels;
}

/** Drawn at twice the target size or more, and at least 128 pixels, so that scaling gives the same clean edges at any size. */
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
