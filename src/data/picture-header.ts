/** Information about a picture before it is decoded: its size, and the memory that decoding takes. */
import sharp from 'sharp';
import { describeKind, type FileKind, type PictureKind } from '../io/file-kind.js';
import { type JpegHeader, jpegHeader } from './jpeg-header.js';
import { checkSamples } from './tiff.js';
import { type TiffHeader, tiffHeader } from './tiff-header.js';

/** A picture file as sharp's input: its path, or all of its bytes. */
export type SharpInput = string | Buffer;

export interface PictureHeader {
  readonly kind: PictureKind;
  /** As stored, before any EXIF orientation. */
  readonly width: number;
  readonly height: number;
  /** For a JPEG, if it was found in the first bytes. */
  readonly jpeg?: JpegHeader | undefined;
  readonly tiff?: TiffHeader | undefined;
  /** Bytes per pixel while decoding, including the result; a JPEG may be shrunk on the way. */
  readonly bytesPerPixel: number;
  /** Whether its samples are 16-bit words. */
  readonly deep: boolean;
}

/** The RGB result plus the needs of row-by-row decoders: measured with 12 million pixels, like the others. */
const BY_ROWS = 4;

/** A picture that is rotated by its EXIF data is copied. */
const TURNED = 3;

/** Bytes per pixel for decoders that hold the whole picture. */
const WEBP = 13;
const GIF = 9;
const AVIF = 21;
const DEEP_AVIF = 27;

/** Smaller pictures are assumed to be rotated: checking would take longer than it saves. */
const ASKED = 1 << 22;

/** @throws if it cannot be read or is not a supported kind of picture */
export async function pictureHeader(
  kind: PictureKind,
  head: Buffer,
  input: SharpInput,
  read: (offset: number, length: number) => Buffer,
): Promise<PictureHeader> {
  if (kind === 'jpeg') {
    const jpeg = jpegHeader(head);
    const { width, height } = jpeg ?? (await metadata(input));
    return { kind, width, height, jpeg, bytesPerPixel: BY_ROWS + TURNED, deep: false };
  }
  if (kind === 'png' && head.length >= PNG_HEADER) return pngHeader(head, input);
  const tiff = kind === 'tiff' ? tiffHeader(read) : undefined;
  if (tiff) checkSamples(tiff);
  const found = await metadata(input);
  const { width, height, compression, bitsPerSample = 8 } = found;
  // An AVIF file may contain another codec, for which libheif would only say "bad seek".
  if (kind === 'avif' && compression !== 'av1') throw notAPicture('heic');
  const bytes = bytesPerPixel(kind, bitsPerSample > 8, tiff);
  return { kind, width, height, tiff, bytesPerPixel: bytes, deep: tiff?.bits === 16 };
}

/** The reason why a file cannot be decoded. */
export const notAPicture = (kind: FileKind | undefined): Error =>
  new Error(
    kind === undefined
      ? 'it is not a supported picture: JPEG, PNG, WebP, GIF, AVIF, TIFF'
      : `it is ${describeKind(kind)}`,
  );

/** Without sharp's limit, so that our message can name the size. */
const metadata = (input: SharpInput) =>
  sharp(input, { limitInputPixels: false, limitInputChannels: false }).metadata();

function bytesPerPixel(kind: PictureKind, deep: boolean, tiff: TiffHeader | undefined): number {
  switch (kind) {
    case 'webp':
      return WEBP;
    case 'gif':
      return GIF;
    case 'avif':
      return deep ? DEEP_AVIF : AVIF;
    default:
      // A strip of a TIFF may be the whole picture.
      return BY_ROWS + TURNED + (tiff ? tiff.samples * Math.ceil(tiff.bits / 8) : 0);
  }
}

/** The signature, and the IHDR chunk with its length and type. */
const PNG_HEADER = 29;

/** Samples per pixel by PNG's colour type; a palette index counts as one. */
const PNG_SAMPLES: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };

/** PNG, third edition, 11.2.1: width, height, bit depth, colour type, compression, filter, interlace. */
async function pngHeader(head: Buffer, input: SharpInput): Promise<PictureHeader> {
  const [width, height] = [head.readUInt32BE(16), head.readUInt32BE(20)];
  const deep = head[24] === 16;
  // Interlaced rows come in seven passes over the whole picture.
  const passes = head[28] === 0 ? 0 : (PNG_SAMPLES[head[25]!] ?? 4) * (deep ? 2 : 1);
  const turned = width * height < ASKED || ((await metadata(input)).orientation ?? 1) > 1;
  const bytes = BY_ROWS + passes + (turned ? TURNED : 0);
  return { kind: 'png', width, height, bytesPerPixel: bytes, deep };
}
