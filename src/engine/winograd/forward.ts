import {
  ACCUMULATE,
  DEEP_GROUP,
  QUAD_PADDING,
  RELU,
  WEIGHT_BLOCK,
} from '../../../assembly/constants.js';
import { NULL, type Pointer, plus, plusFloats } from '../pointer.js';
import { type Address, type Call, call, type Phase, tuple } from '../program.js';
import { ALGORITHMS, type TiledConvolution } from './algorithms.js';
import {
  chunks,
  divideUp,
  PLANE_PADDING,
  TAPS,
  TILING_BYTES,
  TRANSFORM_BYTES,
  taps,
  tileGrid,
  tiling,
  transformItems,
  WORKER_BYTES,
  within,
} from './geometry.js';

/**
 * Plans convolutions by Winograd's minimal filtering (assembly/winograd): descriptors, scratch and kernel calls. Pure:
 * pointers in, programs out. A tile's arithmetic depends neither on its neighbours nor on the tiles computed with
 * it, so an image's output does not depend on the batch, nor any bit on the way.
 */

/**
 * The ways through a layer. `blocks`: each worker takes blocks of tiles from input to output pixels; for few weights and
 * many tiles. `chunks`: all workers transform, multiply and transform back one chunk of tiles after the other, dividing
 * the points of the weights. `deep`: the same for few tiles and so many weights that they are transformed on the fly
 * and never stored.
 */
export type Way = 'blocks' | 'chunks' | 'deep';

/** Floats of U up to which every worker reads all of it for each block: a third-level cache delivers that easily. */
const BLOCKS_WEIGHTS = 600_000;
/** Bytes of V and M per worker, which stay in a second-level cache. Measured: 100 to 600 KB take the same time. */
const BLOCK_BYTES = 256 * 2 ** 10;
/** With fewer blocks some workers would have none, and smaller blocks would read the weights too often. More workers need more. */
const MIN_BLOCKS = 8;
const BLOCK_TILES = 12;
/** Up to this many times as many blocks as that, one more or less makes a difference. */
const FEW = 3;

/** Tiles up to which a layer may be deep: V and M of all of them must stay in the cache beside a block of weights. */
const DEEP_TILES = 64;
/** Floats of U from which it pays: written and read back, they would not stay in the cache in between. */
const DEEP_FLOATS = 1_500_000;

/**
 * Tiles that all workers transform and multiply at a time: few enough that V and M stay in the cache, many enough to pay for
 * reading U and for the barriers. Measured: from 48 to 144 (a third for the four phases of `up`) the time is
 * the same.
 */
const CHUNK = { conv: 96, down: 96, up: 36 } as const;

/** Pointers of the affine map of a convolution's input: x · scale[c] + shift[image][c]; padding stays zero. */
export interface AffinePointers {
  readonly scale: Address;
  readonly shift: Address;
  /** Floats from one image's shifts to the next's; 0 if all images share them. */
  readonly shiftStep: number;
}

export const NO_AFFINE: AffinePointers = { scale: NULL, shift: NULL, shiftStep: 0 };

export interface ForwardPointers {
  readonly descriptor: Pointer;
  readonly scratch: Pointer;
  /** `workerBytes` for each worker. */
  readonly worker: Address;
  readonly x: Address;
  readonly affine?: AffinePointers;
  /** The weights, and `weightBytes` for their transform; `ready` means it is done. A deep plan needs only the weights. */
  readonly w: Address;
  readonly u: Address;
  readonly ready?: boolean;
  readonly y: Address;
  /** f32[outputs]; omitted for none. */
  readonly bias?: Address;
  /** Adds to y instead of overwriting it. */
  readonly accumulate?: boolean;
  /** What is added to, if not y, with floats from one pixel to the next; only for `blocks`. */
  readonly base?: { readonly at: Address; readonly stride: number };
  /** Applies max(y, 0) last. */
  readonly relu?: boolean;
}

export interface ForwardPlan {
  readonly way: Way;
  /** To be copied to the address in the pointer `descriptor`. */
  readonly descriptor: Int32Array;
  /** Bytes of scratch for a run, aligned to 16, shared by the workers. Contents do not survive between runs. */
  readonly scratchBytes: number;
  /** Scratch of each worker. */
  readonly workerBytes: number;
  /** Bytes of the transformed weights U; 0 for a deep plan. */
  readonly weightBytes: number;
  /** Computes U from the weights W[Cout/8][tap][Cin][8]; needed once for each change of W. Empty for a deep plan. */
  weights(at: Pick<ForwardPointers, 'descriptor' | 'worker' | 'w' | 'u'>): Phase;
  /** y = conv(x) + bias; transforms the weights first unless they are ready. */
  forward(at: ForwardPointers): Phase[];
}

