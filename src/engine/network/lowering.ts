import { BLOCK } from '../../../assembly/constants.js';
import { RunError } from '../../errors.js';
import { DROPOUT } from '../../network/dropout.js';
import type { NodeOf, Value } from '../../network/graph.js';
import {
  type Attention,
  attentionBackwardItems,
  attentionBackwardScratch,
  attentionItems,
  attentionSaved,
  attentionScratch,
} from '../attention.js';
import { NULL, type Pointer } from '../pointer.js';
import { type Address, type Call, call, type KernelName, type Phase, tuple } from '../program.js';
import { splitSeed } from '../seed.js';
import { pixels, slice, strided, type View } from '../tensors.js';
import { convolveForward, copyCall } from './convolve.js';
import { convolveBackward } from './convolve-backward.js';
import { channelsOf, tableName } from './memory.js';
import { adaNormBackward, adaNormForward, gateBackward, gateForward } from './modulation.js';
import {
  batchNormBackward,
  batchNormForward,
  groupNormBackward,
  groupNormForward,
} from './norms.js';
import { pass } from './pass.js';
import {
  patchesBackward,
  patchesForward,
  pixelsBackward,
  pixelsForward,
  positionsForward,
} from './patches.js';
import type { StepOf, StepOp } from './steps.js';
import { blocksOf, joinSums } from './sums.js';
import type { Walk } from './walk.js';

/** Every step's kernel calls, forward and backward. Phases run one after the other; calls within a phase are independent. */

interface Lowering<S> {
  forward(walk: Walk, step: S): Phase[];
  /** From the gradient of `out` to those of the inputs; called only if both are needed. */
  backward(walk: Walk, step: S): Phase[];
}

const nothing = (): Phase[] => [];

interface Activation {
  /** The kernel of its derivative. */
  readonly derivative: KernelName;
  /** Whether that reads the input or the output. */
  readonly reads: 'x' | 'out';
  /** Elements of an item of both kernels. */
  readonly each: 4 | 8;
}

const ACTIVATIONS = {
  relu: { derivative: 'reluBackward', reads: 'out', each: 4 },
  silu: { derivative: 'siluBackward', reads: 'x', each: 4 },
  gelu: { derivative: 'geluBackward', reads: 'x', each: 8 },
} as const satisfies Record<NodeOf<'activation'>['kind'], Activation>;

