/** Pictures and animations as files, by sharp (loaded lazily), each written atomically. */
import type { Sharp } from 'sharp';
import { RunError, ShapeError } from '../errors.js';
import { writeFileAtomically } from './atomic.js';
import { checkFrames, type Picture } from './grid.js';
import { checkExtension, extensionOf } from './output-path.js';
import { requirePath } from './require-path.js';

/** Extensions for `writePicture` and `writeAnimation`, for `checkOutputPath`. */
export const PICTURE_EXTENSIONS = ['.png', '.webp', '.gif'] as const;
export const ANIMATION_EXTENSIONS = ['.gif', '.webp'] as const;

export interface Timing {
  /** Milliseconds per frame; files have a resolution of hundredths of a second. Default 60. */
  readonly delay?: number;
  /** Milliseconds of the last frame. Default 2000. */
  readonly hold?: number;
  /** Number of repetitions; 0 (the default) means forever. */
  readonly loop?: number;
}

/**
 * Writes a picture in the format of its extension: lossless PNG and WebP, GIF in 256 colours.
 * @throws RunError with the path and the reason if it cannot be written; UsageError for another extension; UsageError and ShapeError for
 *   what is no picture
 */
export async function writePicture(path: string, picture: Picture): Promise<void> {
  checkTarget('writePicture', path, PICTURE_EXTENSIONS);
  await encode(path, await fromFrames('writePicture', [picture]), {});
}

/**
 * Writes frames as an animated GIF or WebP that holds the last frame.
 * @throws ShapeError if the frames differ in size or there are none; all others like `writePicture`
 */
export async function writeAnimation(
  path: string,
  frames: readonly Picture[],
  timing: Timing = {},
): Promise<void> {
  checkTarget('writeAnimation', path, ANIMATION_EXTENSIONS);
  const { delay = 60, hold = 2000, loop = 0 } = timing ?? {};
  const image = await fromFrames('writeAnimation', frames);
  const delays = frames.map((_, i) => (i === frames.length - 1 ? hold : delay));
  await encode(path, image, { delay: delays, loop });
}

/** Encodes a picture as PNG. @throws UsageError and ShapeError for what is no picture */
export async function encodePng(picture: Picture): Promise<Uint8Array> {
  return (await fromFrames('encodePng', [picture])).png().toBuffer();
}

/** @throws UsageError unless it is a path with one of the extensions */
function checkTarget(where: string, path: string, extensions: readonly string[]): void {
  requirePath(where, path, 'the path of a picture');
  checkExtension(where, path, extensions);
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
async function fromFrames(where: string, frames: readonly Picture[]): Promise<Sharp> {
  checkFrames(where, frames);
  const [first] = frames;
  if (!first) throw new ShapeError(`${where}: expected one frame or more, got none`);
  const { width, height, channels } = first;
  const size = ({ width, height, channels }: Picture) => `${height}x${width}x${channels}`;
  const other = frames.find((frame) => size(frame) !== size(first));
  if (other) throw new ShapeError(`${where}: a frame is ${size(other)}, the first ${size(first)}`);
  const { default: sharp } = await import('sharp');
  const raw = { width, height: height * frames.length, channels, pageHeight: height };
  return sharp(Buffer.concat(frames.map(({ data }) => data)), { raw, limitInputPixels: false });
}
