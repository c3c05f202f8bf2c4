/** Labels in a .npz beside its images: `arr_1`, whole numbers, one per image, as improved-diffusion and `haze generate` write them. */
import { UsageError } from '../errors.js';
import { withInputFile } from '../io/input-file.js';
import { NPY_BYTES } from '../io/npy.js';
import { openNpz } from '../io/npz.js';
import { type Classes, classesOfNumbers, MOST_CLASSES } from './classes.js';

export const LABELS_NAME = 'arr_1';

/** Reads an element of each type. */
const READERS: Readonly<Record<string, (bytes: Buffer, at: number) => number>> = {
  '|u1': (bytes, at) => bytes.readUInt8(at),
  '<i4': (bytes, at) => bytes.readInt32LE(4 * at),
  '<i8': (bytes, at) => Number(bytes.readBigInt64LE(8 * at)),
};

/** @throws UsageError unless these are labels of `count` images */
export const classesOfNpz = (file: string, count: number): Promise<Classes> =>
  withInputFile(file, 'an array of images', async (opened) => {
    const { dtype, shape, where, read } = await (await openNpz(opened)).open(
      LABELS_NAME,
      Object.keys(READERS),
    );
    if (shape.length !== 1 || shape[0] !== count)
      throw new UsageError(
        `${where}: expected ${count} labels, one per image, got (${shape.join(', ')})`,
      );
    const parts: Uint8Array[] = [];
    for await (const piece of read(count * NPY_BYTES[dtype]!)) parts.push(piece.slice());
    const bytes = Buffer.concat(parts);
    const labels = Int32Array.from({ length: count }, (_, i) => {
      const label = READERS[dtype]!(bytes, i);
      if (label >= 0 && label < MOST_CLASSES) return label;
      throw new UsageError(
        `${where}: image ${i}: expected a label from 0 to ${MOST_CLASSES - 1}, got ${label}`,
      );
    });
    return classesOfNumbers(labels);
  });
