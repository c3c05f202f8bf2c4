import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { RunError, UsageError } from '../../src/errors.js';
import { findAutoencoder } from '../../src/io/autoencoder.js';
import { copyAutoencoder } from '../../src/io/copy-autoencoder.js';
import { readSafetensors } from '../../src/io/safetensors.js';
import { bytesOf } from '../../src/io/tensor-data.js';
import type { StateDict } from '../../src/network/state.js';
import { autoencoderFolder, readAutoencoderFixture } from '../helpers/autoencoder-fixture.js';
import { temporaryFolder } from '../helpers/folder.js';
import { dictionary, pickle, tensor, torchZip } from '../helpers/torch-bytes.js';

const WEIGHTS = 'diffusion_pytorch_model.safetensors';

/** The file that torch.save makes of a state dict. */
function torchFile(state: StateDict): Buffer {
  const views = [...state].map(([name, { shape, data }], i) => {
    const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
    return [name, tensor({ storage: String(i), length: data.length, shape, strides })] as const;
  });
  const storages = [...state.values()].map(({ data }, i) => [String(i), bytesOf(data)] as const);
  return torchZip(pickle(dictionary(Object.fromEntries(views))), Object.fromEntries(storages));
}

test("a copy has the original's bytes, under the usual names", async (t) => {
  const from = await autoencoderFolder(t, 'kl_odd_12');
  const bytes = await readFile(join(from, WEIGHTS));
  await rename(join(from, WEIGHTS), join(from, 'diffusion_pytorch_model.fp16.safetensors'));
  const folder = await temporaryFolder(t);
  const to = join(folder, 'vae');
  await copyAutoencoder(findAutoencoder(from), to);
  t.deepEqual(await readFile(join(to, WEIGHTS)), bytes);
  const config = (of: string) => readFile(join(of, 'config.json'), 'utf8');
  t.is(await config(to), await config(from));
  t.deepEqual(await readdir(folder), ['vae']);
  t.deepEqual(findAutoencoder(to).config, findAutoencoder(from).config);
});

test("weights of PyTorch's own format become safetensors", async (t) => {
  const from = await autoencoderFolder(t, 'tiny_16');
  const { state } = await readAutoencoderFixture('tiny_16');
  await rm(join(from, WEIGHTS));
  await writeFile(join(from, 'diffusion_pytorch_model.bin'), torchFile(state));
  const to = join(await temporaryFolder(t), 'vae');
  await copyAutoencoder(findAutoencoder(from), to);
  t.deepEqual((await readSafetensors(join(to, WEIGHTS))).tensors, new Map(state));
});

test('what cannot be copied leaves nothing', async (t) => {
  const from = await autoencoderFolder(t, 'tiny_16');
  await rm(join(from, WEIGHTS));
  await writeFile(join(from, 'diffusion_pytorch_model.bin'), 'no weights');
  const folder = await temporaryFolder(t);
  const files = findAutoencoder(from);
  await t.throwsAsync(copyAutoencoder(files, join(folder, 'vae')), { instanceOf: UsageError });
  t.deepEqual(await readdir(folder), []);
  await t.throwsAsync(copyAutoencoder(files, join(folder, 'none', 'vae')), {
    instanceOf: RunError,
    message: /^cannot write .*vae: no such file or folder \(ENOENT\)$/,
  });
});
