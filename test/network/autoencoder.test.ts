import test from 'ava';
import { ShapeError, UsageError } from '../../src/errors.js';
import {
  buildDecoder,
  buildEncoder,
  isOfHalf,
  latentFactor,
  readAutoencoderConfig,
} from '../../src/network/autoencoder.js';
import { decoderInput, latentsOf } from '../../src/network/latents.js';
import { stateShapes } from '../../src/network/parameters.js';
import { AUTOENCODER_FIXTURES, readAutoencoderFixture } from '../helpers/autoencoder-fixture.js';

type Json = Record<string, unknown>;

const read = (json: Json) => readAutoencoderConfig('config.json', json);
const kl = (keys: Json = {}) => read({ _class_name: 'AutoencoderKL', ...keys });
const tiny = (keys: Json = {}) => read({ _class_name: 'AutoencoderTiny', ...keys });

for (const name of AUTOENCODER_FIXTURES)
  test(`${name}: the halves have the tensors of diffusers' state dict`, async (t) => {
    const { config, state, size, latentSize } = await readAutoencoderFixture(name);
    const graphs = {
      encoder: buildEncoder(config, size),
      decoder: buildDecoder(config, latentSize),
    };
    for (const half of ['encoder', 'decoder'] as const) {
      const expected = [...state].filter(([key]) => isOfHalf(half, key));
      t.deepEqual(
        [...stateShapes(graphs[half])].sort(),
        expected.map(([key, { shape }]) => [key, shape] as [string, readonly number[]]).sort(),
      );
    }
    const { encoder, decoder } = graphs;
    const both = config.kind === 'kl' ? 2 : 1;
    t.like(encoder, { size, channels: config.channels });
    t.like(encoder.output, { side: latentSize, channels: both * config.latentChannels });
    t.like(decoder, { size: latentSize, channels: config.latentChannels });
    t.like(decoder.output, { side: size, channels: config.channels });
  });

test("missing keys have the class's defaults", (t) => {
  t.deepEqual(kl({ norm_num_groups: 32 }), {
    ...{ kind: 'kl', channels: 3, latentChannels: 4, widths: [64], layers: 1, groups: 32 },
    ...{ midAttention: true, quantConv: true, postQuantConv: true, scale: 0.18215, shift: 0 },
  });
  t.deepEqual(tiny(), {
    ...{ kind: 'tiny', channels: 3, latentChannels: 4, encoderWidth: 64, decoderWidth: 64 },
    ...{ encoderBlocks: [1, 3, 3, 3], decoderBlocks: [3, 3, 3, 1], scale: 1, shift: 0 },
  });
});

test('the configs of published autoencoders are read', (t) => {
  const four = (type: string) => Array.from({ length: 4 }, () => type);
  const blocks = {
    down_block_types: four('DownEncoderBlock2D'),
    up_block_types: four('UpDecoderBlock2D'),
    block_out_channels: [128, 256, 512, 512],
    layers_per_block: 2,
  };
  // Stable Diffusion 1, before most keys were there.
  const first = kl({ ...blocks, _diffusers_version: '0.2.2', sample_size: 512, act_fn: 'silu' });
  t.like(first, { layers: 2, groups: 32, scale: 0.18215, shift: 0, quantConv: true });
  t.is(latentFactor(first), 8);
  // FLUX.1.
  const flux = kl({
    ...blocks,
    ...{ force_upcast: true, latent_channels: 16, latents_mean: null, latents_std: null },
    ...{ scaling_factor: 0.3611, shift_factor: 0.1159, mid_block_add_attention: true },
    ...{ use_post_quant_conv: false, use_quant_conv: false, sample_size: 1024 },
  });
  t.like(flux, { latentChannels: 16, scale: 0.3611, shift: 0.1159, quantConv: false });
  // TAESD, with the copy that the class adds.
  const taesd = tiny({
    ...{ block_out_channels: [64, 64, 64, 64], latent_magnitude: 3, latent_shift: 0.5 },
    ...{ upsampling_scaling_factor: 2, force_upcast: false },
  });
  t.is(latentFactor(taesd), 8);
});

