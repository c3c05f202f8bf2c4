/**
 * TIFFs whose samples a decoder would misread: extra samples that are no transparency, floating-point numbers, signed and
 * 32-bit integers, and fewer bits than their words have.
 */
import type { Sharp } from 'sharp';
import { onWhite } from './on-white.js';
import { RGB, SAMPLE_FORMAT, type TiffHeader } from './tiff-header.js';

/**
 * Whether the decoder's way with the samples is right: whole numbers of up to 16 bits, of which the largest is white, and
 * colours that are neither grey nor RGB.
 */
export const isOrdinary = ({ photometric, format, bits, largest }: TiffHeader): boolean =>
  photometric > RGB ||
  (format !== SAMPLE_FORMAT.float &&
    format !== SAMPLE_FORMAT.signed &&
    bits <= 16 &&
    !(photometric > 0 && isFewerBits(largest, bits)));

/** Whether beside its colours a TIFF has samples that the decoder would take for transparency, or trip over. */
export const hasOtherSamples = ({ samples, colours, alpha }: TiffHeader): boolean =>
  samples > colours && !(samples === colours + 1 && alpha === colours);

/** Whether a largest value is the end of a number of bits between 8 and those of the words: 4095 for 12 in 16. */
const isFewerBits = (largest: number | undefined, bits: number): largest is number =>
  largest !== undefined &&
  largest > 255 &&
  largest < 2 ** bits - 1 &&
  Number.isInteger(Math.log2(largest + 1));

/** @throws for samples that the decoder does not read; the message is the reason alone */
export function checkSamples({ bits, format }: TiffHeader): void {
  const kind = format === SAMPLE_FORMAT.float ? 'floating-point' : 'whole-number';
  const expected = format === SAMPLE_FORMAT.float ? '16 or 32' : '1, 2, 4, 8, 16 or 32';
  if (!expected.split(/\D+/).includes(String(bits)))
    throw new Error(
      `its samples are ${kind} ones of ${bits} bits, which are not read; expected ${expected}`,
    );
}

/** RGB of 8 bits, and what is doubtful about it. */
export interface Decoded {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
  readonly doubt?: string | undefined;
}

/** Colour samples without those beside them; transparency is shown on white. */
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
  // However many the colours have become, the other samples come after them.
  const beside = channels - (samples - alpha);
  const colours = new Uint8Array(3 * width * height);
  for (let i = 0; i < colours.length; i++)
    colours[i] = data[Math.floor(i / 3) * channels + (i % 3)]!;
  onWhite(colours, 255, (pixel) => data[pixel * channels + beside]!);
  return { data: colours, width, height };
}

type Samples = Float32Array | Int32Array | Uint32Array | Uint16Array | Int8Array;

/** How raw samples come out of sharp: of a depth, as an array, and what was added to them on the way. */
interface Raw {
  readonly depth: 'float' | 'int' | 'uint' | 'ushort' | 'char';
  readonly array: new (buffer: ArrayBufferLike, offset: number, length: number) => Samples;
  readonly size: number;
  /** What the stored value v comes out as: scale·v + shift. */
  readonly scale: number;
  readonly shift: number;
}

const plain = { scale: 1, shift: 0 };
const FLOAT: Raw = { depth: 'float', array: Float32Array, size: 4, ...plain };
const WORDS = { depth: 'ushort', array: Uint16Array, size: 2 } as const;

/**
 * Colour spaces of 16 bits come out as unsigned words, whatever the samples are: signed ones are shifted to fit, and half
 * floats, of which only [0, 1] has a certain meaning, scaled so that what is beyond still shows.
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
 * Samples as they are stored, scaled to 8 bits where it is certain what is white; a colour profile does not apply to them.
 * @param open the picture, opened anew at each call
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
    data[i] = Math.round(255 * level); // What is no number becomes 0.
  }
  if (alpha !== undefined) onWhite(data, white, (pixel) => at(pixel, alpha));
  return { data, doubt };
}

interface Range {
  readonly min: number;
  readonly max: number;
  /** Whether all are numbers. */
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

/** The least of 32 bits that 8 bits still show: samples that reach it use the range that the standard gives them. */
const FULL_RANGE = 2 ** 24;

/** The value that is white, and why it may be another. */
function whiteOf(
  range: Range,
  { format, bits, largest }: TiffHeader,
  raw: Raw,
): { white: number; doubt?: string } {
  const { min, max, numbers } = range;
  if (format === SAMPLE_FORMAT.float) {
    if (!numbers) return { white: max <= 1 ? 1 : 255, doubt: 'some of its samples are no numbers' };
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
  `its ${kind} samples go from ${short(min)} to ${short(max)}, which does not tell what is white: ` +
  'taken as 0 to 255, and clipped';

const short = (value: number): string => String(Number(value.toPrecision(6)));
