/**
 * TIFFs whose samples a decoder would misread: extra samples that are not transparency, floating-point numbers, signed and
 * 32-bit integers, and samples with fewer bits than their words.
 */
import type { Sharp } from 'sharp';
import { onWhite } from './on-white.js';
import { RGB, SAMPLE_FORMAT, type TiffHeader } from './tiff-header.js';

/**
 * Whether the decoder handles the samples correctly: whole numbers of up to 16 bits whose maximum is white, and
 * colours other than grey and RGB.
 */
export const isOrdinary = ({ photometric, format, bits, largest }: TiffHeader): boolean =>
  photometric > RGB ||
  (format !== SAMPLE_FORMAT.float &&
    format !== SAMPLE_FORMAT.signed &&
    bits <= 16 &&
    !(photometric > 0 && isFewerBits(largest, bits)));

/** Whether a TIFF has samples beside its colours that the decoder would take for transparency, or fail on. */
export const hasOtherSamples = ({ samples, colours, alpha }: TiffHeader): boolean =>
  samples > colours && !(samples === colours + 1 && alpha === colours);

/** Whether a maximum is that of a number of bits between 8 and the word size: 4095 for 12 in 16. */
const isFewerBits = (largest: number | undefined, bits: number): largest is number =>
  largest !== undefined &&
  largest > 255 &&
  largest < 2 ** bits - 1 &&
  Number.isInteger(Math.log2(largest + 1));

/** @throws for samples that the decoder does not read; the message is only the reason */
export function checkSamples({ bits, format }: TiffHeader): void {
  const kind = format === SAMPLE_FORMAT.float ? 'floating-point' : 'whole-number';
  const expected = format === SAMPLE_FORMAT.float ? '16 or 32' : '1, 2, 4, 8, 16 or 32';
  if (!expected.split(/\D+/).includes(String(bits)))
    throw new Error(
      `its samples are ${kind} ones of ${bits} bits, which are not supported; expected ${expected}`,
    );
}

/** 8-bit RGB, and doubts about it. */
export interface Decoded {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
  readonly doubt?: string | undefined;
}

/** The colour samples without the extra ones; transparency is shown on white. */
export async function withoutOtherSamples(
  picture: Sharp,
  { samples, alpha }: TiffHeader,
): Promise<Decoded> {
  if (alpha === undefined) picture.removeAlpha();
  const { data, info } = await picture
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  if (alpha === undefined) return { data, width, height };
  // However many colours there are now, the extra samples come after them.
  const beside = channels - (samples - alpha);
  const colours = new Uint8Array(3 * width * height);
  for (let i = 0; i < colours.length; i++)
    colours[i] = data[Math.floor(i / 3) * channels + (i % 3)]!;
  onWhite(colours, 255, (pixel) => data[pixel * channels + beside]!);
  return { data: colours, width, height };
}

type Samples = Float32Array | Int32Array | Uint32Array | Uint16Array | Int8Array;

/** Raw samples from sharp: their depth and array type, and the mapping applied to them. */
interface Raw {
  readonly depth: 'float' | 'int' | 'uint' | 'ushort' | 'char';
  readonly array: new (buffer: ArrayBufferLike, offset: number, length: number) => Samples;
  readonly size: number;
  /** The stored value v is returned as scale·v + shift. */
  readonly scale: number;
  readonly shift: number;
}

const plain = { scale: 1, shift: 0 };
const FLOAT: Raw = { depth: 'float', array: Float32Array, size: 4, ...plain };
const WORDS = { depth: 'ushort', array: Uint16Array, size: 2 } as const;

/**
 * 16-bit colour spaces are returned as unsigned words, whatever the samples are: signed ones are shifted to fit, and half
 * floats, which only have a defined meaning in [0, 1], are scaled so that values beyond it are still visible.
 */
function rawOf({ format, bits }: TiffHeader, space: string): Raw {
  const deep = space.endsWith('16');
  if (format === SAMPLE_FORMAT.float)
    return deep ? { ...WORDS, scale: 2 ** 15, shift: 2 ** 14 } : FLOAT;
  if (format === SAMPLE_FORMAT.signed) {
    if (bits === 16) return deep ? { ...WORDS, scale: 1, shift: 2 ** 15 } : FLOAT;
    if (bits === 8) return { depth: 'char', array: Int8Array, size: 1, ...plain };
    return { depth: 'int', array: Int32Array, size: 4, ...plain };
  }
  if (bits === 32) return { depth: 'uint', array: Uint32Array, size: 4, ...plain };
  return { ...WORDS, ...plain };
}

