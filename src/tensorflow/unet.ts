/** The U-Net's forward pass, stage by stage, over any `Ops`: the same description that the wasm device runs. */
import { type Architecture, stages } from '../unet/architecture.js';
import {
  addPerChannel,
  batchNorm,
  batchNormRunning,
  concat,
  conv,
  convTranspose,
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

/** How the norms normalise: by running statistics, or by the batch's own, which `seen` may note. */
export type Norms<V> =
  | { readonly mode: 'running'; readonly running: (name: string) => Statistics<V> }
  | { readonly mode: 'batch'; readonly seen?: (name: string, batch: Statistics<V>) => void };

/**
 * ε̂ = f(x_t, t): f32 [batch, size, size, channels].
 * `parameter` gives a weight or bias by its state_dict name;
 * `embedding` holds the sinusoids of each image's timestep: f32 [batch, timeDim].
 */
export function forward<V>(
  tape: Tape<V>,
  { architecture, size, batch }: UnetShape,
  parameter: (name: string) => V,
  norms: Norms<V>,
  xt: V,
  embedding: V,
): V {
  const weight = (layer: string) => parameter(`${layer}.weight`);
  const bias = (layer: string) => parameter(`${layer}.bias`);
  const dense = (name: string, x: V) => linear(tape, x, weight(name), bias(name));
  const convolve = (name: string, x: V, stride = 1) =>
    conv(tape, x, weight(name), bias(name), stride);
  const norm = (name: string, x: V) => normalise(tape, x, name, weight(name), bias(name), norms);

  const time = relu(tape, dense('time_mlp.1', embedding));
  let h = convolve('conv0', xt);
  let side = size;
  const skips: V[] = [];
  for (const stage of stages(architecture)) {
    const { name, outputs } = stage;
    if (stage.up) h = concat(tape, h, skips.pop()!);
    h = norm(stage.norms[0], relu(tape, convolve(`${name}.conv1`, h)));
    h = addPerChannel(tape, h, relu(tape, dense(`${name}.time_mlp`, time)), outputs);
    h = norm(stage.norms[1], relu(tape, convolve(`${name}.conv2`, h)));
    const transform = `${name}.transform`;
    if (stage.up) {
      side *= 2;
      const shape = [batch, side, side, outputs];
      h = convTranspose(tape, h, weight(transform), bias(transform), shape);
    } else {
      side /= 2;
      h = convolve(transform, h, 2);
      skips.push(h);
    }
  }
  return convolve('output', h);
}

function normalise<V>(tape: Tape<V>, x: V, name: string, scale: V, offset: V, norms: Norms<V>): V {
  if (norms.mode === 'running')
    return batchNormRunning(tape, x, scale, offset, norms.running(name));
  const { y, statistics } = batchNorm(tape, x, scale, offset);
  norms.seen?.(name, statistics);
  return y;
}
