/** Patches of images as pixels of tokens, with TensorFlow's operations, each with its gradient. Images are f32 NHWC. */
import { positionTable } from '../network/positions.js';
import { add, permute, reshape } from './calls.js';
import type { Tape } from './tape.js';

export interface Patches {
  readonly batch: number;
  /** Patches in a row or column. */
  readonly side: number;
  /** Pixels in a row or column of a patch. */
  readonly size: number;
  /** Of a pixel. */
  readonly channels: number;
}

/** Pixel (y, x) of channel c in each patch becomes channel c·size² + y·size + x. */
export function patches<V>(tape: Tape<V>, x: V, of: Patches): V {
  const { batch, side, size, channels } = of;
  const apart = [batch, side, size, side, size, channels];
  return rearranged(tape, x, apart, [0, 1, 3, 5, 2, 4], [imageShape(of), tokenShape(of)]);
}

/** Channel (y·size + x)·channels + c becomes pixel (y, x) of channel c in each patch. */
export function pixels<V>(tape: Tape<V>, x: V, of: Patches): V {
  const { batch, side, size, channels } = of;
  const apart = [batch, side, side, size, size, channels];
  return rearranged(tape, x, apart, [0, 1, 3, 2, 4, 5], [tokenShape(of), imageShape(of)]);
}

const imageShape = ({ batch, side, size, channels }: Patches): number[] => [
  ...[batch, side * size, side * size, channels],
];

const tokenShape = ({ batch, side, size, channels }: Patches): number[] => [
  ...[batch, side, side, size ** 2 * channels],
];

/** x in the shape `apart`, whose axes are then reordered, in the shape `to`. */
function rearranged<V>(
  tape: Tape<V>,
  x: V,
  apart: readonly number[],
  axes: readonly number[],
  [from, to]: readonly [from: readonly number[], to: readonly number[]],
): V {
  const { ops } = tape;
  const y = reshape(ops, permute(ops, reshape(ops, x, apart), axes), to);
  return tape.record(y, (dy) => {
    const back = axes.map((_, axis) => axes.indexOf(axis));
    const turned = reshape(
      ops,
      dy,
      axes.map((axis) => apart[axis]!),
    );
    tape.give(x, reshape(ops, permute(ops, turned, back), from));
  });
}

/** x + sinusoids of each pixel's coordinates. */
export function positioned<V>(tape: Tape<V>, x: V, of: Parameters<typeof positionTable>[0]): V {
  const { ops } = tape;
  const { side, channels } = of.out;
  const table = ops.constant(positionTable(of, channels), [side, side, channels]);
  return tape.record(add(ops, x, table), (dy) => tape.give(x, dy));
}
