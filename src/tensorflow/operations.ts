/** The operations of a network in terms of TensorFlow's. */
import type { Node, NodeOf, Op, Value } from '../network/graph.js';
import { attention } from './attention.js';
import {
  type Affine,
  batchNorm,
  batchNormFused,
  batchNormRunning,
  type Statistics,
} from './batch-norm.js';
import { groupNorm } from './group-norm.js';
import { conv, convTranspose, embedding, type Filter, linear } from './layers.js';
import { adaNorm, gated } from './modulation.js';
import { patches, pixels, positioned } from './patches.js';
import {
  addPerChannel,
  concat,
  downsample,
  film,
  gelu,
  masked,
  relu,
  reshaped,
  scaled,
  silu,
  sum,
  upsample,
} from './pointwise.js';
import type { Tape } from './tape.js';

/**
 * How batch norms normalise: by running statistics, or by the batch's own, which `seen` may record; `gpu` leaves those to
 * the GPU's own library.
 */
export type Norms<V> =
  | { readonly mode: 'running'; readonly running: (name: string) => Statistics<V> }
  | {
      readonly mode: 'batch';
      readonly gpu: boolean;
      readonly seen?: (name: string, batch: Statistics<V>) => void;
    };

/** One pass of a network. */
export interface Pass<V> {
  readonly tape: Tape<V>;
  readonly batch: number;
  /** A bias, or a weight of a layer other than a convolution, by its state_dict name. */
  readonly parameter: (name: string) => V;
  /** The weights of a convolution. */
  readonly filter: (node: NodeOf<'conv'>) => Filter<V>;
  readonly norms: Norms<V>;
  /** The input of a node that reads no value: x_t, sinusoids, labels. */
  readonly fed: (node: NodeOf<'image' | 'sinusoid' | 'embedding'>) => V;
  /** The mask of a dropout; undefined if it does nothing. */
  readonly mask: (node: NodeOf<'dropout'>) => V | undefined;
  /** The result of a node. */
  readonly value: (of: Value) => V;
  /** The parts of one that is a vector. */
  readonly parts: (of: Value) => readonly V[];
}

const ACTIVATIONS = { relu, silu, gelu };

type Operations = { readonly [O in Op]: <V>(pass: Pass<V>, node: NodeOf<O>) => V };

const OPERATIONS = {
  image: (p, node) => p.fed(node),
  sinusoid: (p, node) => p.fed(node),
  embedding: (p, node) => {
    const { name, classes } = node.layer;
    return embedding(p.tape, p.parameter(`${name}.weight`), p.fed(node), classes);
  },
  conv: (p, node) => {
    const { kind, name, bias } = node.layer;
    const [x, filter] = [p.value(node.x), p.filter(node)];
    const b = bias ? p.parameter(`${name}.bias`) : undefined;
    return kind === 'conv' ? conv(p.tape, x, filter, b) : convTranspose(p.tape, x, filter, b!);
  },
  linear: (p, { layer, x, out }) => {
    const [w, b] = parameters(p, layer.name);
    if (x.side === 0) return linear(p.tape, p.value(x), w, b);
    const rows = p.batch * x.side ** 2;
    const flat = reshaped(p.tape, p.value(x), [rows, layer.inputs], shapeOf(p, x));
    const y = linear(p.tape, flat, w, b);
    return reshaped(p.tape, y, shapeOf(p, out), [rows, layer.outputs]);
  },
  norm: (p, node) => asImage(p, node.x, (x) => normalise(p, node, x)),
  activation: (p, { kind, x }) => ACTIVATIONS[kind](p.tape, p.value(x)),
  add: (p, { a, b, divisor }) => {
    const [x, y] = [p.value(a), p.value(b)];
    if (a.side === b.side) return sum(p.tape, x, y, divisor);
    return addPerChannel(p.tape, x, y, a.channels, divisor);
  },
  film: (p, { x, by }) => asImage(p, x, (image) => film(p.tape, image, p.value(by), x.channels)),
  adaNorm: (p, { eps, x, by, ...node }) => {
    const [shift, scale] = [p.parts(by)[node.shift]!, p.parts(by)[node.scale]!];
    return adaNorm(p.tape, p.value(x), { shift, scale }, { eps, channels: x.channels });
  },
  gate: (p, { a, x, by, gate }) =>
    gated(p.tape, p.value(a), p.value(x), p.parts(by)[gate]!, x.channels),
  patches: (p, { size, x, out }) => {
    const of = { batch: p.batch, side: out.side, size, channels: x.channels };
    return patches(p.tape, p.value(x), of);
  },
  pixels: (p, { size, x, out }) => {
    const of = { batch: p.batch, side: x.side, size, channels: out.channels };
    return pixels(p.tape, p.value(x), of);
  },
  positions: (p, node) => positioned(p.tape, p.value(node.x), node),
  scale: (p, { x, factor, offset }) => scaled(p.tape, p.value(x), factor, offset),
  concat: (p, { a, b }) => {
    const axis = a.side === 0 ? 1 : 3;
    return concat(p.tape, p.value(a), p.value(b), [a.channels, b.channels], axis);
  },
  upsample: (p, { x }) => upsample(p.tape, p.value(x), x.side),
  downsample: (p, { x }) => downsample(p.tape, p.value(x), x.side),
  dropout: (p, node) => {
    const [x, mask] = [p.value(node.x), p.mask(node)];
    return mask === undefined ? x : masked(p.tape, x, mask);
  },
  attention: (p, { q, k, v, heads, headDim }) => {
    const of = { batch: p.batch, pixels: q.side ** 2, heads, headDim };
    return attention(p.tape, [p.value(q), p.value(k), p.value(v)], of, shapeOf(p, q));
  },
} satisfies Operations;

/** Computes a node from earlier values. */
export const compute = <V>(pass: Pass<V>, node: Node): V => dispatch(pass, node.op, node);

const dispatch = <V, O extends Op>(pass: Pass<V>, op: O, node: NodeOf<O>): V =>
  (OPERATIONS as Operations)[op](pass, node);

const parameters = <V>({ parameter }: Pass<V>, layer: string): [weight: V, bias: V] => [
  parameter(`${layer}.weight`),
  parameter(`${layer}.bias`),
];

const shapeOf = <V>({ batch }: Pass<V>, { side, channels }: Value): number[] =>
  side === 0 ? [batch, channels] : [batch, side, side, channels];

/** A vector as an image of one pixel, for operations on images. */
function asImage<V>(p: Pass<V>, x: Value, body: (image: V) => V): V {
  if (x.side > 0) return body(p.value(x));
  const [vector, image] = [shapeOf(p, x), shapeOf(p, { ...x, side: 1 })];
  return reshaped(p.tape, body(reshaped(p.tape, p.value(x), image, vector)), vector, image);
}

function normalise<V>(p: Pass<V>, { layer, x: of }: NodeOf<'norm'>, x: V): V {
  const { tape, batch, norms } = p;
  const [scale, offset] = parameters(p, layer.name);
  const affine: Affine<V> = { scale, offset, eps: layer.eps };
  const pixels = Math.max(1, of.side) ** 2;
  if (layer.kind === 'groupNorm') {
    const { groups, outputs: channels } = layer;
    return groupNorm(tape, x, affine, { batch, channels, groups, pixels });
  }
  if (norms.mode === 'running') return batchNormRunning(tape, x, affine, norms.running(layer.name));
  const { y, statistics } = norms.gpu
    ? batchNormFused(tape, x, affine)
    : batchNorm(tape, x, affine, batch * pixels);
  norms.seen?.(layer.name, statistics);
  return y;
}
