/** Uncompressed little-endian TIFFs of one strip, with samples of any kind. */

export interface TiffOptions {
  readonly width: number;
  readonly height: number;
  /** Values pixel by pixel, in the type that is stored. */
  readonly samples:
    | Uint8Array
    | Uint16Array
    | Uint32Array
    | Int8Array
    | Int16Array
    | Int32Array
    | Float32Array
    | Float64Array;
  /** PhotometricInterpretation. */
  readonly photometric: number;
  /** ExtraSamples; none are declared without it. */
  readonly extra?: readonly number[];
  /** SampleFormat: 1 unsigned, 2 signed, 3 floating point. */
  readonly format?: number;
  /** Other tags of short values. */
  readonly tags?: readonly (readonly [number, readonly number[]])[];
}

const [SHORT, LONG] = [3, 4];

export function tiff(options: TiffOptions): Buffer {
  const { width, height, samples, photometric, extra, format = 1, tags = [] } = options;
  const channels = samples.length / (width * height);
  const data = Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength);
  const each = (value: number): number[] => Array(channels).fill(value);
  const strip: [number, number, number[]] = [273, LONG, [0]];
  const all: [number, number, readonly number[]][] = [
    [256, LONG, [width]],
    [257, LONG, [height]],
    [258, SHORT, each(8 * samples.BYTES_PER_ELEMENT)],
    [259, SHORT, [1]],
    [262, SHORT, [photometric]],
    strip,
    [277, SHORT, [channels]],
    [278, LONG, [height]],
    [279, LONG, [data.length]],
    [339, SHORT, each(format)],
    ...(extra ? [[338, SHORT, extra] as [number, number, readonly number[]]] : []),
    ...tags.map(([tag, values]): [number, number, readonly number[]] => [tag, SHORT, values]),
  ];
  all.sort(([a], [b]) => a - b);
  const size = (type: number, values: readonly number[]) =>
    (type === SHORT ? 2 : 4) * values.length;
  const outside = all.map(([, type, values]) => size(type, values)).filter((bytes) => bytes > 4);
  const begin = 8 + 2 + 12 * all.length + 4;
  strip[2] = [begin + outside.reduce((sum, bytes) => sum + bytes, 0)];
  const file = Buffer.alloc(strip[2][0]!);
  file.write('II*\0', 'latin1');
  file.writeUInt32LE(8, 4);
  file.writeUInt16LE(all.length, 8);
  let free = begin;
  for (const [i, [tag, type, values]] of all.entries()) {
    const at = 10 + 12 * i;
    file.writeUInt16LE(tag, at);
    file.writeUInt16LE(type, at + 2);
    file.writeUInt32LE(values.length, at + 4);
    let to = at + 8;
    if (size(type, values) > 4) {
      file.writeUInt32LE(free, at + 8);
      to = free;
      free += size(type, values);
    }
    for (const value of values)
      to = type === SHORT ? file.writeUInt16LE(value, to) : file.writeUInt32LE(value, to);
  }
  return Buffer.concat([file, data]);
}
