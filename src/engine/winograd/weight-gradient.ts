import { DEEP_BLOCK, WEIGHT_BLOCK } from '../../../assembly/constants.js';
import { NULL, type Pointer, plus, plusFloats } from '../pointer.js';
import { type Address, call, type Phase, tuple } from '../program.js';
import { ALGORITHMS, type TiledConvolution } from './algorithms.js';
import { type AffinePointers, NO_AFFINE } from './forward.js';
import {
  chunks,
  divideUp,
  PLANE_PADDING,
  TAPS,
  TILE_PADDING,
  TILING_BYTES,
  TRANSFORM_BYTES,
  taps,
  tileGrid,
  tiling,
  transformItems,
  UP_GRADIENT_TAPS,
  WORKER_BYTES,
  within,
} from './geometry.js';

/**
 * Plans weight gradients: dU = Σ V ⊙ D over the tiles of the batch, and the inverse transform from points to taps. The order in
 * which tiles are summed, and their grouping, are functions of the layer's shape and the batch: no bit depends on the workers.
 */

/**
 * `blocks`: each worker sums a group of tiles, and the groups are added up at the end; for few weights and
 * many tiles. `chunks`: all workers transform one chunk after the other and divide the points of its products. `deep`:
 * if V and D of all tiles are smaller than dU, each block of dU is computed and consumed in the cache.
 */
export type GradientWay = 'blocks' | 'chunks' | 'deep';

/** Floats of dU up to which each group may have its own: it stays in a second-level cache beside V and D. */
const BLOCKS_WEIGHTS = 100_000;
/** Groups of a layer, fewer if each has more to add up at the end; and the fewest tiles of a group. */
const GROUPS = 16;
const FEW_GROUPS = 8;
const FEW_GROUPS_WEIGHTS = 40_000;
const GROUP_TILES = 32;
/** With at least so many tiles in each, a layer has twice as many groups, for more workers; all are added up at the end, so with fewer tiles that would cost more. */
const MANY_TILES = 128;
/** Bytes of V and D per worker, which stay in a second-level cache. Measured: 200 to 800 KB take the same time. */
const BLOCK_BYTES = 384 * 2 ** 10;

/** Tiles that all workers transform at a time. Measured: from 96 to 256 the time is the same. */
const CHUNK = 128;

export interface GradientPointers {
  readonly descriptor: Pointer;
  readonly scratch: Pointer;
  /** `workerBytes` for each worker. */
  readonly worker: Address;
  readonly x: Address;
  readonly dy: Address;
  /** The transformed gradient, `weightBytes` of scratch. */
  readonly du: Address;
  /** Overwritten with the gradient, in the layout of the weights. */
  readonly dw: Address;
  /** If given, dw is that of the convolution of x · scale + shift. */
  readonly affine?: AffinePointers;
}

export interface GradientPlan {
  readonly way: GradientWay;
  /** To be copied to the address in the pointer `descriptor`. */
  readonly descriptor: Int32Array;
  /** Bytes of scratch for a run, aligned to 16: shared, per worker, and for dU. */
  readonly scratchBytes: number;
  readonly workerBytes: number;
  readonly weightBytes: number;
  weightGradient(at: GradientPointers): Phase[];
}

/** Channels of dU on the side of x and on that of dy. */
function sides({ input, output, kind }: TiledConvolution): { rows: number; columns: number } {
  const swapped = kind === 'up';
  const { phases } = TAPS[kind];
  return {
    rows: input.channels * (swapped ? 1 : phases),
    columns: output.channels * (swapped ? phases : 1),
  };
}

const weightFloats = (c: TiledConvolution): number => {
  const { rows, columns } = sides(c);
  return ALGORITHMS[c.algorithm].points ** 2 * rows * columns;
};

/** How many groups the tiles of a layer are divided into at most: a function of its shape and the batch. */
export function mostGroups(c: TiledConvolution): number {
  const least = leastGroups(c);
  return tileGrid(c).tiles >= 2 * least * MANY_TILES ? 2 * least : least;
}

const leastGroups = (c: TiledConvolution): number =>
  weightFloats(c) > FEW_GROUPS_WEIGHTS ? FEW_GROUPS : GROUPS;

export function chooseGradientWay(c: TiledConvolution): GradientWay {
  const { rows, columns } = sides(c);
  const { tiles } = tileGrid(c);
  const few = weightFloats(c) <= BLOCKS_WEIGHTS;
  if (few && tiles >= leastGroups(c) * GROUP_TILES) return 'blocks';
  return tiles * (rows + columns) <= rows * columns ? 'deep' : 'chunks';
}

