import type { Argument, Call, Phase } from './program.js';

/**
 * Plans convolutions by Winograd's minimal filtering (assembly/winograd): descriptors, scratch and kernel calls. Pure:
 * pointers come in, programs go out. A tile's arithmetic does not depend on its neighbours or on the chunk it is in,
 * so an image's output does not depend on the batch; a weight gradient sums tiles in their order, chunk by chunk.
 */

/**
 * The convolutions of the U-Net: 3 x 3 stride 1, 4 x 4 stride 2, and the transpose of 4 x 4 stride 2; padding 1.
 * Each is the data gradient of one of them with the adjoint weights: conv of conv, down of up, up of down.
 */
export type ConvolutionKind = 'conv' | 'down' | 'up';

/** F(m, r): m x m outputs of r x r taps at a time. */
export type WinogradAlgorithm = 'F(4,3)' | 'F(2,3)' | 'F(4,2)' | 'F(2,2)';

interface Traits {
  /** The number the kernels know it by. */
  readonly id: number;
  /** Rows of outputs a tile has: m. */
  readonly side: number;
  /** Points in one dimension, and rows of inputs a tile has: n = m + r − 1. */
  readonly points: number;
  readonly kinds: readonly ConvolutionKind[];
  /** Products of the direct sum for each of its own. */
  readonly saving: number;
  /**
   * Bound on the largest error over the root mean square of the output, of normally distributed x and w with 128 to 2048
   * channels: measured, and at least half as much again. Weight gradients: up to 3.2e-5 over 64 x 64 x 16 pixels.
   */
  readonly error: number;
}

/** What there is to choose from. A direct sum in f32 has an error of 0.5e-5 to 1.5e-5. */
export const ALGORITHMS: Readonly<Record<WinogradAlgorithm, Traits>> = {
  'F(4,3)': { id: 43, side: 4, points: 6, kinds: ['conv'], saving: 4, error: 5e-5 },
  'F(2,3)': { id: 23, side: 2, points: 4, kinds: ['conv'], saving: 2.25, error: 1e-5 },
  'F(4,2)': { id: 42, side: 4, points: 5, kinds: ['down', 'up'], saving: 2.56, error: 8e-5 },
  'F(2,2)': { id: 22, side: 2, points: 3, kinds: ['down', 'up'], saving: 1.78, error: 2.5e-5 },
};

/** A tensor f32[batch, height, width, pixel] whose first `channels` (a multiple of 8) of each pixel count. */
export interface Feature {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  /** Floats from a pixel to the next: more than `channels` where the tensor is part of a concatenation. */
  readonly pixel: number;
}

export interface Convolution {
  readonly kind: ConvolutionKind;
  readonly algorithm: WinogradAlgorithm;
  readonly batch: number;
  readonly input: Feature;
  readonly output: Feature;
}

/** Floats between planes beyond what they hold: planes a power of two apart would fall on the same cache lines. */
const PLANE_PADDING = 80;

/** The same between the channels of a weight gradient's planes, in tiles. */
const TILE_PADDING = 4;

/**
 * Tiles transformed and multiplied at a time: few enough that V and M stay in the cache, many enough to pay for reading
 * U and for meeting at the barriers. Measured: from 48 to 144 (a third for the four phases of `up`) the time is the same.
 */
const FORWARD_CHUNK = { conv: 96, down: 96, up: 32 } as const;

/** The same for weight gradients. Measured: from 96 to 256 the time is the same. */
const GRADIENT_CHUNK = 128;

/** Bytes of scratch that each worker needs of its own: DEEP_SCRATCH of assembly/winograd/deep.ts, the largest. */
export const WORKER_BYTES = 4 * (144 + 2 * 36 * (64 * 8 + 16));

/** Tiles up to which a layer may be deep: V and M of all of them have to stay in the cache beside a block of weights. */
const DEEP_TILES = 64;

/** Channels of the block of weights that the deep kernels make at a time: BLOCK of assembly/winograd/deep.ts. */
const DEEP_BLOCK = 64;

/** The flags of `winogradOutput`. */
const ACCUMULATE = 1;
const RELU = 2;

/** Fields of assembly/winograd/tiling.ts, in its order. */
function tiling(g: {
  algorithm: Traits;
  tensor: Feature;
  down: number;
  across: number;
  step: number;
  origin: number;
  phases: number;
  plane: number;
  phaseStride: number;
  block: number;
  tile: number;
  eight: number;
  half: number;
}): number[] {
  const { height, width, channels, pixel } = g.tensor;
  return [
    ...[g.algorithm.id, height, width, channels, pixel, g.down, g.across, g.step, g.origin],
    ...[g.phases, g.plane, g.phaseStride, g.block, g.tile, g.eight, g.half],
  ];
}

