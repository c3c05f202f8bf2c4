/** What the tags of a TIFF's first page say about its samples, since decoders report too little of it (TIFF 6.0, BigTIFF). */

export interface TiffHeader {
  /** PhotometricInterpretation: 0 and 1 grey, 2 RGB, 3 palette, 5 inks, 6 YCbCr, 8 CIELab. */
  readonly photometric: number;
  readonly samples: number;
  readonly bits: number;
  readonly format: SampleFormat;
  /** Samples of a pixel's colour; extra samples come after them. */
  readonly colours: number;
  /** Index of the transparency sample, if there is one. */
  readonly alpha: number | undefined;
  /** The largest sample value, if the file gives it. */
  readonly largest: number | undefined;
}

/** SampleFormat, with the standard's numbers. */
export const SAMPLE_FORMAT = { unsigned: 1, signed: 2, float: 3 } as const;
export type SampleFormat = number;

const TAG = {
  bitsPerSample: 258,
  photometric: 262,
  samplesPerPixel: 277,
  maxSampleValue: 281,
  extraSamples: 338,
  sampleFormat: 339,
  sMaxSampleValue: 341,
} as const;

const GREY = 1;
export const RGB = 2;

/** ExtraSamples that mean transparency: associated, unassociated, and Corel Draw's. Others do not. */
const ALPHA: ReadonlySet<number> = new Set([1, 2, 999]);

/** Reads bytes of the file; fewer at its end. */
export type ReadBytes = (offset: number, length: number) => Buffer;

/** Undefined if the directory cannot be read; the decoder reports that. */
export function tiffHeader(read: ReadBytes): TiffHeader | undefined {
  try {
    const tags = readDirectory(read);
    const samples = tags.get(TAG.samplesPerPixel)?.[0] ?? 1;
    if (samples > MOST_VALUES) return undefined;
    const photometric = tags.get(TAG.photometric)?.[0] ?? GREY;
    const extra = tags.get(TAG.extraSamples) ?? undeclared(photometric, samples);
    const colours = Math.max(1, samples - extra.length);
    const alpha = extra.findIndex((kind) => ALPHA.has(kind));
    return {
      photometric,
      samples,
      bits: tags.get(TAG.bitsPerSample)?.[0] ?? 1,
      format: tags.get(TAG.sampleFormat)?.[0] ?? SAMPLE_FORMAT.unsigned,
      colours,
      alpha: alpha < 0 ? undefined : colours + alpha,
      largest: tags.get(TAG.sMaxSampleValue)?.[0] ?? tags.get(TAG.maxSampleValue)?.[0],
    };
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/**
 * Extra samples that a file does not declare. A fourth beside RGB is transparency, as in libtiff and Pillow; all
 * others are of unknown kind.
 */
function undeclared(photometric: number, samples: number): number[] {
  if (photometric === RGB && samples === 4) return [2];
  const colours = COLOURS[photometric] ?? samples;
  return Array(Math.max(0, samples - colours)).fill(0);
}

/** Samples per colour by PhotometricInterpretation. */
const COLOURS: Readonly<Record<number, number>> = {
  0: 1,
  1: 1,
  2: 3,
  3: 1,
  4: 1,
  5: 4,
  6: 3,
  8: 3,
};

/** Most values of a tag that are read: enough for the samples of any picture. */
const MOST_VALUES = 4096;

/** The numbers of each tag of the first directory. @throws RangeError if the file ends before */
function readDirectory(read: ReadBytes): Map<number, number[]> {
  const start = read(0, 16);
  const little = start[0] === 0x49;
  const big = (little ? start.readUInt16LE(2) : start.readUInt16BE(2)) === 43;
  const number = (bytes: Buffer, at: number, size: number): number => {
    if (size === 8) return Number(little ? bytes.readBigUInt64LE(at) : bytes.readBigUInt64BE(at));
    return little ? bytes.readUIntLE(at, size) : bytes.readUIntBE(at, size);
  };
  const word = big ? 8 : 4;
  const entry = 4 + 2 * word;
  const at = number(start, big ? 8 : 4, word);
  const countBytes = big ? 8 : 2;
  const count = Math.min(number(read(at, countBytes), 0, countBytes), MOST_VALUES);
  const directory = read(at + countBytes, count * entry);
  const tags = new Map<number, number[]>();
  for (let i = 0; i < count; i++) {
    const place = i * entry;
    const size = INTEGER_BYTES[number(directory, place + 2, 2)];
    if (size === undefined) continue;
    const values = Math.min(number(directory, place + 4, word), MOST_VALUES);
    const field = place + 4 + word;
    const bytes =
      values * size <= word
        ? directory.subarray(field)
        : read(number(directory, field, word), values * size);
    tags.set(
      number(directory, place, 2),
      Array.from({ length: values }, (_, k) => number(bytes, k * size, size)),
    );
  }
  return tags;
}

/** Bytes per value by the type of a tag, only for whole numbers: BYTE, SHORT, LONG, UNDEFINED. */
const INTEGER_BYTES: Readonly<Record<number, number>> = { 1: 1, 3: 2, 4: 4, 7: 1 };
