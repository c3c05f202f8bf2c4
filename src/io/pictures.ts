/** Pictures and animations as files, by sharp (loaded lazily), each written atomically. */
import type { Sharp } from 'sharp';
import { RunError, ShapeError } from '../errors.js';
import { writeFileAtomically } from './atomic.js';
import type { Picture } from './grid.js';
import { extensionOf } from './output-path.js';

/** Extensions for `writePicture` and `writeAnimation`, for `checkOutputPath`. */
export const PICTURE_EXTENSIONS = ['.png', '.webp', '.gif'] as const;
export const ANIMATION_EXTENSIONS = ['.gif', '.webp'] as const;

export interface Timing {
  /** Milliseconds per frame; files have a resolution of hundredths of a second. */
  readonly delay?: number;
  /** Milliseconds of the last frame. */
  readonly hold?: number;
  /** Number of repetitions; 0 means forever. */
  readonly loop?: number;
}

/**
 * Writes a picture in the format of its extension: lossless PNG and WebP, GIF in 256 colours.
 * @throws RunError with the path and the reason if it cannot be written
 */
export async function writePicture(path: string, picture: Picture): Promise<void> {
  await encode(path, await fromFrames([picture]), {});
}

/**
 * Writes frames as an animated GIF or WebP that holds the last frame.
 * @throws ShapeError if the frames differ in size or there are none; RunError like `writePicture`
 */
export async function writeAnimation(
  path: string,
  frames: readonly Picture[],
  { delay = 60, hold = 2000, loop = 0 }: Timing = {},
): Promise<void> {
  const delays = frames.map((_, i) => (i === frames.length - 1 ? hold : delay));
  await encode(path, await fromFrames(frames), { delay: delays, loop });
}

/** Encodes a picture as PNG. */
export async function encodePng(picture: Picture): Promise<Uint8Array> {
  return (await fromFrames([picture])).png().toBuffer();
}

async function encode(
  path: string,
  image: Sharp,
  animation: { delay?: number[]; loop?: number },
): Promise<void> {
  let bytes: Buffer;
  try {
    bytes = await inFormat(image, extensionOf(path), animation).toBuffer();
  } catch (error) {
    // A limit of the encoder, for example a WebP of more than 16,383 pixels a side.
    const reason = error instanceof Error ? error.message : String(error);
    throw new RunError(`cannot write ${path}: ${reason}`, { cause: error });
  }
  await writeFileAtomically(path, bytes);
}

function inFormat(
  image: Sharp,
  extension: string,
  animation: { delay?: number[]; loop?: number },
): Sharp {
  switch (extension) {
    case '.png':
      return image.png();
    case '.webp':
      return image.webp({ lossless: true, ...animation });
    case '.gif':
      return image.gif(animation);
    default:
      throw new RangeError(`no picture format is named ${extension}`);
  }
}

/** Frames in sharp's form: one tall image, divided into pages. */
async function fromFrames(frames: readonly Picture[]): Promise<Sharp> {
  const [first] = frames;
  if (!first) throw new ShapeError('writeAnimation: expected one frame or more, got none');
  const { width, height, channels } = first;
  const size = ({ width, height, channels }: Picture) => `${height}x${width}x${channels}`;
  const other = frames.find((frame) => size(frame) !== size(first));
  if (other)
    throw new ShapeError(`writeAnimation: a frame is ${size(other)}, the first ${size(first)}`);
  const { default: sharp } = await import('sharp');
  const raw = { width, height: height * frames.length, channels, pageHeight: height };
  return sharp(Buffer.concat(frames.map(({ data }) => data)), { raw, limitInputPixels: false });
}