test('other classes are refused', (t) => {
  t.throws(() => read({}), {
    instanceOf: UsageError,
    message: 'config.json: _class_name: expected AutoencoderKL or AutoencoderTiny, got none',
  });
  t.throws(() => read({ _class_name: 'VQModel' }), {
    message: 'config.json: _class_name: expected AutoencoderKL or AutoencoderTiny, got "VQModel"',
  });
});

test('unsupported values are refused by key and value', (t) => {
  const wrong: [config: () => unknown, message: string][] = [
    [() => kl({ act_fn: 'relu' }), 'act_fn: expected "silu", got "relu"'],
    [() => kl({ latents_mean: [0] }), 'latents_mean: expected null, got [0]'],
    [() => kl({ double_z: true }), 'double_z: not supported, got true'],
    [() => kl({ in_channels: 4 }), 'in_channels: expected 1 or 3, got 4'],
    [() => kl({ in_channels: 1 }), 'out_channels: expected 1 like in_channels, got 3'],
    [
      () => kl({ down_block_types: ['AttnDownEncoderBlock2D'] }),
      'down_block_types: expected "DownEncoderBlock2D", got ["AttnDownEncoderBlock2D"]',
    ],
    [
      () => kl({ block_out_channels: [32, 64] }),
      'down_block_types: expected 2, one for each of block_out_channels, got 1',
    ],
    [() => kl({ block_out_channels: [] }), 'block_out_channels: expected 1 to 13 widths, got 0'],
    [
      () => kl({ block_out_channels: [48] }),
      'norm_num_groups: expected a divisor of all block_out_channels, got 32 for 48',
    ],
    [() => kl({ scaling_factor: 0 }), 'scaling_factor: expected a number above 0, got 0'],
    [() => kl({ shift_factor: '1' }), 'shift_factor: expected a number, got "1"'],
    [
      () => kl({ latent_channels: 257 }),
      'latent_channels: expected a whole number from 1 to 256, got 257',
    ],
    [() => tiny({ act_fn: 'silu' }), 'act_fn: expected "relu", got "silu"'],
    [() => tiny({ upsample_fn: 'bilinear' }), 'upsample_fn: expected "nearest", got "bilinear"'],
    [() => tiny({ upsampling_scaling_factor: 4 }), 'upsampling_scaling_factor: expected 2, got 4'],
    [
      () => tiny({ encoder_block_out_channels: [64, 64, 32, 32] }),
      'encoder_block_out_channels: expected equal widths, got [64,64,32,32]',
    ],
    [
      () => tiny({ decoder_block_out_channels: [64] }),
      'decoder_block_out_channels: expected 4, one for each of num_encoder_blocks, got 1',
    ],
    [
      () => tiny({ num_decoder_blocks: [1, 1] }),
      'num_decoder_blocks: expected 4 like num_encoder_blocks, got 2',
    ],
    [() => tiny({ out_channels: 1 }), 'out_channels: expected 3 like in_channels, got 1'],
  ];
  for (const [config, message] of wrong)
    t.throws(config, { instanceOf: UsageError, message: `config.json: ${message}` });
});

test('pictures that no latents are of are refused', (t) => {
  t.throws(() => buildEncoder(tiny(), 100), {
    instanceOf: ShapeError,
    message: 'autoencoder: expected pictures of a multiple of 8 pixels, got 100',
  });
});

test('latents are shifted and scaled, and those of AutoencoderKL are the means', (t) => {
  const config = kl({ latent_channels: 2, scaling_factor: 0.5, shift_factor: 1 });
  const latents = new Float32Array(4);
  latentsOf(config, Float32Array.of(1, 2, 90, 91, 3, 4, 92, 93), latents);
  t.deepEqual([...latents], [0, 0.5, 1, 1.5]);
  t.deepEqual([...decoderInput(config, latents)], [1, 2, 3, 4]);
});

test("the Tiny's decoder bounds what it reads", (t) => {
  const config = tiny({ scaling_factor: 2, shift_factor: 1 });
  const input = decoderInput(config, Float32Array.of(-2, 4, 1000));
  t.deepEqual([...input], [0, Math.fround(3 * Math.tanh(1)), 3]);
});
