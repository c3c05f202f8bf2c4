/** Networks in PyTorch: their weights, inputs and all that came out of them, as the devices take and give it. */
import type { Loss, NetworkInput, Optimizer } from '../../src/contracts/device.js';
import { readSafetensors } from '../../src/io/safetensors.js';
import { fromDiffusers } from '../../src/network/diffusers-config.js';
import type { NetworkConfig } from '../../src/network/network.js';
import { networkFromShapes } from '../../src/network/recognise.js';
import type { F32Tensor, StateDict } from '../../src/network/state.js';
import { toChannelsLast } from '../../src/parity/fixture.js';
import { fixturePath } from './cli.js';

/** Reference values of one network; images are [batch, height, width, channel]. */
export interface NetworkFixture {
  readonly architecture: NetworkConfig;
  readonly size: number;
  readonly batch: number;
  readonly timesteps: number;
  readonly loss: Loss;
  readonly input: NetworkInput;
  /** What the output is to be. */
  readonly target: Float32Array;
  /** The output with running statistics, and with those of the batch; diffusers' networks have none of either. */
  readonly evaluated: Float32Array;
  readonly trained: Float32Array;
  /** Weights before, and after one step at a rate of 1e-3. */
  readonly state0: StateDict;
  readonly state1: StateDict;
  readonly gradients: StateDict;
  /** Of five steps on the same batch; those of diffusers' networks are clipped to a norm of 1. */
  readonly losses: Float32Array;
}

/** The reference's U-Net with L1, by make_fixtures.py: complete, with a trajectory of samples. */
export const SIMPLE_FIXTURES = ['unet_rgb_16', 'unet_grey_32', 'unet_odd_widths_8'] as const;

/** The same with another loss or one norm for all, by make_unet_variants.py. */
export const VARIANT_FIXTURES = ['unet_shared_norm_8', 'unet_l2_8', 'unet_huber_8'] as const;

/** diffusers' `UNet2DModel` with L2, by make_unet2d_fixtures.py. */
export const UNET2D_FIXTURES = [
  'unet2d/adm_like_grey_16',
  'unet2d/ddpm_cifar_like_16',
  'unet2d/odd_8',
  'unet2d/rare_16',
  'unet2d/train_script_like_32',
] as const;

/** diffusers' `DiTTransformer2DModel` with L2, by make_dit_fixtures.py. */
export const DIT_FIXTURES = ['dit/classes_8', 'dit/odd_grey_12', 'dit/stretched_16'] as const;

export type FixtureName =
  | (typeof SIMPLE_FIXTURES)[number]
  | (typeof VARIANT_FIXTURES)[number]
  | (typeof UNET2D_FIXTURES)[number]
  | (typeof DIT_FIXTURES)[number];

/** Of the steps of `UNET2D_FIXTURES` and `DIT_FIXTURES`; `losses` were clipped, `state1` was not. */
export const FIXTURE_ADAMW: Optimizer = {
  beta1: 0.95,
  beta2: 0.999,
  epsilon: 1e-8,
  decay: 1e-2,
  clip: null,
};

const pathOf = (name: string): string => fixturePath(`${name}.safetensors`);

/** What the fixture was trained by. */
export const lossOf = (name: FixtureName): Loss => {
  if (/^(unet2d|dit)\//.test(name) || name === 'unet_l2_8') return 'l2';
  return name === 'unet_huber_8' ? 'huber' : 'l1';
};

export async function readFixture(name: FixtureName): Promise<NetworkFixture> {
  const { tensors, metadata } = await readSafetensors(pathOf(name));
  const group = (prefix: string): StateDict =>
    new Map(
      [...tensors]
        .filter(([key]) => key.startsWith(prefix))
        .map(([key, tensor]) => [key.slice(prefix.length), tensor]),
    );
  const f32 = (key: string) => tensors.get(key) as F32Tensor;
  const { config } = metadata;
  const isOfDiffusers = config !== undefined;
  const [batch, channels, size] = f32(isOfDiffusers ? 'x' : 'xt').shape as [number, number, number];
  const image = (key: string) => toChannelsLast(f32(key).data, channels, size * size);
  const whole = (key: string) => Int32Array.from(tensors.get(key)!.data, Number);
  const state0 = group('state0/');
  const names = isOfDiffusers
    ? { x: 'x', target: 'target', evaluated: 'out', trained: 'out' }
    : { x: 'xt', target: 'noise', evaluated: 'eps_eval', trained: 'eps_train' };
  return {
    architecture: isOfDiffusers
      ? fromDiffusers(name, JSON.parse(config)).config
      : networkFromShapes(new Map([...state0].map(([key, { shape }]) => [key, shape]))),
    ...{ size, batch, timesteps: isOfDiffusers ? 1000 : 300, loss: lossOf(name) },
    input: {
      ...{ xt: image(names.x), t: whole('t') },
      ...(tensors.has('label') && { labels: whole('label') }),
    },
    target: image(names.target),
    ...{ evaluated: image(names.evaluated), trained: image(names.trained) },
    ...{ state0, gradients: group('grad/'), state1: group('state1/') },
    losses: f32('losses').data,
  };
}
