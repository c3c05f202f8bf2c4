import { readFileSync } from 'node:fs';
import test from 'ava';
import { UsageError } from '../../src/errors.js';
import { readSafetensors } from '../../src/io/safetensors.js';
import { fromDiffusers, toDiffusers } from '../../src/network/diffusers-config.js';
import { ditDefaults } from '../../src/network/dit-config.js';
import { checkNetwork } from '../../src/network/network.js';
import { fixturePath } from '../helpers/cli.js';
import { DIT_FIXTURES, UNET2D_FIXTURES } from '../helpers/network-fixture.js';

type Json = Record<string, unknown>;

const CLASS = readFileSync(fixturePath('unet2d/config.json'), 'utf8');

for (const name of [...UNET2D_FIXTURES, ...DIT_FIXTURES])
  test(`the config of ${name} is read and written like in diffusers`, async (t) => {
    const { metadata } = await readSafetensors(fixturePath(`${name}.safetensors`));
    const json = JSON.parse(metadata.config!) as Json;
    const { config, size } = fromDiffusers('config.json', json);
    t.notThrows(() => checkNetwork(config));
    const written = toDiffusers(config, size);
    t.deepEqual(fromDiffusers('config.json', written), { config, size });
    // The length of the time embedding, or the channels, are written out where the class leaves them to their default.
    const { time_embedding_dim: _, num_train_timesteps: __, out_channels: ___, ...expected } = json;
    t.like(written, expected);
  });

test("every key of the class's config is known, and its value is the default", (t) => {
  const json = JSON.parse(CLASS) as Json;
  const { config, size } = fromDiffusers('config.json', {});
  t.deepEqual(fromDiffusers('config.json', json), { config, size });
  const { num_train_timesteps: _, time_embedding_dim: __, ...keys } = json;
  t.like(toDiffusers(config, size), keys);
});

test('keys that start with an underscore are ignored', (t) => {
  t.notThrows(() =>
    fromDiffusers('config.json', { _name_or_path: 'x', _diffusers_version: '0.1' }),
  );
});

test('sample_size may be an equal height and width', (t) => {
  t.is(fromDiffusers('config.json', { sample_size: [32, 32] }).size, 32);
  t.is(fromDiffusers('config.json', { sample_size: null }).size, null);
  t.throws(() => fromDiffusers('config.json', { sample_size: [32, 32, 32] }), {
    message: /sample_size: expected square images, got \[32,32,32\]/,
  });
});

test('unsupported values are refused by key and value', (t) => {
  const wrong: [change: Json, message: string][] = [
    [{ act_fn: 'gelu' }, 'config.json: act_fn: expected "silu", got "gelu"'],
    [
      { time_embedding_type: 'fourier' },
      'config.json: time_embedding_type: expected "positional", got "fourier"',
    ],
    [{ sample_size: [32, 64] }, 'config.json: sample_size: expected square images, got [32,64]'],
    [
      { in_channels: 257, out_channels: 257 },
      'config.json: in_channels: expected a whole number from 1 to 256, got 257',
    ],
    [{ out_channels: 6 }, 'config.json: out_channels: expected 3 like in_channels, got 6'],
    [{ out_channels: 1 }, 'config.json: out_channels: expected 3 like in_channels, got 1'],
    [
      { down_block_types: ['SkipDownBlock2D'] },
      'config.json: down_block_types: expected "DownBlock2D" or "AttnDownBlock2D", got ["SkipDownBlock2D"]',
    ],
    [
      { mid_block_type: 'UNetMidBlock2DSimpleCrossAttn' },
      'config.json: mid_block_type: expected "UNetMidBlock2D", got "UNetMidBlock2DSimpleCrossAttn"',
    ],
    [
      { resnet_time_scale_shift: 'spatial' },
      'config.json: resnet_time_scale_shift: expected "default" or "scale_shift", got "spatial"',
    ],
    [
      { class_embed_type: 'identity' },
      'config.json: class_embed_type: expected null or "timestep", got "identity"',
    ],
    [{ downsample_padding: 2 }, 'config.json: downsample_padding: expected 0 or 1, got 2'],
    [{ norm_eps: '1e-5' }, 'config.json: norm_eps: expected a number above 0, got "1e-5"'],
    ...[1.5, 0, 1e9].map((layers_per_block): [Json, string] => [
      { layers_per_block },
      `config.json: layers_per_block: expected a whole number from 1 to 64, got ${layers_per_block}`,
    ]),
    [
      { block_out_channels: [224, 448, 672, 1e9] },
      'config.json: block_out_channels: expected a whole number from 1 to 16384, got [224,448,672,1000000000]',
    ],
    [
      { sample_size: 1e9 },
      'config.json: sample_size: expected a whole number from 1 to 4096, got 1000000000',
    ],
    [{ dropout: 1.5 }, 'config.json: dropout: expected a number from 0 to below 1, got 1.5'],
    [
      { mid_block_scale_factor: 0 },
      'config.json: mid_block_scale_factor: expected a number above 0, got 0',
    ],
    [{ cross_attention_dim: 768 }, 'config.json: cross_attention_dim: not supported, got 768'],
    [
      { _class_name: 'UNet2DConditionModel' },
      'config.json: _class_name: expected UNet2DModel or DiTTransformer2DModel, got "UNet2DConditionModel"',
    ],
  ];
  for (const [change, message] of wrong)
    t.throws(() => fromDiffusers('config.json', change), { instanceOf: UsageError, message });
});