/** Plans dw from x and dy. */
export function planWeightGradient(c: TiledConvolution, way: GradientWay): GradientPlan {
  const algorithm = ALGORITHMS[c.algorithm];
  const { points } = algorithm;
  const { input, output, kind } = c;
  const swapped = kind === 'up';
  /** The tensor that the taps slide over, and the one that it is multiplied with. */
  const [wide, narrow] = swapped ? [output, input] : [input, output];
  const step = kind === 'conv' ? 1 : 2;
  const phases = step * step;
  const { down, across, tiles } = tileGrid(c);
  const planes = points * points;
  const { rows, columns } = sides(c);
  const panels = columns / 8;
  const group = divideUp(tiles, mostGroups(c));
  const groups = way === 'blocks' ? divideUp(tiles, group) : 1;
  const fitting = within(BLOCK_BYTES, 4 * planes * (rows + columns), {
    step: 4,
    least: 16,
    most: CHUNK,
  });
  const chunk = Math.min({ blocks: fitting, chunks: CHUNK, deep: tiles }[way], tiles);
  const room = chunk + TILE_PADDING;
  // A deep plan's planes hold one point of all channels. Otherwise the points of four or eight channels are contiguous, so
  // that a transform, which writes all of them at once, touches few pages.
  const apart = way === 'deep';
  const eight = 8 * room * (apart ? 1 : planes);
  const vPlane = apart ? room * rows + PLANE_PADDING : 8 * room;
  const dPlane = apart ? room * columns + PLANE_PADDING : 8 * room;
  const vFloats = apart ? planes * vPlane : (rows / 8) * eight;
  const dFloats = apart ? planes * dPlane : panels * eight;
  const uPlane = rows * columns + PLANE_PADDING;
  const layout = { block: 32, tile: 8, eight, half: 4 };
  /** From one phase to the next, whose channels follow. */
  const phaseStride = (wide.channels / 8) * eight;
  const wideTiling = { tensor: wide, step, origin: -1, phases, phaseStride };
  const narrowTiling = { tensor: narrow, step: 1, origin: 0, phases: 1, phaseStride: 0 };
  const shared = { algorithm, down, across };
  const descriptor = Int32Array.from([
    ...tiling({
      ...{ ...shared, ...(swapped ? narrowTiling : wideTiling), ...layout, plane: vPlane },
    }),
    ...tiling({
      ...{ ...shared, ...(swapped ? wideTiling : narrowTiling), ...layout, plane: dPlane },
    }),
    ...taps({
      ...{ algorithm, channels: input.channels, ...(swapped ? UP_GRADIENT_TAPS : TAPS[kind]) },
      ...{ plane: uPlane, panelStride: 8 * rows },
      phaseStride: swapped ? output.channels * rows : 8 * input.channels,
    }),
  ]);
  const planeBytes = 4 * (vFloats + dFloats);
  const duFloats = planes * uPlane;

  const toTaps = (at: GradientPointers): Phase => [
    call(
      'winogradWeightGradient',
      [at.dw, at.du, plus(at.descriptor, 2 * TILING_BYTES), groups, duFloats, at.worker],
      (output.channels / 8) * divideUp(input.channels, WEIGHT_BLOCK),
    ),
  ];

  const blocks = (at: GradientPointers): Phase[] => {
    const { scale, shift, shiftStep } = at.affine ?? NO_AFFINE;
    const sums = call(
      'winogradGradientBlocks',
      [
        ...tuple(at.du, at.x, at.dy, at.descriptor, scale, shift, shiftStep, swapped ? 1 : 0),
        ...tuple(rows, panels, planes, uPlane, vFloats, tiles, group, chunk, at.worker),
      ],
      groups,
    );
    return [[sums], toTaps(at)];
  };

  const byChunks = (at: GradientPointers): Phase[] => {
    const v = at.scratch;
    const d = plusFloats(v, vFloats);
    const ofD = plus(at.descriptor, TILING_BYTES);
    const { scale, shift, shiftStep } = at.affine ?? NO_AFFINE;
    const transforms = (first: number, count: number): Phase => [
      call(
        swapped ? 'winogradGradient' : 'winogradInput',
        [v, at.x, at.descriptor, scale, shift, shiftStep, first, count, at.worker],
        transformItems(swapped ? 1 : phases, count, input.channels),
      ),
      call(
        swapped ? 'winogradInput' : 'winogradGradient',
        [d, at.dy, ofD, NULL, NULL, 0, first, count, at.worker],
        transformItems(swapped ? phases : 1, count, output.channels),
      ),
    ];
    if (way === 'deep') return [transforms(0, tiles), deepProducts(at, v, d)];
    const program = chunks(tiles, chunk).flatMap(([first, count]): Phase[] => [
      transforms(first, count),
      [
        call(
          'winogradAccumulate',
          [at.du, v, d, at.descriptor, rows, panels, count, uPlane, first > 0 ? 1 : 0],
          planes * panels,
        ),
      ],
    ]);
    return [...program, toTaps(at)];
  };

  const deepProducts = (at: GradientPointers, v: Pointer, d: Pointer): Phase => [
    call(
      'winogradGradientDeep',
      [
        ...tuple(at.dw, v, d, plus(at.descriptor, 2 * TILING_BYTES)),
        ...tuple(rows, panels, room, tiles, vPlane, dPlane, at.worker),
      ],
      (rows / input.channels) * divideUp(input.channels, DEEP_BLOCK) * panels,
    ),
  ];

  return {
    way,
    descriptor,
    scratchBytes: way === 'blocks' ? 0 : planeBytes,
    workerBytes:
      way === 'blocks' ? Math.max(WORKER_BYTES, TRANSFORM_BYTES + planeBytes) : WORKER_BYTES,
    weightBytes: way === 'deep' ? 0 : 4 * duFloats * groups,
    weightGradient: way === 'blocks' ? blocks : byChunks,
  };
}