/** The way for weights that are fixed (`changing` false), or change with every run. */
export function chooseWay(c: TiledConvolution, changing: boolean): Way {
  const { points } = ALGORITHMS[c.algorithm];
  const { tiles } = tileGrid(c);
  const floats = points ** 2 * c.input.channels * c.output.channels * TAPS[c.kind].phases;
  if (changing && tiles <= DEEP_TILES && floats >= DEEP_FLOATS) return 'deep';
  return floats <= BLOCKS_WEIGHTS && tiles >= MIN_BLOCKS * BLOCK_TILES ? 'blocks' : 'chunks';
}

/**
 * Tiles of a block: a multiple of 12, of which the products take two times six at once; if that makes few blocks, a number
 * such that two, four or eight workers have equally many, or that all have if they are more.
 */
function blockTiles(c: TiledConvolution, workers: number): number {
  const { kind, algorithm, input, output } = c;
  const points = ALGORITHMS[algorithm].points ** 2;
  const v = input.channels * (kind === 'down' ? 4 : 1);
  const m = output.channels;
  const block = within(BLOCK_BYTES, 4 * points * (v + m), {
    step: 12,
    least: BLOCK_TILES,
    most: 48,
  });
  const { tiles } = tileGrid(c);
  const blocks = divideUp(tiles, block);
  const least = Math.max(MIN_BLOCKS, workers);
  if (blocks > FEW * least) return block;
  return 4 * divideUp(tiles, 4 * least * Math.max(1, Math.round(blocks / least)));
}

/** Tiles for which the planes of a way have room. */
function roomOf(c: TiledConvolution, way: Way, workers: number): number {
  const { tiles } = tileGrid(c);
  const most = { blocks: blockTiles(c, workers), chunks: CHUNK[c.kind], deep: DEEP_TILES }[way];
  return Math.min(most, 4 * divideUp(tiles, 4));
}

