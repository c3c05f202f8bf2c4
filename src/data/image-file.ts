/**
 * Reads an image file with sharp.
 *
 * A JPEG can be decoded at a half, a quarter or an eighth of its size by leaving out frequencies, in about
 * half the time. We do that if it leaves at least twice the target size, so that our own scaling does the
 * final resize. sharp has no option for it, and its `resize` would add its own resampling; but
 * libvips accepts a loader's options in brackets after the file name.
 */
import { closeSync, openSync, statSync } from 'node:fs';
import sharp, { type SharpOptions } from 'sharp';
import type { Box } from '../engine/arithmetic.js';
import { fileKind, isPicture, type PictureKind } from '../io/file-kind.js';
import { fsPath, type RawPath } from '../io/raw-path.js';
import type { Picture } from './decode.js';
import { checkSize, type Share } from './decoding-memory.js';
import { firstFrame, outsideWhite } from './gif-frame.js';
import {
  notAPicture,
  type PictureHeader,
  pictureHeader,
  type SharpInput,
} from './picture-header.js';
import { readAt } from './read-at.js';
import {
  type Decoded,
  hasOtherSamples,
  isOrdinary,
  scaledSamples,
  withoutOtherSamples,
} from './tiff.js';

/** Bytes read to determine a picture's kind and a JPEG's size; smaller files are read whole. */
const HEAD = 1 << 16;

/**
 * RGB, to be scaled to `size`. Transparent pixels become white, the usual background of cut-outs; PIL's
 * `convert('RGB')` would show the colour hidden under them. Colour profiles are applied, so CMYK
 * and wide-gamut photographs look as they do in a browser. An animation gives its first frame.
 * @param share its share of the memory for decoding, until its pixels are no longer needed
 * @throws if it cannot be read; the message is only the reason
 */
export async function loadImage(path: RawPath, size: number, share: Share): Promise<Picture> {
  const entry = statSync(fsPath(path));
  // Reading a pipe would wait for its writer, and some devices never end.
  if (!entry.isFile()) throw new Error('it is a folder, a pipe or a device');
  if (entry.size === 0) throw new Error('the file is empty');
  const head = readAt(path, 0, HEAD);
  const kind = fileKind(head);
  // The decoder would also accept vector graphics, which can keep it busy forever.
  if (!isPicture(kind)) throw notAPicture(kind);
  return withName(path, (name) => {
    const file: PictureFile = { path, name, kind, head, input: head.length < HEAD ? head : name };
    return loadPicture(file, size, share);
  });
}

interface PictureFile {
  readonly path: RawPath;
  /** A name of the file for sharp. */
  readonly name: string;
  readonly kind: PictureKind;
  readonly head: Buffer;
  readonly input: SharpInput;
}

/** Gives a file a textual name, which sharp requires. Other names exist only on Linux, which also has this name for an open file. */
async function withName<T>(path: RawPath, use: (name: string) => Promise<T>): Promise<T> {
  if (typeof path === 'string') return use(path);
  const file = openSync(fsPath(path), 'r');
  try {
    return await use(`/proc/self/fd/${file}`);
  } finally {
    closeSync(file);
  }
}

async function loadPicture(file: PictureFile, size: number, share: Share): Promise<Picture> {
  const { path, name, kind, head, input } = file;
  const read = (offset: number, length: number) => readAt(path, offset, length);
  const header = await pictureHeader(kind, head, input, read);
  const shrink = kind === 'jpeg' ? await planShrink(name, header, size) : undefined;
  await takeShare(header, shrink, share);
  const { data, width, height, doubt } = await decodePicture(file, header, shrink);
  if (kind === 'gif') outsideWhite(data, width, height, firstFrame(read));
  const box = shrink?.stored && extent(shrink.factor, shrink.stored, width, height);
  return { pixels: data, width, height, channels: 3, ...(box && { box }), ...(doubt && { doubt }) };
}

function takeShare(
  { width, height, jpeg, bytesPerPixel }: PictureHeader,
  shrink: Shrink | undefined,
  share: Share,
): Promise<void> {
  checkSize(width, height);
  return share.take(width, height, bytesPerPixel / (shrink?.factor ?? 1) ** 2 + (jpeg?.kept ?? 0));
}

async function decodePicture(
  { name, input }: PictureFile,
  header: PictureHeader,
  shrink: Shrink | undefined,
): Promise<Decoded> {
  const { tiff } = header;
  const open = (more: SharpOptions = {}) => sharp(input, { ...optionsFor(header), ...more });
  if (tiff && !isOrdinary(tiff)) return scaledSamples(() => open({ ignoreIcc: true }), tiff);
  if (tiff && hasOtherSamples(tiff))
    return withDoubt(await withoutOtherSamples(open(), tiff), header);
  const whole = shrink ? sharp(`${name}[shrink=${shrink.factor}]`, optionsFor(header)) : open();
  const { data, info } = await whole
    .flatten({ background: '#ffffff' })
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true });
  return withDoubt({ data, width: info.width, height: info.height }, header);
}

/**
 * Truncated and corrupt files are errors, as in PIL; odd metadata is not. A picture larger than its header says
 * is refused, since no memory was reserved for it.
 */
const optionsFor = ({ width, height, jpeg }: PictureHeader): SharpOptions => ({
  failOn: 'error',
  limitInputPixels: width * height,
  limitInputChannels: false,
  // It costs a copy of the picture even if there is nothing to rotate.
  autoOrient: jpeg?.exif !== false,
});

/** The largest 8-bit value of a picture whose 16-bit samples use only 14 bits. */
const DARK = 63;

/** Cameras and microscopes store 12 or 14 bits in 16-bit words; but it may also be a dark picture. */
function withDoubt(decoded: Decoded, { deep }: PictureHeader): Decoded {
  if (!deep || decoded.data.some((level) => level > DARK)) return decoded;
  return {
    ...decoded,
    doubt:
      'its 16-bit samples use at most a quarter of their range, so it looks dark; ' +
      'if they have 10 to 14 bits, scale them to 16',
  };
}

interface Shrink {
  readonly factor: number;
  /** Undefined if the factor divides the picture's sides, so that nothing is lost. */
  readonly stored?: Stored;
}

/** The whole picture as stored. */
interface Stored {
  readonly width: number;
  readonly height: number;
  /** EXIF's, 1 to 8. */
  readonly orientation: number;
}

async function planShrink(
  name: string,
  { width, height, jpeg }: PictureHeader,
  size: number,
): Promise<Shrink | undefined> {
  const side = Math.min(width, height);
  const factor = [8, 4, 2].find((f) => Math.floor(side / f) >= 2 * size);
  if (!factor) return undefined;
  if (width % factor === 0 && height % factor === 0) return { factor };
  // Queried only if needed: opening the file takes an eighth of the time of decoding a small photograph.
  const { orientation = 1 } = jpeg?.exif === false ? {} : await sharp(name).metadata();
  return { factor, stored: { width, height, orientation } };
}

/**
 * The extent of the whole picture around the shrunk one, which lacks the stored picture's last columns and
 * rows if the factor does not divide its size; orientation moves them to other sides.
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
