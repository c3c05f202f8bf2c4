/** The U-Net's forward pass, stage by stage, over any `Ops`: the same description that the wasm device runs. */
import { type Architecture, stages } from '../unet/architecture.js';
import {
  addPerChannel,
  batchNorm,
  batchNormFused,
  batchNormRunning,
  concat,
  conv,
  convTranspose,
  type Filter,
  linear,
  relu,
  type Statistics,
} from './layers.js';
import type { Tape } from './tape.js';

/** Architecture, image side and batch: what fixes every shape. */
export interface UnetShape {
  readonly architecture: Architecture;
  readonly size: number;
  readonly batch: number;
}

/**
 * How the norms normalise: by running statistics, or by the batch's own, which `seen` may note; `gpu` leaves those to
 * the GPU's own library.
 */
export type Norms<V> =
  | { readonly mode: 'running'; readonly running: (name: string) => Statistics<V> }
  | {
      readonly mode: 'batch';
      readonly gpu: boolean;
      readonly seen?: (name: string, batch: Statistics<V>) => void;
    };

/** The network's weights, by state_dict names. */
export interface Weights<V> {
  /** A bias, or the weight of a linear layer or a norm, e.g. `conv0.bias`. */
  parameter(name: string): V;
  /** A convolution, e.g. `conv0`. */
  filter(layer: string): Filter<V>;
}

/**
 * ε̂ = f(x_t, t): f32 [batch, size, size, channels].
 * `embedding` holds the sinusoids of each image's timestep: f32 [batch, timeDim].
 */
export function forward<V>(
  tape: Tape<V>,
  { architecture, size, batch }: UnetShape,
  { parameter, filter }: Weights<V>,
  norms: Norms<V>,
  xt: V,
  embedding: V,
): V {
  const weight = (layer: string) => parameter(`${layer}.weight`);
  const bias = (layer: string) => parameter(`${layer}.bias`);
  const dense = (name: string, x: V) => linear(tape, x, weight(name), bias(name));
  const convolve = (name: string, x: V) => conv(tape, x, filter(name), bias(name));
  /** Values in a channel. */
  let count = batch * size ** 2;
  const norm = (name: string, x: V) =>
    normalise(tape, x, name, weight(name), bias(name), norms, count);

  const time = relu(tape, dense('time_mlp.1', embedding));
  let h = convolve('conv0', xt);
  const skips: V[] = [];
  for (const stage of stages(architecture)) {
    const { name, outputs } = stage;
    if (stage.up) h = concat(tape, h, skips.pop()!);
    h = norm(stage.norms[0], relu(tape, convolve(`${name}.conv1`, h)));
    h = addPerChannel(tape, h, relu(tape, dense(`${name}.time_mlp`, time)), outputs);
    h = norm(stage.norms[1], relu(tape, convolve(`${name}.conv2`, h)));
    const transform = `${name}.transform`;
    if (stage.up) {
      h = convTranspose(tape, h, filter(transform), bias(transform));
      count *= 4;
    } else {
      count /= 4;
      h = convolve(transform, h);
      skips.push(h);
    }
  }
  return convolve('output', h);
}

function normalise<V>(
  tape: Tape<V>,
  x: V,
  name: string,
  scale: V,
  offset: V,
  norms: Norms<V>,
  count: number,
): V {
  if (norms.mode === 'running')
    return batchNormRunning(tape, x, scale, offset, norms.running(name));
  const { y, statistics } = norms.gpu
    ? batchNormFused(tape, x, scale, offset)
    : batchNorm(tape, x, scale, offset, count);
  norms.seen?.(name, statistics);
  return y;
}