/** Fields of `Taps` in assembly/winograd/weights.ts, in its order. */
function taps(g: {
  algorithm: Traits;
  channels: number;
  taps: number;
  phases: number;
  first: number;
  phaseRow: number;
  phaseColumn: number;
  row: number;
  column: number;
  plane: number;
  phaseStride: number;
  panelStride: number;
}): number[] {
  return [
    ...[g.algorithm.id, g.channels, g.taps, g.phases, g.first, g.phaseRow, g.phaseColumn],
    ...[g.row, g.column, g.plane, g.phaseStride, g.panelStride],
  ];
}

const TILING_BYTES = 4 * 16;

/** Where the taps of each phase lie in a weight, for the kernel's forward direction. */
const TAPS = {
  conv: { taps: 9, phases: 1, first: 0, phaseRow: 0, phaseColumn: 0, row: 3, column: 1 },
  down: { taps: 16, phases: 4, first: 0, phaseRow: 4, phaseColumn: 1, row: 8, column: 2 },
  up: { taps: 16, phases: 4, first: 0, phaseRow: 8, phaseColumn: 4, row: 2, column: 1 },
} as const;

/**
 * The weight gradient of `up` is that of `down` with input and output in each other's place, whose tap (ky, kx) is
 * at phase (ky & 1, kx & 1), row ky >> 1: counted from the end in the order that `up` stores.
 */
const UP_GRADIENT_TAPS = {
  ...{ taps: 16, phases: 4, first: 15, phaseRow: -8, phaseColumn: -4, row: -2, column: -1 },
} as const;

/** What both plans share. */
export interface Plan {
  /** To be copied to where the pointer `descriptor` says. */
  readonly descriptor: Int32Array;
  /**
   * Bytes of scratch that a run needs, at a multiple of 16; shared by the workers. Its contents mean nothing between runs.
   */
  readonly scratchBytes: number;
  /** Bytes of the transformed weights U, or of their gradient. */
  readonly weightBytes: number;
}

export interface ForwardPointers {
  readonly descriptor: number;
  readonly scratch: number;
  /** WORKER_BYTES for each worker. */
  readonly worker: Argument;
  readonly x: Argument;
  /** The transformed weights, `weightBytes` long; of a deep plan the weights themselves. */
  readonly weights: Argument;
  readonly y: Argument;
  /** f32[outputs]; 0 for none. */
  readonly bias?: Argument;
  /** x · scale[c] + shift[image][c] is convolved in place of x; padding stays zero. 0 for none. */
  readonly scale?: Argument;
  readonly shift?: Argument;
  /** Adds to y instead of overwriting it. */
  readonly accumulate?: boolean;
  /** max(y, 0) at the very end. */
  readonly relu?: boolean;
}

export interface ForwardPlan extends Plan {
  /** U from the weights W[Cout/8][tap][Cin][8]; needed once for each change of W. Empty for a deep plan. */
  weights(pointers: { descriptor: number; worker: Argument; w: Argument; u: Argument }): Phase;
  /** y = conv(x) + bias. */
  forward(pointers: ForwardPointers): Phase[];
}

export interface GradientPointers {
  readonly descriptor: number;
  readonly scratch: number;
  readonly worker: Argument;
  readonly x: Argument;
  readonly dy: Argument;
  /** The transformed gradient, `weightBytes` of scratch (none for layers with few tiles). */
  readonly du: Argument;
  /** Overwritten with the gradient, in the layout of the weights. */
  readonly dw: Argument;
  /** As in `ForwardPointers`: dw is then that of the convolution of x · scale + shift. */
  readonly scale?: Argument;
  readonly shift?: Argument;
}

export interface GradientPlan extends Plan {
  weightGradient(pointers: GradientPointers): Phase[];
}

const divideUp = (a: number, b: number): number => Math.ceil(a / b);

