import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { UsageError } from '../../src/errors.js';
import { findAutoencoder, readHalf } from '../../src/io/autoencoder.js';
import { writeSafetensors } from '../../src/io/safetensors.js';
import { buildDecoder, buildEncoder } from '../../src/network/autoencoder.js';
import { stateShapes } from '../../src/network/parameters.js';
import { elements, type Tensor } from '../../src/network/state.js';
import { autoencoderFolder, readAutoencoderFixture } from '../helpers/autoencoder-fixture.js';
import { temporaryFolder } from '../helpers/folder.js';
import { file as safetensors } from '../helpers/safetensors-bytes.js';

const WEIGHTS = 'diffusion_pytorch_model.safetensors';

test('a folder of diffusers is an autoencoder with its config and its weights', async (t) => {
  const folder = await autoencoderFolder(t, 'tiny_16');
  const { config } = await readAutoencoderFixture('tiny_16');
  t.deepEqual(findAutoencoder(folder), {
    ...{ folder, config, configFile: join(folder, 'config.json') },
    weights: join(folder, WEIGHTS),
  });
});

test('variants of half precision are found', async (t) => {
  const folder = await autoencoderFolder(t, 'tiny_16');
  const variant = join(folder, 'diffusion_pytorch_model.fp16.safetensors');
  await rename(join(folder, WEIGHTS), variant);
  t.is(findAutoencoder(folder).weights, variant);
});

test('anything else is refused, naming what is missing', async (t) => {
  const folder = await temporaryFolder(t);
  const none = {
    instanceOf: UsageError,
    message: `${folder}: expected the folder of an AutoencoderKL or AutoencoderTiny, got one without config.json`,
  };
  t.throws(() => findAutoencoder(folder), none);
  t.throws(() => findAutoencoder(join(folder, 'nowhere')), {
    instanceOf: UsageError,
    message: /nowhere: expected the folder of an AutoencoderKL or AutoencoderTiny, got none$/,
  });
  const config = join(folder, 'config.json');
  t.throws(() => findAutoencoder(fileURLToPath(import.meta.url)), { message: /, got a file$/ });
  const run = await temporaryFolder(t);
  await mkdir(join(run, 'vae'));
  for (const file of ['config.json', 'vae/config.json']) await writeFile(join(run, file), '{}');
  t.throws(() => findAutoencoder(run), {
    instanceOf: UsageError,
    message: `${run}: expected the folder of an AutoencoderKL or AutoencoderTiny, got that of a run, which has one in ${join(run, 'vae')}`,
  });
  await writeFile(config, '{"_class_name": "VQModel"}');
  t.throws(() => findAutoencoder(folder), {
    instanceOf: UsageError,
    message: `${config}: _class_name: expected AutoencoderKL or AutoencoderTiny, got "VQModel"`,
  });
  await writeFile(config, '{"_class_name": "AutoencoderTiny"}');
  t.throws(() => findAutoencoder(folder), {
    instanceOf: UsageError,
    message: `${folder}: expected diffusion_pytorch_model.safetensors or .bin, got neither`,
  });
  await writeFile(config, '[]');
  t.throws(() => findAutoencoder(folder), { instanceOf: UsageError });
});

test('a pipeline is told where its autoencoder is', async (t) => {
  const folder = await temporaryFolder(t);
  await mkdir(join(folder, 'vae'));
  await writeFile(join(folder, 'vae', 'config.json'), '{}');
  t.throws(() => findAutoencoder(folder), {
    instanceOf: UsageError,
    message: `${folder}: expected the folder of an AutoencoderKL or AutoencoderTiny, got that of a pipeline, which has one in ${join(folder, 'vae')}`,
  });
});

test('a half has its own tensors, in the order of its graph', async (t) => {
  const { config, state, size, latentSize } = await readAutoencoderFixture('kl_odd_12');
  const { weights } = findAutoencoder(await autoencoderFolder(t, 'kl_odd_12'));
  const encoder = await readHalf(weights, 'encoder', buildEncoder(config, size));
  const decoder = await readHalf(weights, 'decoder', buildDecoder(config, latentSize));
  t.is(encoder.size + decoder.size, state.size);
  for (const [name, tensor] of [...encoder, ...decoder]) t.deepEqual(tensor, state.get(name));
});

test('weights that are not those of the config are refused by file and tensor', async (t) => {
  const { config, state, size } = await readAutoencoderFixture('kl_odd_12');
  const file = join(await temporaryFolder(t), WEIGHTS);
  const graph = buildEncoder(config, size);
  const norm = 'encoder.mid_block.resnets.1.norm2.weight';
  const { shape, data } = state.get(norm)! as Tensor & { data: Float32Array };
  const cases: [name: string, tensor: Tensor | null, message: string][] = [
    [norm, null, `${norm}: expected a tensor with this name, got none`],
    [norm, { dtype: 'F32', shape: [5, 3], data }, `${norm}: expected the shape [15], got [5, 3]`],
    [
      'encoder.more',
      { dtype: 'F32', shape, data },
      'encoder.more: expected no such tensor in this encoder, got one',
    ],
    [
      norm,
      { dtype: 'I64', shape, data: new BigInt64Array(15) },
      `${norm}: expected F32 or a type that converts to it, got I64`,
    ],
    [
      norm,
      { dtype: 'F32', shape, data: new Float32Array(15).fill(Number.NaN) },
      `${norm}: expected finite numbers, got NaN`,
    ],
  ];
  for (const [name, tensor, message] of cases) {
    const changed = new Map(state);
    if (tensor) changed.set(name, tensor);
    else changed.delete(name);
    await rm(file, { force: true });
    await writeSafetensors(file, changed);
    await t.throwsAsync(readHalf(file, 'encoder', graph), {
      instanceOf: UsageError,
      message: `${file}: ${message}`,
    });
  }
});

test('integers are refused by the type that they have in the file', async (t) => {
  const { config, size } = await readAutoencoderFixture('tiny_16');
  const graph = buildEncoder(config, size);
  const name = 'encoder.layers.0.bias';
  const file = join(await temporaryFolder(t), WEIGHTS);
  for (const [integer, bytes] of [
    ['I32', 4],
    ['U8', 1],
  ] as const) {
    let at = 0;
    const header: Record<string, object> = {};
    for (const [key, shape] of stateShapes(graph)) {
      const [dtype, each] = key === name ? [integer, bytes] : ['F32', 4];
      const end = at + each * elements(shape);
      header[key] = { dtype, shape, data_offsets: [at, end] };
      at = end;
    }
    await writeFile(file, safetensors(JSON.stringify(header), at));
    await t.throwsAsync(readHalf(file, 'encoder', graph), {
      instanceOf: UsageError,
      message: `${file}: ${name}: expected F32 or a type that converts to it, got ${integer}`,
    });
  }
});

test('tensors of neither half, and those of the other, do not matter', async (t) => {
  const { config, state, size } = await readAutoencoderFixture('tiny_16');
  const file = join(await temporaryFolder(t), WEIGHTS);
  const kept = [...state].filter(([name]) => name.startsWith('encoder.'));
  const more: Tensor = { dtype: 'F32', shape: [1], data: Float32Array.of(1) };
  await writeSafetensors(file, new Map([...kept, ['loss.logvar', more], ['decoder.more', more]]));
  const read = await readHalf(file, 'encoder', buildEncoder(config, size));
  t.is(read.size, kept.length);
});