test('conflicting values are refused by key', (t) => {
  const wrong: [change: Json, message: string][] = [
    [
      { block_out_channels: [32, 64] },
      'config.json: down_block_types: expected 2, one for each width, got 4',
    ],
    [
      { block_out_channels: [] },
      'config.json: block_out_channels: expected one or more widths, got none',
    ],
    [
      { norm_num_groups: 5 },
      'config.json: norm_num_groups: expected a divisor of all normalised channels, got 5 for 224',
    ],
    [
      { attn_norm_num_groups: 5 },
      'config.json: attn_norm_num_groups: expected a divisor of all normalised channels, got 5 for 896',
    ],
    [
      { freq_shift: 112 },
      'config.json: freq_shift: expected a number below 112, half of the first width, got 112',
    ],
    [
      { attention_head_dim: 449 },
      'config.json: attention_head_dim: expected at most the 448 channels of a level with attention, got 449',
    ],
  ];
  for (const [change, message] of wrong)
    t.throws(() => fromDiffusers('config.json', change), { instanceOf: UsageError, message });
});

test('a head may be wider than a level without attention', (t) => {
  t.notThrows(() => fromDiffusers('config.json', { attention_head_dim: 300 }));
});

const DIT = { _class_name: 'DiTTransformer2DModel' };
const DIT_CLASS = readFileSync(fixturePath('dit/config.json'), 'utf8');

test("every key of a dit's class is known, and its value is the default", (t) => {
  const json = JSON.parse(DIT_CLASS) as Json;
  const { config, size } = fromDiffusers('config.json', DIT);
  t.deepEqual(fromDiffusers('config.json', json), { config, size });
  const { _diffusers_version: _, ...keys } = json;
  t.deepEqual(toDiffusers(config, size), { ...keys, out_channels: 4 });
});

test('a dit may predict a variance, whose channels are left out', (t) => {
  const { config } = fromDiffusers('config.json', { ...DIT, in_channels: 4, out_channels: 8 });
  t.deepEqual(config, fromDiffusers('config.json', { ...DIT, in_channels: 4 }).config);
});

test('a dit of one label is a network without classes', (t) => {
  const config = { ...ditDefaults({ widths: [16] }), widths: [16], baseSize: 8 };
  const json = toDiffusers(config, 8);
  t.is(json.num_embeds_ada_norm, 0);
  t.deepEqual(fromDiffusers('config.json', json), { config, size: 8 });
  const told = { ...config, numClasses: 4 };
  t.is(toDiffusers(told, 8).num_embeds_ada_norm, 3);
  t.deepEqual(fromDiffusers('config.json', toDiffusers(told, null)).config, told);
});

test('keys of a dit without influence are ignored', (t) => {
  const json = { ...DIT, in_channels: 1 };
  const { config } = fromDiffusers('config.json', json);
  const others = { norm_num_groups: 7, upcast_attention: true };
  t.deepEqual(fromDiffusers('config.json', { ...json, ...others }).config, config);
});

test("a dit's unsupported and conflicting values are refused by key and value", (t) => {
  const wrong: [change: Json, message: string][] = [
    [{ in_channels: 0 }, 'in_channels: expected a whole number from 1 to 256, got 0'],
    [{ out_channels: 9 }, 'out_channels: expected 3 like in_channels, or twice as many, got 9'],
    [{ out_channels: 1 }, 'out_channels: expected 3 like in_channels, or twice as many, got 1'],
    [{ attention_bias: false }, 'attention_bias: expected true, got false'],
    [{ activation_fn: 'geglu' }, 'activation_fn: expected "gelu-approximate", got "geglu"'],
    [{ norm_type: 'ada_norm' }, 'norm_type: expected "ada_norm_zero", got "ada_norm"'],
    [{ norm_elementwise_affine: true }, 'norm_elementwise_affine: expected false, got true'],
    [
      { num_embeds_ada_norm: null },
      'num_embeds_ada_norm: expected a whole number from 0 to 999999, got null',
    ],
    [{ num_layers: 0 }, 'num_layers: expected a whole number from 1 to 64, got 0'],
    [{ patch_size: 0 }, 'patch_size: expected a whole number from 1 to 4096, got 0'],
    [{ norm_eps: 0 }, 'norm_eps: expected a number above 0, got 0'],
    [{ dropout: 1 }, 'dropout: expected a number from 0 to below 1, got 1'],
    [{ caption_channels: 4096 }, 'caption_channels: not supported, got 4096'],
    [{ block_out_channels: [8] }, 'block_out_channels: not supported, got [8]'],
    [
      { num_attention_heads: 3, attention_head_dim: 6 },
      'num_attention_heads: expected a multiple of 4, got 18',
    ],
    [
      { num_attention_heads: 16384, attention_head_dim: 16384 },
      'num_attention_heads: expected heads of 16384 channels in total at most, got 268435456',
    ],
  ];
  for (const [change, message] of wrong)
    t.throws(() => fromDiffusers('config.json', { ...DIT, in_channels: 3, ...change }), {
      instanceOf: UsageError,
      message: `config.json: ${message}`,
    });
});
