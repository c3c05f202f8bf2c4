import type { NetworkInput, Optimizer } from '../../src/contracts/device.js';
import { readSafetensors } from '../../src/io/safetensors.js';
import type { F32Tensor, StateDict } from '../../src/network/state.js';
import type { Unet2dConfig } from '../../src/network/unet2d.js';
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
    architecture: unet2dConfig(JSON.parse(metadata.config!)),
    ...{ size, batch, timesteps: 1000 },
    input: { xt: image('x'), t: whole('t'), ...labels },
    ...{ target: image('target'), out: image('out'), loss: f32('loss').data[0]! },
    ...{ state0: group('state0/'), gradients: group('grad/'), state1: group('state1/') },
    losses: f32('losses').data,
  };
}

/** The part of diffusers' config.json that the fixtures vary. */
interface Config {
  readonly in_channels: 1 | 3;
  readonly block_out_channels: readonly number[];
  readonly layers_per_block: number;
  readonly down_block_types: readonly string[];
  readonly up_block_types: readonly string[];
  readonly mid_block_type: string | null;
  readonly add_attention: boolean;
  readonly mid_block_scale_factor: number;
  readonly attention_head_dim: number | null;
  readonly norm_num_groups: number;
  readonly attn_norm_num_groups: number | null;
  readonly norm_eps: number;
  readonly time_embedding_dim: number | null;
  readonly flip_sin_to_cos: boolean;
  readonly freq_shift: number;
  readonly resnet_time_scale_shift: 'default' | 'scale_shift';
  readonly center_input_sample: boolean;
  readonly downsample_padding: 0 | 1;
  readonly downsample_type: 'conv' | 'resnet';
  readonly upsample_type: 'conv' | 'resnet';
  readonly class_embed_type: 'timestep' | null;
  readonly num_class_embeds: number | null;
  readonly dropout: number;
}

function unet2dConfig(c: Config): Unet2dConfig {
  const attends = (types: readonly string[]) => types.map((type) => type.startsWith('Attn'));
  return {
    kind: 'unet2d',
    channels: c.in_channels,
    widths: c.block_out_channels,
    layers: c.layers_per_block,
    downAttention: attends(c.down_block_types),
    upAttention: attends(c.up_block_types),
    mid: c.mid_block_type !== null,
    midAttention: c.add_attention,
    midScale: c.mid_block_scale_factor,
    headDim: c.attention_head_dim,
    groups: c.norm_num_groups,
    attentionGroups: c.attn_norm_num_groups,
    eps: c.norm_eps,
    timeDim: c.time_embedding_dim ?? 4 * c.block_out_channels[0]!,
    flipSinToCos: c.flip_sin_to_cos,
    freqShift: c.freq_shift,
    timeScaleShift: c.resnet_time_scale_shift,
    centerInput: c.center_input_sample,
    downPadding: c.downsample_padding,
    downType: c.downsample_type,
    upType: c.upsample_type,
    classes: c.class_embed_type ?? c.num_class_embeds,
    dropout: c.dropout,
  };
}
