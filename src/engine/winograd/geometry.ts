/** Shared by the plans of convolutions: how tensors are divided into tiles, and the layout of tiles and taps. */
import { CHANNEL_BLOCK, DEEP_SCRATCH, TRANSFORM_SCRATCH } from '../../../assembly/constants.js';
import { TAPS_WORDS, TILING_WORDS } from '../abi.js';
import { ALGORITHMS, type Feature, type TiledConvolution, type Traits } from './algorithms.js';

/** Extra floats between planes: planes a power of two apart would map to the same cache lines. */
export const PLANE_PADDING = 80;

/** The same between the channels of a weight gradient's planes, in tiles. */
export const TILE_PADDING = 4;

/** Bytes of scratch per worker: those of the deep kernels, which need most. */
export const WORKER_BYTES = 4 * DEEP_SCRATCH;

/** Bytes before the planes in a worker's scratch. */
export const TRANSFORM_BYTES = 4 * TRANSFORM_SCRATCH;

/** Bytes of a `Tiling` and of `Taps`; a descriptor has two of the former and one of the latter. */
export const TILING_BYTES = 4 * TILING_WORDS.length;
export const TAPS_BYTES = 4 * TAPS_WORDS.length;

type TilingWords = Record<(typeof TILING_WORDS)[number], number>;
type TapsWords = Record<(typeof TAPS_WORDS)[number], number>;

/** A `Tiling` (assembly/winograd/tiling.ts), whose first words give the size of the tensor. */
export function tiling(
  g: Omit<TilingWords, 'algorithm' | keyof Feature> & { algorithm: Traits; tensor: Feature },
): number[] {
  const { algorithm, tensor, ...rest } = g;
  const words: TilingWords = { ...rest, ...tensor, algorithm: algorithm.id };
  return TILING_WORDS.map((word) => words[word]);
}

/** `Taps` (assembly/winograd/weights.ts). */
export function taps(g: Omit<TapsWords, 'algorithm'> & { algorithm: Traits }): number[] {
  const words: TapsWords = { ...g, algorithm: g.algorithm.id };
  return TAPS_WORDS.map((word) => words[word]);
}
/** The positions of each phase's taps in a weight, in the kernel's forward direction. */
export const TAPS = {
  conv: { taps: 9, phases: 1, first: 0, phaseRow: 0, phaseColumn: 0, row: 3, column: 1 },
  down: { taps: 16, phases: 4, first: 0, phaseRow: 4, phaseColumn: 1, row: 8, column: 2 },
  up: { taps: 16, phases: 4, first: 0, phaseRow: 8, phaseColumn: 4, row: 2, column: 1 },
} as const;

/**
 * The weight gradient of `up` is that of `down` with input and output swapped, whose tap (ky, kx) is
 * at phase (ky & 1, kx & 1), row ky >> 1: counted from the end in the order that `up` stores.
 */
export const UP_GRADIENT_TAPS = {
  ...{ taps: 16, phases: 4, first: 15, phaseRow: -8, phaseColumn: -4, row: -2, column: -1 },
} as const;

/** The weight gradient of `conv` with dy and x swapped, whose taps are counted from the end. */
export const TURNED_TAPS = {
  ...{ taps: 9, phases: 1, first: 8, phaseRow: 0, phaseColumn: 0, row: -3, column: -1 },
} as const;

export const divideUp = (a: number, b: number): number => Math.ceil(a / b);

/** The largest multiple of `step` that fits into the bytes, given those of one; at least `least`, at most `most`. */
export function within(
  bytes: number,
  each: number,
  { step, least, most }: { step: number; least: number; most: number },
): number {
  const fitting = step * Math.floor(bytes / each / step);
  return Math.min(most, Math.max(least, fitting));
}

/** Tiles over the output of a convolution (over its input for `up`): down and across an image, and in the batch. */
export function tileGrid({ kind, algorithm, batch, output }: TiledConvolution): {
  down: number;
  across: number;
  tiles: number;
} {
  const size = ALGORITHMS[algorithm].side * (kind === 'up' ? 2 : 1);
  const down = divideUp(output.height, size);
  const across = divideUp(output.width, size);
  return { down, across, tiles: batch * down * across };
}

/** Items of `winogradInput`, `winogradGradient` and `winogradOutput`. */
export function transformItems(phases: number, tiles: number, channels: number): number {
  return phases * divideUp(tiles, 4) * divideUp(channels, CHANNEL_BLOCK);
}

/** [first, count] of each chunk. */
export function chunks(tiles: number, size: number): [first: number, count: number][] {
  const list: [number, number][] = [];
  for (let first = 0; first < tiles; first += size)
    list.push([first, Math.min(size, tiles - first)]);
  return list;
}