/** Plans y = conv(x). The number of workers only decides how the work is divided, and no bit. */
export function planForward(c: TiledConvolution, way: Way, workers = MIN_BLOCKS): ForwardPlan {
  const algorithm = ALGORITHMS[c.algorithm];
  const { points } = algorithm;
  const { input, output, kind } = c;
  const inStep = kind === 'down' ? 2 : 1;
  const outStep = kind === 'up' ? 2 : 1;
  const inPhases = kind === 'conv' ? 1 : 4;
  const outPhases = kind === 'up' ? 4 : 1;
  const { down, across, tiles } = tileGrid(c);
  const room = roomOf(c, way, workers);
  const near = way === 'blocks';
  /** Planes at a time: in blocks, the phases of the output reuse the same ones. */
  const planes = points * points * (near ? 1 : outPhases);
  /** Channels that the products sum over: all four phases of `down` are stacked. */
  const k = input.channels * inStep * inStep;
  const panels = output.channels / 8;
  /** Panels that share a read of V in a deep plan; fewer if that would leave few items to share out. */
  const group = panels % DEEP_GROUP === 0 && outPhases * panels >= 32 ? DEEP_GROUP : 1;
  const groups = room / 4;
  const vQuad = 4 * k * (near ? planes : 1) + QUAD_PADDING;
  const mQuad = 4 * output.channels * (near ? planes : 1);
  const vPlane = near ? 32 : groups * vQuad + PLANE_PADDING;
  const mPlane = near ? 32 : groups * mQuad + PLANE_PADDING;
  const vEight = near ? 32 * planes : 32;
  const mEight = near ? 32 * planes : 32;
  const vFloats = near ? groups * vQuad : planes * vPlane;
  const mFloats = near ? groups * mQuad : planes * mPlane;
  const uPlane = k * output.channels + PLANE_PADDING;
  const shared = { algorithm, down, across };
  const descriptor = Int32Array.from([
    ...tiling({
      ...{ ...shared, tensor: input, step: inStep, origin: -1, phases: inPhases, plane: vPlane },
      phaseStride:
        kind === 'up' ? (near ? 0 : points * points * vPlane) : (input.channels / 8) * vEight,
      ...{ block: vQuad, tile: 8, eight: vEight, half: 4 },
    }),
    ...tiling({
      ...{ ...shared, tensor: output, step: outStep, origin: 0, phases: outPhases, plane: mPlane },
      phaseStride: near ? 0 : points * points * mPlane,
      ...{ block: mQuad, tile: 8, eight: mEight, half: 4 },
    }),
    ...taps({
      ...{ algorithm, channels: input.channels, ...TAPS[kind], plane: uPlane },
      phaseStride: kind === 'up' ? points * points * uPlane : 8 * input.channels,
      panelStride: 8 * k,
    }),
  ]);
  const planeBytes = 4 * (vFloats + mFloats);
  const flags = ({ accumulate, relu }: ForwardPointers) =>
    (accumulate ? ACCUMULATE : 0) | (relu ? RELU : 0);

  const weights: ForwardPlan['weights'] = ({ descriptor, worker, w, u }) => [
    call(
      'winogradWeights',
      [u, w, plus(descriptor, 2 * TILING_BYTES), worker],
      panels * divideUp(input.channels, WEIGHT_BLOCK),
    ),
  ];

  const blocks = (at: ForwardPointers): Phase[] => {
    const { scale, shift, shiftStep } = at.affine ?? NO_AFFINE;
    const base = at.base ? tuple(at.base.at, at.base.stride) : tuple(NULL, 0);
    const all = call(
      'winogradBlocks',
      [
        ...tuple(
          at.y,
          ...base,
          at.x,
          at.u,
          at.descriptor,
          at.bias ?? NULL,
          scale,
          shift,
          shiftStep,
        ),
        ...tuple(flags(at), k, panels, planes, uPlane, vFloats, tiles, room, at.worker),
      ],
      divideUp(tiles, room),
    );
    return [...(at.ready ? [] : [weights(at)]), [all]];
  };

  const byChunks = (at: ForwardPointers): Phase[] => {
    const v = at.scratch;
    const m = plusFloats(v, vFloats);
    const { scale, shift, shiftStep } = at.affine ?? NO_AFFINE;
    const outputTiling = plus(at.descriptor, TILING_BYTES);
    const weightTaps = plus(at.descriptor, 2 * TILING_BYTES);
    const inputCall = ([first, count]: [number, number]): Call =>
      call(
        'winogradInput',
        [v, at.x, at.descriptor, scale, shift, shiftStep, first, count, at.worker],
        transformItems(inPhases, count, input.channels),
      );
    const outputCall = ([first, count]: [number, number]): Call =>
      call(
        'winogradOutput',
        [at.y, m, outputTiling, at.bias ?? NULL, flags(at), first, count, at.worker],
        transformItems(outPhases, count, output.channels),
      );
    const multiplyCall = (count: number): Call =>
      call(
        'winogradMultiply',
        [m, v, at.u, at.descriptor, k, panels, divideUp(count, 4), uPlane],
        planes * panels,
      );
    const deepCall = (count: number): Call =>
      call(
        'winogradMultiplyDeep',
        [
          ...tuple(m, v, at.w, weightTaps, k, panels, divideUp(count, 4)),
          ...tuple(group, mPlane, vPlane, at.worker),
        ],
        (outPhases * panels) / group,
      );
    const products = way === 'deep' ? deepCall : multiplyCall;
    const [first, ...rest] = interleave(chunks(tiles, room), inputCall, products, outputCall);
    const before = way === 'deep' || at.ready ? [] : weights(at);
    return [[...before, ...first!], ...rest];
  };

  return {
    way,
    descriptor,
    scratchBytes: way === 'blocks' ? 0 : planeBytes,
    workerBytes: way === 'blocks' ? TRANSFORM_BYTES + planeBytes : WORKER_BYTES,
    weightBytes: way === 'deep' ? 0 : 4 * points * points * outPhases * uPlane,
    weights: (at) => (way === 'deep' ? [] : weights(at)),
    forward: way === 'blocks' ? blocks : byChunks,
  };
}

/**
 * Input transform | products | output transform for each chunk, where a chunk's output transform shares its phase with
 * the next chunk's input transform: they use only M and V.
 */
function interleave(
  list: readonly [first: number, count: number][],
  input: (chunk: [number, number]) => Call,
  multiply: (count: number) => Call,
  output: (chunk: [number, number]) => Call,
): Phase[] {
  const program: Phase[] = [];
  list.forEach((chunk, i) => {
    const before = list[i - 1];
    program.push(before ? [output(before), input(chunk)] : [input(chunk)], [multiply(chunk[1])]);
  });
  program.push([output(list.at(-1)!)]);
  return program;
}
