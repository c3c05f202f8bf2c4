import type { NetworkInput, Optimizer } from '../../src/contracts/device.js';
import { readSafetensors } from '../../src/io/safetensors.js';
import { fromDiffusers } from '../../src/network/diffusers-config.js';
import type { F32Tensor, StateDict } from '../../src/network/state.js';
import type { Unet2dConfig } from '../../src/network/unet2d-config.js';
import { toChannelsLast } from '../../src/parity/fixture.js';

/** Values of diffusers' UNet2DModel in PyTorch; images as the devices take them. */
export interface Unet2dFixture {
  readonly architecture: Unet2dConfig;
  readonly size: number;
  readonly batch: number;
  readonly timesteps: number;
  readonly input: NetworkInput;
  /** What the output is to be. */
  readonly target: Float32Array;
  readonly out: Float32Array;
  readonly loss: number;
  readonly state0: StateDict;
  readonly gradients: StateDict;
  /** After one step without clipping. */
  readonly state1: StateDict;
  /** Of five steps on the same batch, clipped to a norm of 1. */
  readonly losses: Float32Array;
}

export const UNET2D_FIXTURES = [
  'adm_like_grey_16',
  'ddpm_cifar_like_16',
  'odd_8',
  'rare_16',
  'train_script_like_32',
];

/** That of the fixtures' steps; `losses` were clipped, `state1` was not. */
export const FIXTURE_ADAMW: Optimizer = {
  beta1: 0.95,
  beta2: 0.999,
  epsilon: 1e-8,
  decay: 1e-2,
  clip: null,
};

export async function readUnet2dFixture(name: string): Promise<Unet2dFixture> {
  const url = new URL(`../../../test/fixtures/unet2d/${name}.safetensors`, import.meta.url);
  const { tensors, metadata } = await readSafetensors(url.pathname);
  const group = (prefix: string): StateDict =>
    new Map(
      [...tensors]
        .filter(([key]) => key.startsWith(prefix))
        .map(([key, tensor]) => [key.slice(prefix.length), tensor]),
    );
  const f32 = (key: string) => tensors.get(key) as F32Tensor;
  const [batch, channels, size] = f32('x').shape as [number, 1 | 3, number];
  const image = (key: string) => toChannelsLast(f32(key).data, channels, size * size);
  const whole = (key: string) => Int32Array.from(tensors.get(key)!.data, Number);
  const labels = tensors.has('label') && { labels: whole('label') };
  return {
    architecture: fromDiffusers(name, JSON.parse(metadata.config!)).config,
    ...{ size, batch, timesteps: 1000 },
    input: { xt: image('x'), t: whole('t'), ...labels },
    ...{ target: image('target'), out: image('out'), loss: f32('loss').data[0]! },
    ...{ state0: group('state0/'), gradients: group('grad/'), state1: group('state1/') },
    losses: f32('losses').data,
  };
}