export const LOWERINGS: { readonly [O in StepOp]: Lowering<StepOf<O>> } = {
  image: {
    forward: (walk, { out }) => {
      const { graph } = walk.memory.shape;
      const args = tuple(walk.view(out).at, walk.memory.xt, graph.channels);
      return [[call('padChannels', args, walk.batch * graph.size ** 2)]];
    },
    backward: nothing,
  },
  sinusoid: {
    forward: (walk, { of, out }) => {
      const { at, channels } = walk.view(out);
      const [rows, every]: [Address, boolean] =
        of === 'time' ? [walk.t.at, walk.t.every] : [walk.memory.labels, true];
      const table = walk.kept(tableName(out.id)) ?? NULL;
      return [[call('timeEmbedding', [at, table, rows, channels, every ? 1 : 0], walk.batch)]];
    },
    backward: nothing,
  },
  embedding: {
    forward: (walk, { layer, out }) => {
      const y = walk.view(out);
      const table = walk.weights(walk.layer(layer.name).weight);
      const { labels } = walk.memory;
      return [[call('embeddingForward', [...strided(y), table, labels, y.channels], walk.batch)]];
    },
    backward: (walk, { layer, out }) => {
      const dy = walk.gradient(out);
      const dw = walk.gradients(walk.layer(layer.name).weight);
      const { labels } = walk.memory;
      const args = tuple(dw, ...strided(dy), labels, walk.batch, dy.channels);
      return [[call('embeddingBackward', args, layer.classes)]];
    },
  },
  convolve: {
    forward: convolveForward,
    backward: (walk, step) => {
      const before = reluOf(walk, step);
      const { parameters, input } = convolveBackward(walk, step);
      return [...before, ...parameters, ...input, ...sideBackward(walk, step)];
    },
  },
  batchNorm: { forward: batchNormForward, backward: batchNormBackward },
  groupNorm: { forward: groupNormForward, backward: groupNormBackward },
  activation: {
    forward: (walk, { kind, x, out }) => {
      const y = walk.view(out);
      const { at, calls } = contiguousOf(walk, walk.view(x), y.at);
      return [...calls, [call(kind, [y.at, at], elements(walk, y) / ACTIVATIONS[kind].each)]];
    },
    backward: (walk, { kind, x, out }) => {
      const dy = walk.gradient(out);
      const { derivative, reads, each } = ACTIVATIONS[kind];
      const by = walk.view(reads === 'x' ? x : out);
      const copy = walk.scratch('contiguous', 4 * walk.batch * pixels(by) * by.channels);
      const { at, calls } = contiguousOf(walk, by, copy);
      return [
        ...calls,
        [call(derivative, [dy.at, at], elements(walk, dy) / each)],
        ...pass(walk, x, out),
      ];
    },
  },
  concat: {
    forward: (walk, step) => {
      const whole = walk.view(step.out);
      const copies = partsOf(step)
        .filter(({ value, first }) => !walk.liesIn(value, step.out, first))
        .map(({ value, first }) => {
          const to = slice(whole, first, channelsOf(value));
          return copyCall(walk, to, walk.view(value), false);
        });
      return copies.length > 0 ? [copies] : [];
    },
    backward: (walk, step) => {
      const whole = walk.gradient(step.out);
      const parts = partsOf(step).filter(({ value }) => walk.wants(value));
      const within = parts.filter(({ value, first }) => walk.liesIn(value, step.out, first));
      for (const { value } of within) walk.accumulates(value);
      // A part that is not placed in the concatenation has its gradient elsewhere; one that occurs twice has the sum.
      return parts
        .filter((part) => !within.includes(part))
        .map(({ value, first }): Phase => {
          const from = slice(whole, first, channelsOf(value));
          const add = walk.accumulates(value);
          return [copyCall(walk, walk.gradient(value), from, add)];
        });
    },
  },
  add: {
    forward: (walk, { a, b, divisor, out }) => {
      const y = walk.view(out);
      const sum =
        b.side === a.side
          ? [[copyCall(walk, y, walk.view(a), false)], [copyCall(walk, y, walk.view(b), true)]]
          : [[addVectorCall(walk, y, walk.view(a), walk.view(b))]];
      return [...sum, ...scaleBy(walk, out, y, y, 1 / divisor)];
    },
    backward: (walk, { a, b, divisor, out }) => {
      const dy = walk.gradient(out);
      const phases = scaleBy(walk, out, dy, dy, 1 / divisor);
      if (b.side !== a.side) {
        phases.push(...vectorGradient(walk, b, dy));
        return [...phases, ...pass(walk, a, out)];
      }
      // The first is copied or added, so that the second may reuse the buffer.
      if (walk.wants(a)) {
        const add = walk.accumulates(a);
        phases.push([copyCall(walk, walk.gradient(a), dy, add)]);
      }
      return [...phases, ...pass(walk, b, out)];
    },
  },
  adaNorm: { forward: adaNormForward, backward: adaNormBackward },
  gate: { forward: gateForward, backward: gateBackward },
  patches: { forward: patchesForward, backward: patchesBackward },
  pixels: { forward: pixelsForward, backward: pixelsBackward },
  positions: { forward: positionsForward, backward: (walk, { x, out }) => pass(walk, x, out) },
  scale: {
    forward: (walk, { x, factor, offset, out }) =>
      scaleBy(walk, out, walk.view(out), walk.view(x), factor, { offset }),
    backward: (walk, { x, factor, out }) => {
      const dy = walk.gradient(out);
      walk.takesOver(x, out);
      const accumulate = walk.accumulates(x);
      return scaleBy(walk, out, walk.gradient(x), dy, factor, { accumulate });
    },
  },
  upsample: {
    forward: (walk, { x, out }) => {
      const [from, y] = [walk.view(x), walk.view(out)];
      const args = tuple(...strided(y), ...strided(from), y.height, y.width, y.channels);
      return [[call('upsampleNearest2', args, walk.batch * y.height)]];
    },
    backward: (walk, { x, out }) => {
      const dy = walk.gradient(out);
      const add = walk.accumulates(x);
      const dx = walk.gradient(x);
      const args = tuple(...strided(dx), ...strided(dy), dy.height, dy.width, dx.channels, add);
      return [[call('sumNearest2', args, walk.batch * dx.height)]];
    },
  },
  downsample: {
    forward: (walk, { x, out }) => {
      const [from, y] = [walk.view(x), walk.view(out)];
      const args = tuple(...strided(y), ...strided(from), from.height, from.width, from.channels);
      return [[call('averagePool2', args, walk.batch * y.height)]];
    },
    backward: (walk, { x, out }) => {
      const dy = walk.gradient(out);
      const add = walk.accumulates(x);
      const dx = walk.gradient(x);
      const args = tuple(...strided(dx), ...strided(dy), dx.height, dx.width, dx.channels, add);
      return [[call('spreadAverage2', args, walk.batch * dx.height)]];
    },
  },
  dropout: {
    forward: (walk, step) => {
      const [x, y] = [walk.view(step.x), walk.view(step.out)];
      // Evaluation passes everything through.
      if (walk.mode !== 'train') return [[copyCall(walk, y, x, false)]];
      return [[dropoutCall(walk, step, y, x)]];
    },
    backward: (walk, step) => {
      const dy = walk.gradient(step.out);
      return [[dropoutCall(walk, step, dy, dy)], ...pass(walk, step.x, step.out)];
    },
  },
  attention: {
    forward: (walk, step) => {
      const [q, k, v, out] = [step.q, step.k, step.v, step.out].map((x) => walk.view(x)) as [
        ...[View, View, View, View],
      ];
      const shape = attentionShape(walk, step);
      const saved = walk.memory.shape.training
        ? walk.floats(savedName(step), attentionSaved(shape))
        : NULL;
      const scratch = walk.worker(attentionScratch(shape));
      const args = tuple(
        ...tuple(...strided(out), saved, ...strided(q), ...strided(k), ...strided(v)),
        ...tuple(shape.tokens, step.heads, step.headDim, out.channels),
        ...tuple(1 / Math.sqrt(step.headDim), scratch),
      );
      const label = `${step.name} forward`;
      return [[call('attention', args, attentionItems(shape), { label })]];
    },
    backward: (walk, step) => {
      const [q, k, v, out] = [step.q, step.k, step.v, step.out].map((x) => walk.view(x)) as [
        ...[View, View, View, View],
      ];
      const shape = attentionShape(walk, step);
      const saved = walk.floats(savedName(step), attentionSaved(shape));
      const scratch = walk.worker(attentionBackwardScratch(shape));
      const dout = walk.gradient(step.out);
      const [dq, dk, dv] = [step.q, step.k, step.v].map((x) => {
        if (walk.accumulates(x))
          throw new RunError(`${step.name}: queries, keys and values are read by others, too`);
        return walk.gradient(x);
      }) as [View, View, View];
      const args = tuple(
        ...tuple(...strided(dq), ...strided(dk), ...strided(dv), ...strided(dout)),
        ...tuple(...strided(out), saved, ...strided(q), ...strided(k), ...strided(v)),
        ...tuple(shape.tokens, step.heads, step.headDim, out.channels),
        ...tuple(1 / Math.sqrt(step.headDim), scratch),
      );
      const label = `${step.name} backward`;
      return [[call('attentionBackward', args, attentionBackwardItems(shape), { label })]];
    },
  },
};

