import { ACCUMULATE, WEIGHT_BLOCK } from '../../../assembly/constants.js';
import { type Pointer, plus, plusFloats } from '../pointer.js';
import { type Address, call, type Phase, tuple } from '../program.js';
import { ALGORITHMS, type TiledConvolution } from './algorithms.js';
import { type AffinePointers, chooseWay, NO_AFFINE } from './forward.js';
import {
  divideUp,
  PLANE_PADDING,
  TAPS,
  TAPS_BYTES,
  TILE_PADDING,
  TILING_BYTES,
  TRANSFORM_BYTES,
  TURNED_TAPS,
  taps,
  tileGrid,
  tiling,
  WORKER_BYTES,
  within,
} from './geometry.js';
import { chooseGradientWay, mostGroups } from './weight-gradient.js';

/**
 * Plans both gradients of a 3 x 3 convolution at once (assembly/winograd/backward.ts), for layers that would use `blocks` for
 * either: dy is read and transformed once. As for a weight gradient alone, the grouping and order of sums are a function of
 * the layer's shape and the batch.
 */

/** Bytes of V, M and D per worker. */
const BLOCK_BYTES = 448 * 2 ** 10;

export interface BackwardPointers {
  readonly descriptor: Pointer;
  /** `workerBytes` for each worker. */
  readonly worker: Address;
  readonly x: Address;
  /** The affine map that is applied to x as it is loaded. */
  readonly affine?: AffinePointers;
  readonly dy: Address;
  readonly dx: Address;
  /** Adds to dx instead of overwriting it. */
  readonly accumulate?: boolean;
  /** The weights of the adjoint layer, and `weightBytes` of scratch. */
  readonly w: Address;
  readonly u: Pointer;
  /** Overwritten with the gradient, in the layout of the weights. */
  readonly dw: Address;
}

export interface BackwardPlan {
  /** To be copied to the address in the pointer `descriptor`. */
  readonly descriptor: Int32Array;
  readonly workerBytes: number;
  /** Bytes of scratch for the transformed weights and their transformed gradient. */
  readonly weightBytes: number;
  /** Transforms the adjoint's weights, computes both gradients, and dW from its points. */
  phases(at: BackwardPointers): Phase[];
}

/** The layer whose forward pass is the data gradient of this one. */
const adjoint = (c: TiledConvolution): TiledConvolution => ({
  ...c,
  input: c.output,
  output: c.input,
});

/** Whether a layer has such a plan: 3 x 3, many tiles, few weights. */
export const goesTogether = (c: TiledConvolution): boolean =>
  c.kind === 'conv' &&
  chooseGradientWay(c) === 'blocks' &&
  chooseWay(adjoint(c), true) === 'blocks';

export function planBackward(c: TiledConvolution): BackwardPlan {
  const algorithm = ALGORITHMS[c.algorithm];
  const planes = algorithm.points ** 2;
  const { input, output } = c;
  const rows = output.channels;
  const panels = input.channels / 8;
  const { down, across, tiles } = tileGrid(c);
  const group = divideUp(tiles, mostGroups(c));
  const groups = divideUp(tiles, group);
  const chunk = chunkTiles(c, group);
  const room = chunk + TILE_PADDING;
  const eight = 8 * room * planes;
  const mQuad = 4 * input.channels * planes;
  const vFloats = (rows / 8) * eight;
  const mFloats = divideUp(chunk, 4) * mQuad;
  const dFloats = panels * eight;
  const uPlane = rows * input.channels + PLANE_PADDING;
  const uFloats = planes * uPlane;
  const shared = { algorithm, down, across, step: 1, phases: 1, phaseStride: 0 };
  const descriptor = Int32Array.from([
    ...tiling({
      ...{ ...shared, tensor: output, origin: -1, plane: 8 * room },
      ...{ block: 32, tile: 8, eight, half: 4 },
    }),
    ...tiling({
      ...{ ...shared, tensor: input, origin: 0, plane: 32 },
      ...{ block: mQuad, tile: 8, eight: 32 * planes, half: 4 },
    }),
    ...tiling({
      ...{ ...shared, tensor: input, origin: 0, plane: 8 * room },
      ...{ block: 32, tile: 8, eight, half: 4 },
    }),
    ...taps({
      ...{ algorithm, channels: rows, ...TAPS.conv, plane: uPlane },
      ...{ phaseStride: 0, panelStride: 8 * rows },
    }),
    ...taps({
      ...{ algorithm, channels: input.channels, ...TURNED_TAPS, plane: uPlane },
      ...{ phaseStride: 0, panelStride: 8 * rows },
    }),
  ]);

  const phases: BackwardPlan['phases'] = (at) => {
    const { scale, shift, shiftStep } = at.affine ?? NO_AFFINE;
    const du = plusFloats(at.u, uFloats);
    const narrow = plus(at.descriptor, 2 * TILING_BYTES);
    const weightTaps = plus(at.descriptor, 3 * TILING_BYTES);
    const gradientTaps = plus(weightTaps, TAPS_BYTES);
    const flags = at.accumulate ? ACCUMULATE : 0;
    return [
      [
        call(
          'winogradWeights',
          [at.u, at.w, weightTaps, at.worker],
          panels * divideUp(rows, WEIGHT_BLOCK),
        ),
      ],
      [
        call(
          'winogradBackward',
          [
            ...tuple(at.dx, du, at.x, at.dy, at.u, at.descriptor, narrow, scale, shift, shiftStep),
            ...tuple(flags, rows, panels, planes, uPlane),
            ...tuple(vFloats, mFloats, tiles, group, chunk, at.worker),
          ],
          groups,
        ),
      ],
      [
        call(
          'winogradTurnedGradient',
          [at.dw, du, gradientTaps, groups, uFloats, at.worker],
          (rows / 8) * divideUp(input.channels, WEIGHT_BLOCK),
        ),
      ],
    ];
  };

  return {
    descriptor,
    workerBytes: Math.max(WORKER_BYTES, TRANSFORM_BYTES + 4 * (vFloats + mFloats + dFloats)),
    weightBytes: 4 * uFloats * (1 + groups),
    phases,
  };
}

/** Tiles that a worker takes at a time: as many as fit, and about equally many each time. */
function chunkTiles({ algorithm, input, output }: TiledConvolution, group: number): number {
  const bytes = 4 * ALGORITHMS[algorithm].points ** 2 * (2 * input.channels + output.channels);
  const most = within(BLOCK_BYTES, bytes, { step: 4, least: 12, most: 96 });
  return 4 * divideUp(group, 4 * divideUp(group, most));
}