/**
 * Samples as stored, scaled to 8 bits if the white level is certain; colour profiles do not apply to them.
 * @param open the picture, reopened at each call
 */
export async function scaledSamples(open: () => Sharp, header: TiffHeader): Promise<Decoded> {
  const { space, channels } = await open().metadata();
  const raw = rawOf(header, space);
  const pipeline = open();
  if (raw.scale !== 1 || raw.shift !== 0)
    pipeline.linear(Array(channels).fill(raw.scale), Array(channels).fill(raw.shift));
  const { data, info } = await pipeline
    .toColourspace(space)
    .raw({ depth: raw.depth })
    .toBuffer({ resolveWithObject: true });
  const samples = new raw.array(data.buffer, data.byteOffset, data.length / raw.size);
  const size = { width: info.width, height: info.height };
  return { ...levels(samples, info.channels, header, raw), ...size };
}

function levels(
  samples: Samples,
  channels: number,
  header: TiffHeader,
  raw: Raw,
): Pick<Decoded, 'data' | 'doubt'> {
  const { colours, alpha, photometric } = header;
  const grey = colours < 3;
  const at = (pixel: number, channel: number) =>
    (samples[pixel * channels + channel]! - raw.shift) / raw.scale;
  const pixels = samples.length / channels;
  const { white, doubt } = whiteOf(rangeOf(pixels, grey ? 1 : 3, at), header, raw);
  const data = new Uint8Array(3 * pixels);
  for (let i = 0; i < data.length; i++) {
    const value = at(Math.floor(i / 3), grey ? 0 : i % 3) / white;
    const level = Math.min(1, Math.max(0, photometric === 0 ? 1 - value : value));
    data[i] = Math.round(255 * level); // NaN becomes 0.
  }
  if (alpha !== undefined) onWhite(data, white, (pixel) => at(pixel, alpha));
  return { data, doubt };
}

interface Range {
  readonly min: number;
  readonly max: number;
  /** Whether all are numbers (not NaN). */
  readonly numbers: boolean;
}

function rangeOf(
  pixels: number,
  colours: number,
  at: (pixel: number, channel: number) => number,
): Range {
  let min = Infinity;
  let max = -Infinity;
  let numbers = true;
  for (let i = 0; i < pixels; i++)
    for (let c = 0; c < colours; c++) {
      const value = at(i, c);
      if (value < min) min = value;
      if (value > max) max = value;
      numbers &&= !Number.isNaN(value);
    }
  return { min, max, numbers };
}

/** The smallest 32-bit value that is still visible in 8 bits: samples that reach it use the range of the standard. */
const FULL_RANGE = 2 ** 24;

/** The value that is white, and why it may be another. */
function whiteOf(
  range: Range,
  { format, bits, largest }: TiffHeader,
  raw: Raw,
): { white: number; doubt?: string } {
  const { min, max, numbers } = range;
  if (format === SAMPLE_FORMAT.float) {
    if (!numbers)
      return { white: max <= 1 ? 1 : 255, doubt: 'some of its samples are not numbers' };
    if (min >= 0 && max <= 1) return { white: 1 };
    if (raw.scale !== 1) throw new Error('its half-precision samples go beyond 0 to 1');
    return { white: 255, doubt: clipped('floating-point', range) };
  }
  if (isFewerBits(largest, bits) && min >= 0 && max <= largest) return { white: largest };
  if (format !== SAMPLE_FORMAT.signed && (bits <= 16 || max >= FULL_RANGE))
    return { white: 2 ** bits - 1 };
  const kind = format === SAMPLE_FORMAT.signed ? `signed ${bits}-bit` : `${bits}-bit`;
  return { white: 255, doubt: clipped(kind, range) };
}

const clipped = (kind: string, { min, max }: Range): string =>
  `its ${kind} samples range from ${short(min)} to ${short(max)}, which does not determine the white level: ` +
  'taken as 0 to 255, and clipped';

const short = (value: number): string => String(Number(value.toPrecision(6)));