/** Name of what attention saves for its backward pass. */
const savedName = ({ out }: StepOf<'attention'>): string => `saved ${out.id}`;

/** Back through the ReLU that is fused with a layer; a batch norm after it has done that itself. */
function reluOf(walk: Walk, { relu, out }: StepOf<'convolve'>): Phase[] {
  const readers = walk.memory.schedule.readers.get(out.id) ?? [];
  if (!relu || (readers.length > 0 && readers.every(({ op }) => op === 'batchNorm'))) return [];
  if (walk.sums?.place === walk.gradientPlace(out)) walk.sums = undefined;
  const dy = walk.gradient(out);
  return [[call('reluBackward', [dy.at, walk.view(out).at], elements(walk, dy) / 4)]];
}

/** The gradient of a sum goes to both of its operands: unchanged to the one that was there before. */
export function sideBackward(walk: Walk, { side, out }: StepOf<'convolve'>): Phase[] {
  if (!side) return [];
  if (!walk.liesIn(side, out, 0)) return pass(walk, side, out);
  walk.arrives(side);
  return [];
}

/** The parts of a concatenation with the channels before them; the second first, which is more often a skip. */
const partsOf = ({ a, b }: StepOf<'concat'>) => [
  { value: b, first: channelsOf(a) },
  { value: a, first: 0 },
];

