/** How TensorFlow may rewrite a graph, as the configuration of its session. */
import { UsageError } from '../errors.js';
import type { Graph } from '../network/graph.js';

/** The file beside a saved model that the binding reads it from. */
export const CONFIG_FILE = 'config.pb';

/**
 * The layout of images on a GPU. `nhwc`: as Haze's graphs have it, which cuDNN's fastest TF32 kernels take. `auto`: TensorFlow's own choice,
 * which is NCHW for a graph with gradients in f32, with a transposition wherever such an operation meets one that it cannot convert.
 */
export type Layout = 'nhwc' | 'auto';

/** Overrides the layout, for measurements. */
const LAYOUT_VARIABLE = 'HAZE_TENSORFLOW_LAYOUT';

/**
 * `auto` for networks with batch norms: cuDNN's are NCHW, and all else in these networks converts. Group norms are several operations
 * each, most of which do not: each norm of `UNet2DModel` would have transpositions before and after it.
 * @throws UsageError for another value of `HAZE_TENSORFLOW_LAYOUT`.
 */
export function layoutOf(graph: Graph, env: NodeJS.ProcessEnv = process.env): Layout {
  const given = env[LAYOUT_VARIABLE];
  if (given === 'nhwc' || given === 'auto') return given;
  if (given !== undefined)
    throw new UsageError(`${LAYOUT_VARIABLE} must be nhwc or auto, got ${JSON.stringify(given)}`);
  const batchNorms = graph.layers.some(({ kind }) => kind === 'batchNorm');
  return batchNorms ? 'auto' : 'nhwc';
}

/** The bytes of a `ConfigProto`; none is TensorFlow's default. */
export const sessionConfig = (layout: Layout): Uint8Array =>
  layout === 'auto'
    ? new Uint8Array()
    : message(GRAPH_OPTIONS, message(REWRITE_OPTIONS, Uint8Array.of(LAYOUT_OPTIMIZER, OFF)));

/** Keys of protocol buffers: the field's number in the upper bits, its kind in the lower three. */
const GRAPH_OPTIONS = (10 << 3) | 2;
const REWRITE_OPTIONS = (10 << 3) | 2;
const LAYOUT_OPTIMIZER = 1 << 3;
/** `RewriterConfig.OFF`. */
const OFF = 2;

const message = (key: number, content: Uint8Array): Uint8Array =>
  Uint8Array.of(key, content.length, ...content);
