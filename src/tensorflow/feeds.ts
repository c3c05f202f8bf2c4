/** The inputs of a pass: x_t, the sinusoids and labels that the network's nodes read, the masks of its dropouts, ε. */
import type { NetworkInput } from '../contracts/device.js';
import type { CounterRandom } from '../diffusion/random.js';
import { RunError } from '../errors.js';
import { DROPOUT, dropoutScale, dropoutThreshold } from '../network/dropout.js';
import type { NodeOf } from '../network/graph.js';
import { sinusoids } from '../network/sinusoid.js';
import { elements } from '../network/state.js';
import type { NetworkShape } from './algorithm.js';

/** One batch, as a device receives it. */
export interface Batch extends NetworkInput {
  readonly noise?: Float32Array;
  /** The optimizer's steps so far. */
  readonly step: number;
  /** The index of the first image in its step; default 0. */
  readonly first?: number;
}

/** One input of a routine. */
export interface Feed {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: (of: Batch, random: CounterRandom) => Float32Array;
}

const NOISE = 'noise';
const WEIGHTS = 'weights';

/** The name of a node's input. */
function feedName(node: NodeOf<'image' | 'sinusoid' | 'embedding' | 'dropout'>): string {
  switch (node.op) {
    case 'image':
      return 'xt';
    case 'embedding':
      return 'labels';
    case 'sinusoid':
      return `sinusoid-${node.out.id}`;
    case 'dropout':
      return `dropout-${node.index}`;
    default:
      return node satisfies never;
  }
}

/** The inputs of prediction. */
export function predictionFeeds({ graph, batch }: NetworkShape): Feed[] {
  const feeds = graph.nodes.flatMap((node): Feed[] => {
    switch (node.op) {
      case 'image': {
        const shape = [batch, graph.size, graph.size, graph.channels];
        return [{ name: feedName(node), shape, values: ({ xt }) => xt }];
      }
      case 'sinusoid': {
        const { channels } = node.out;
        const values = ({ t, labels }: Batch) =>
          sinusoids(node.of === 'time' ? t : labels!, node, channels);
        return [{ name: feedName(node), shape: [batch, channels], values }];
      }
      case 'embedding':
        return [
          {
            name: feedName(node),
            shape: [batch],
            values: ({ labels }) => Float32Array.from(labels!),
          },
        ];
      default:
        return [];
    }
  });
  // Several nodes may read the image or the labels.
  return [...new Map(feeds.map((feed) => [feed.name, feed])).values()];
}

/** The inputs of training: masks and ε too. */
export function trainingFeeds(shape: NetworkShape, weighted = false): Feed[] {
  const { graph, batch } = shape;
  const masks = graph.nodes.flatMap((node): Feed[] => {
    if (node.op !== 'dropout') return [];
    const { side, channels } = node.out;
    const size = side === 0 ? [batch, channels] : [batch, side, side, channels];
    const values = ({ step, first = 0 }: Batch, random: CounterRandom) =>
      mask(random, node, step, elements(size), (first * elements(size)) / batch);
    return [{ name: feedName(node), shape: size, values }];
  });
  const { side, channels } = graph.output;
  const image = [batch, side, side, channels];
  const noise = { name: NOISE, shape: image, values: ({ noise }: Batch) => noise! };
  const weights = { name: WEIGHTS, shape: [batch, 1, 1, 1], values: lossWeights };
  return [...predictionFeeds(shape), ...masks, noise, ...(weighted ? [weights] : [])];
}

/** @throws RunError if a batch has none */
function lossWeights({ weights }: Batch): Float32Array {
  if (!weights) throw new RunError('this network was planned for weights');
  return weights;
}

/** 0 where a value is dropped, else 1/(1 − rate). */
function mask(
  random: CounterRandom,
  { rate, index }: NodeOf<'dropout'>,
  step: number,
  count: number,
  first: number,
): Float32Array {
  const [threshold, scale] = [dropoutThreshold(rate), dropoutScale(rate)];
  const words = random.words(DROPOUT, step, count, index, first);
  const out = new Float32Array(count);
  for (let i = 0; i < count; i++) out[i] = words[i]! < threshold ? 0 : scale;
  return out;
}

/** The fed values, by name. */
export class Fed<V> {
  readonly #values: ReadonlyMap<string, V>;

  constructor(feeds: readonly Feed[], values: readonly V[]) {
    this.#values = new Map(feeds.map(({ name }, i) => [name, values[i]!]));
  }

  of(node: Parameters<typeof feedName>[0]): V | undefined {
    return this.#values.get(feedName(node));
  }

  /** Weights of the images' losses, if they have any. */
  get weights(): V | undefined {
    return this.#values.get(WEIGHTS);
  }

  get noise(): V {
    return this.#values.get(NOISE)!;
  }
}