/** Elements of a contiguous tensor, a multiple of eight. */
function elements(walk: Walk, view: View): number {
  if (view.stride !== view.channels)
    throw new RunError('an activation by itself writes no part of a concatenation');
  return walk.batch * pixels(view) * view.channels;
}

/** A contiguous form of a tensor: in place, or copied to `copy`. */
function contiguousOf(walk: Walk, view: View, copy: Pointer): { at: Pointer; calls: Phase[] } {
  if (view.stride === view.channels) return { at: view.at, calls: [] };
  const to = { ...view, at: copy, stride: view.channels };
  return { at: copy, calls: [[copyCall(walk, to, view, false)]] };
}

function addVectorCall(walk: Walk, y: View, x: View, vector: View): Call {
  const args = tuple(...strided(y), ...strided(x), ...strided(vector), pixels(y), y.channels);
  return call('addVector', args, walk.batch * Math.ceil(pixels(y) / BLOCK));
}

/** The gradient of a vector that was added to every pixel: each image's sums. */
function vectorGradient(walk: Walk, vector: Value, dy: View): Phase[] {
  if (!walk.wants(vector)) return [];
  if (walk.accumulates(vector))
    throw new RunError('a vector that is added to pixels is read by others, too');
  const blocks = blocksOf(dy);
  const c = dy.channels;
  const partial = walk.scratch('columns', 4 * walk.batch * blocks * c);
  walk.sums = undefined;
  return [
    [call('columnSums', [partial, dy.at, pixels(dy), dy.stride, c], walk.batch * blocks)],
    [joinSums(walk, walk.gradient(vector), partial, blocks, c)],
  ];
}

/** y (+)= x·factor + offset for all real channels of `value`; nothing for a factor of 1 in place. */
function scaleBy(
  walk: Walk,
  value: Value,
  y: View,
  x: View,
  factor: number,
  { offset = 0, accumulate = false } = {},
): Phase[] {
  if (factor === 1 && offset === 0 && y === x) return [];
  if (offset !== 0 && value.parts.length > 1)
    throw new RunError('an offset would fill the padding of a concatenation');
  const rows = walk.batch * pixels(y);
  const channels = tuple(y.channels, value.channels);
  const args = tuple(...strided(y), ...strided(x), ...channels, factor, offset, accumulate);
  return [[call('scaleShiftConstant', args, rows)]];
}

function dropoutCall(walk: Walk, { rate, index, x }: StepOf<'dropout'>, y: View, from: View): Call {
  const [low, high] = splitSeed(walk.memory.shape.seed);
  const places = walk.kept(realName(x)) ?? NULL;
  const args = tuple(
    ...tuple(...strided(y), ...strided(from), places, pixels(y), y.channels, x.channels),
    ...tuple(rate, walk.memory.first, low, high, DROPOUT, { base: 0, perStep: 1 }, index),
  );
  return call('dropout', args, walk.batch * Math.ceil(pixels(y) / BLOCK));
}

/** Name of the table of the real channel at each padded one. */
export const realName = ({ parts }: Value): string => `channels ${parts.join(' ')}`;

function attentionShape(walk: Walk, { q, heads, headDim }: StepOf<'attention'>): Attention {
  return { images: walk.batch, tokens: q.side ** 2, heads, width: headDim };
}