/** Tiles over the output of a convolution (over its input for `up`): down and across an image, and of the batch. */
function tileGrid({ kind, algorithm, batch, output }: Convolution): {
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
function transformItems(phases: number, tiles: number, channels: number): number {
  return phases * divideUp(tiles, 4) * divideUp(channels, 32);
}

/** [first, count] of each chunk. */
function chunks(tiles: number, size: number): [first: number, count: number][] {
  const list: [number, number][] = [];
  for (let first = 0; first < tiles; first += size)
    list.push([first, Math.min(size, tiles - first)]);
  return list;
}

/**
 * Whether a layer gains by transforming its weights on the way to the products, for each run anew: where they change
 * with every step, and are many while tiles are few. `deep` plans give the same bits and need no memory for U.
 */
export function prefersDeep(c: Convolution): boolean {
  return tileGrid(c).tiles <= DEEP_TILES && c.input.channels * c.output.channels >= 2 ** 16;
}

/**
 * Plans y = conv(x): the transform of its weights, and input transform | products | output transform by chunks.
 * @param deep transforms the weights in passing instead; for training (see `prefersDeep`)
 */
export function planForward(c: Convolution, deep = false): ForwardPlan {
  const algorithm = ALGORITHMS[c.algorithm];
  const { points } = algorithm;
  const { input, output, kind } = c;
  const inStep = kind === 'down' ? 2 : 1;
  const outStep = kind === 'up' ? 2 : 1;
  const inPhases = kind === 'conv' ? 1 : 4;
  const outPhases = kind === 'up' ? 4 : 1;
  const { down, across, tiles } = tileGrid(c);
  const chunk = Math.min(deep ? DEEP_TILES : FORWARD_CHUNK[kind], 4 * divideUp(tiles, 4));
  const planes = points * points * outPhases;
  /** Channels that the products sum over: all four phases of `down` are stacked. */
  const k = input.channels * inStep * inStep;
  const panels = output.channels / 8;
  /** Panels that share a read of V in a deep plan; fewer where that would leave few items to share out. */
  const group = panels % 2 === 0 && outPhases * panels >= 32 ? 2 : 1;
  const vPlane = chunk * k + PLANE_PADDING;
  const mPlane = chunk * output.channels + PLANE_PADDING;
  const uPlane = k * output.channels + PLANE_PADDING;
  const shared = { algorithm, down, across };
  const descriptor = Int32Array.from([
    ...tiling({
      ...{ ...shared, tensor: input, step: inStep, origin: -1, phases: inPhases, plane: vPlane },
      phaseStride: kind === 'up' ? points * points * vPlane : 4 * input.channels,
      ...{ block: 4 * k, tile: 4, eight: 32, half: 16 },
    }),
    ...tiling({
      ...{ ...shared, tensor: output, step: outStep, origin: 0, phases: outPhases, plane: mPlane },
      phaseStride: points * points * mPlane,
      ...{ block: 4 * output.channels, tile: 8, eight: 32, half: 4 },
    }),
    ...taps({
      ...{ algorithm, channels: input.channels, ...TAPS[kind], plane: uPlane },
      phaseStride: kind === 'up' ? points * points * uPlane : 8 * input.channels,
      panelStride: 8 * k,
    }),
  ]);
  return {
    descriptor,
    scratchBytes: 4 * planes * (vPlane + mPlane),
    weightBytes: deep ? 0 : 4 * planes * uPlane,
    weights: (at) =>
      deep
        ? []
        : [
            {
              kernel: 'winogradWeights',
              args: [at.u, at.w, at.descriptor + 2 * TILING_BYTES, at.worker],
              items: panels * divideUp(input.channels, 16),
            },
          ],
    forward(at) {
      const v = at.scratch;
      const m = v + 4 * planes * vPlane;
      const flags = (at.accumulate ? ACCUMULATE : 0) | (at.relu ? RELU : 0);
      const inputCall = ([first, count]: [number, number]): Call => ({
        kernel: 'winogradInput',
        args: [
          ...[v, at.x, at.descriptor, at.scale ?? 0, at.shift ?? 0],
          ...[first, count, at.worker],
        ],
        items: transformItems(inPhases, count, input.channels),
      });
      const outputCall = ([first, count]: [number, number]): Call => ({
        kernel: 'winogradOutput',
        args: [
          ...[at.y, m, at.descriptor + TILING_BYTES, at.bias ?? 0, flags],
          ...[first, count, at.worker],
        ],
        items: transformItems(outPhases, count, output.channels),
      });
      const multiplyCall = (count: number): Call => ({
        kernel: 'winogradMultiply',
        args: [m, v, at.weights, k, panels, divideUp(count, 4), mPlane, vPlane, uPlane],
        items: planes * panels,
      });
      const deepCall = (count: number): Call => ({
        kernel: 'winogradMultiplyDeep',
        args: [
          ...[m, v, at.weights, at.descriptor + 2 * TILING_BYTES],
          ...[k, panels, divideUp(count, 4), group, mPlane, vPlane, at.worker],
        ],
        items: (outPhases * panels) / group,
      });
      const products = deep ? deepCall : multiplyCall;
      return interleave(chunks(tiles, chunk), inputCall, products, outputCall);
    },
  };
}

/**
 * Input transform | products | output transform for each chunk, where a chunk's output transform shares its phase with
 * the next chunk's input transform: they touch M and V alone.
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

/** Plans dw from x and dy: transforms of both | products summed over the tiles, by chunks; then the way back to taps. */
export function planWeightGradient(c: Convolution): GradientPlan {
  const algorithm = ALGORITHMS[c.algorithm];
  const { points } = algorithm;
  const { input, output, kind } = c;
  const swapped = kind === 'up';
  /** The tensor that the taps slide over, and the one that they are multiplied with. */
  const [wide, narrow] = swapped ? [output, input] : [input, output];
  const step = kind === 'conv' ? 1 : 2;
  const phases = step * step;
  const { down, across, tiles } = tileGrid(c);
  const planes = points * points;
  const rows = input.channels * (swapped ? 1 : phases);
  const columns = output.channels * (swapped ? phases : 1);
  /** Where V and D of all tiles are smaller than dU, each block of dU is made and used up in the cache. */
  const deep = tiles * (rows + columns) <= rows * columns;
  const chunk = deep ? tiles : Math.min(GRADIENT_CHUNK, tiles);
  const room = chunk + TILE_PADDING;
  const vPlane = room * rows + PLANE_PADDING;
  const dPlane = room * columns + PLANE_PADDING;
  const uPlane = rows * columns + PLANE_PADDING;
  const rowLayout = { block: 16, tile: 4, eight: 8 * room, half: 4 * room };
  const panelLayout = { block: 32, tile: 8, eight: 8 * room, half: 4 };
  const wideTiling = { tensor: wide, step, origin: -1, phases, phaseStride: room * wide.channels };
  const narrowTiling = { tensor: narrow, step: 1, origin: 0, phases: 1, phaseStride: 0 };
  const shared = { algorithm, down, across };
  const descriptor = Int32Array.from([
    ...tiling({
      ...{ ...shared, ...(swapped ? narrowTiling : wideTiling), ...rowLayout, plane: vPlane },
    }),
    ...tiling({
      ...{ ...shared, ...(swapped ? wideTiling : narrowTiling), ...panelLayout, plane: dPlane },
    }),
    ...taps({
      ...{ algorithm, channels: input.channels, ...(swapped ? UP_GRADIENT_TAPS : TAPS[kind]) },
      ...{ plane: uPlane, panelStride: 8 * rows },
      phaseStride: swapped ? output.channels * rows : 8 * input.channels,
    }),
  ]);
  return {
    descriptor,
    scratchBytes: 4 * planes * (vPlane + dPlane),
    weightBytes: deep ? 0 : 4 * planes * uPlane,
    weightGradient(at) {
      const v = at.scratch;
      const d = v + 4 * planes * vPlane;
      const program: Phase[] = [];
      for (const [first, count] of chunks(tiles, chunk)) {
        program.push([
          {
            kernel: swapped ? 'winogradGradient' : 'winogradInput',
            args: [
              ...[v, at.x, at.descriptor, at.scale ?? 0, at.shift ?? 0],
              ...[first, count, at.worker],
            ],
            items: transformItems(swapped ? 1 : phases, count, input.channels),
          },
          {
            kernel: swapped ? 'winogradInput' : 'winogradGradient',
            args: [d, at.dy, at.descriptor + TILING_BYTES, 0, 0, first, count, at.worker],
            items: transformItems(swapped ? phases : 1, count, output.channels),
          },
        ]);
        if (deep) {
          program.push([
            {
              kernel: 'winogradGradientDeep',
              args: [
                ...[at.dw, v, d, at.descriptor + 2 * TILING_BYTES],
                ...[rows, columns / 8, room, tiles, vPlane, dPlane, at.worker],
              ],
              items: (rows / input.channels) * divideUp(input.channels, DEEP_BLOCK) * (columns / 8),
            },
          ]);
          return program;
        }
        program.push([
          {
            kernel: 'winogradAccumulate',
            args: [
              ...[at.du, v, d, rows, columns / 8, room, count],
              ...[uPlane, vPlane, dPlane, first > 0 ? 1 : 0],
            ],
            items: planes * (columns / 8),
          },
        ]);
      }
      program.push([
        {
          kernel: 'winogradWeightGradient',
          args: [at.dw, at.du, at.descriptor + 2 * TILING_BYTES, at.worker],
          items: (output.channels / 8) * divideUp(input.channels, 16),
        },
      ]);
      return program;
    },
  };
}
