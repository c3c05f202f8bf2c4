import type { DitConfig } from './dit-config.js';
import type { StateDict, Tensor } from './state.js';

/*
 * A diffusion transformer may predict the variance beside the noise (Nichol & Dhariwal, 2021), in as many channels again. Like
 * diffusers' DiTPipeline, Haze draws with fixed variances: the rows of these channels are left out when weights are read.
 */

const NAMES = ['proj_out_2.weight', 'proj_out_2.bias'] as const;

type Shaped = Pick<DitConfig, 'patch' | 'channels'>;

/** The shapes of such a network's last layer: its weight, and its bias. */
export function withVarianceShapes({
  patch,
  channels,
  widths,
}: DitConfig): [[name: string, shape: number[]], [name: string, shape: number[]]] {
  const rows = 2 * channels * patch ** 2;
  const [weight, bias] = NAMES;
  return [
    [weight, [rows, ...widths]],
    [bias, [rows]],
  ];
}

/** Weights without the rows of the variance: each pixel of a patch has the channels of the noise first. */
export function withoutVariance(state: StateDict, { patch, channels }: Shaped): StateDict {
  const kept = new Map(state);
  for (const name of NAMES) {
    const tensor = state.get(name);
    if (tensor?.dtype !== 'F32' || tensor.shape[0] !== 2 * channels * patch ** 2) continue;
    kept.set(name, firstHalves(tensor, channels));
  }
  return kept;
}

/** Every other group of `channels` rows, from the first on. */
function firstHalves({ shape, data }: Extract<Tensor, { dtype: 'F32' }>, channels: number): Tensor {
  const [rows = 0, ...rest] = shape;
  const group = channels * rest.reduce((a, b) => a * b, 1);
  const halves = new Float32Array(data.length / 2);
  for (let at = 0; at < halves.length; at += group)
    halves.set(data.subarray(2 * at, 2 * at + group), at);
  return { dtype: 'F32', shape: [rows / 2, ...rest], data: halves };
}
