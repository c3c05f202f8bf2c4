/** An estimate of a network's memory on TensorFlow, which neither plans nor reports it. */
import type { NetworkOptions } from '../contracts/device.js';
import {
  type Graph,
  inputsOf,
  type Node,
  type NodeOf,
  type Op,
  type Value,
} from '../network/graph.js';
import { buildNetwork } from '../network/network.js';
import { countParameters } from '../network/parameters.js';
import { chooseTile, convolutions, type NetworkShape, type Use } from './algorithm.js';
import { attentionParts } from './attention.js';
import { loweredSize } from './lowering.js';

/** Bytes of libtensorflow and tfjs themselves. */
const LIBRARY = 450e6;

/** Temporary values, in units of the largest image. */
const WORK: Readonly<Record<Use, number>> = { training: 6, prediction: 2 };

type Options = Pick<NetworkOptions, 'architecture' | 'size' | 'batch' | 'ema'>;

/** Bytes of a process with one network; `direct` if TensorFlow's own convolutions compute everything. */
export const estimateMemory = (options: Options, use: Use, direct = false): number =>
  LIBRARY + estimateNetwork(options, use, direct);

/** Bytes of a network if libtensorflow is already loaded. */
export const estimateNetwork = (
  { architecture, size, batch, ema = [] }: Options,
  use: Use,
  direct = false,
): number => estimateGraph(buildNetwork(architecture, size), batch, use, ema.length, direct);

/** The same of any graph; `averages` of its weights are kept in training. */
export function estimateGraph(
  graph: Graph,
  batch: number,
  use: Use,
  averages = 0,
  direct = false,
): number {
  const shape = { graph, batch };
  // Weights; in training also gradients, two moments and averages.
  const parameters = countParameters(graph) * (use === 'training' ? 4 + averages : 1);
  const images = use === 'training' ? keptValues(shape) : aliveValues(shape);
  const largest = Math.max(...shape.graph.nodes.map(({ out }) => count(out, batch)));
  const lowered = direct ? 0 : loweredValues(shape, use);
  return 4 * (parameters + images + WORK[use] * largest + lowered);
}

const count = ({ side, channels }: Value, batch: number): number =>
  batch * Math.max(1, side) ** 2 * channels;

/** What an operation saves for the backward pass: values of the network, and further numbers. */
interface Kept {
  readonly values?: readonly Value[];
  readonly more?: number;
}

/** What an activation saves besides its result: its input, and what its sigmoid is of. */
const INNER = { relu: 0, silu: 1, gelu: 2 };

const KEPT = {
  image: () => ({}),
  sinusoid: () => ({}),
  embedding: () => ({}),
  conv: ({ x }) => ({ values: [x] }),
  linear: ({ x }) => ({ values: [x] }),
  norm: ({ layer, x }, batch) =>
    layer.kind === 'batchNorm' ? { values: [x] } : { more: count(x, batch) },
  activation: ({ kind, out }, batch) => ({
    values: [out],
    more: INNER[kind] * count(out, batch),
  }),
  add: () => ({}),
  film: ({ x }) => ({ values: [x] }),
  adaNorm: ({ x }, batch) => ({ more: count(x, batch) }),
  gate: ({ x }) => ({ values: [x] }),
  patches: () => ({}),
  pixels: () => ({}),
  positions: () => ({}),
  scale: () => ({}),
  concat: () => ({}),
  upsample: () => ({}),
  downsample: () => ({}),
  dropout: ({ out }, batch) => ({ more: count(out, batch) }),
  attention: ({ q, heads, headDim }, batch) => {
    const pixels = q.side ** 2;
    const parts = attentionParts({ batch, pixels, heads, headDim });
    // A single part's weights are kept; of several, one is in memory at a time.
    return { more: 4 * count(q, batch) + parts[0]! * heads * pixels ** 2 };
  },
} satisfies { [O in Op]: (node: NodeOf<O>, batch: number) => Kept };

const kept = <O extends Op>(op: O, node: NodeOf<O>, batch: number): Kept =>
  (KEPT as { [P in Op]: (node: NodeOf<P>, batch: number) => Kept })[op](node, batch);

/** Numbers that the forward pass saves for the backward pass. */
function keptValues({ graph, batch }: NetworkShape): number {
  const all = graph.nodes.map((node: Node) => kept(node.op, node, batch));
  const values = new Set(all.flatMap(({ values = [] }) => values));
  const more = all.reduce((sum, { more = 0 }) => sum + more, 0);
  return [...values].reduce((sum, value) => sum + count(value, batch), more);
}

/** Numbers alive at once during a pass, each value from its computation to its last use. */
function aliveValues({ graph, batch }: NetworkShape): number {
  const last = lastReadings(graph);
  let alive = 0;
  let most = 0;
  for (const [i, node] of graph.nodes.entries()) {
    alive += count(node.out, batch);
    most = Math.max(most, alive);
    for (const value of new Set([...inputsOf(node), node.out]))
      if ((last.get(value) ?? i) === i) alive -= count(value, batch);
  }
  return most;
}

function lastReadings({ nodes }: Graph): Map<Value, number> {
  return new Map(nodes.flatMap((node, i) => inputsOf(node).map((value) => [value, i] as const)));
}

/**
 * Values in the forms of convolutions as products: their weights are kept (in training until the backward pass has read them),
 * and of images everything that the backward pass reads, or in prediction only the largest layer's.
 */
function loweredValues(shape: NetworkShape, use: Use): number {
  const forms = convolutions(shape).flatMap(([, c]) => {
    const tile = chooseTile(c, use);
    if (tile === null) return [];
    const { points, rows, pixels } = loweredSize(c, tile);
    const depth = pixels * c.inputs;
    return [{ weights: points * depth * c.outputs, image: points * rows * (depth + c.outputs) }];
  });
  const images = forms.map(({ image }) => image);
  const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
  const alive = use === 'training' ? sum(images) : Math.max(0, ...images);
  return sum(forms.map(({ weights }) => weights)) + alive;
}
