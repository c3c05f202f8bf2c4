import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { UsageError } from '../../src/errors.js';
import { findPipeline, pipelinePaths } from '../../src/io/pipeline.js';
import { temporaryFolder } from '../helpers/folder.js';

/** A folder with these files, empty unless there is an object. */
async function folderOf(
  t: ExecutionContext,
  files: Readonly<Record<string, object>>,
): Promise<string> {
  const folder = await temporaryFolder(t);
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), JSON.stringify(content));
  }
  return folder;
}

const DIT = {
  'model_index.json': {
    _class_name: 'DiTPipeline',
    transformer: ['diffusers', 'DiTTransformer2DModel'],
    scheduler: ['diffusers', 'DDIMScheduler'],
    vae: [null, null],
  },
  'transformer/config.json': { _class_name: 'DiTTransformer2DModel' },
  'transformer/diffusion_pytorch_model.safetensors': {},
  'scheduler/scheduler_config.json': {},
};

test("a DiTPipeline's network is its transformer", async (t) => {
  const folder = await folderOf(t, DIT);
  const { folders: _, parts, ...paths } = pipelinePaths(folder, 'DiTPipeline');
  t.deepEqual(parts, { network: 'transformer', autoencoder: 'vae' });
  t.deepEqual(findPipeline(folder), { ...paths, schedulerClass: 'DDIMScheduler' });
  const { config, weights } = paths;
  t.deepEqual(findPipeline(join(folder, 'transformer')), {
    ...{ index: undefined, config, weights, scheduler: undefined },
  });
});

test("a DDPMPipeline's network is its unet", (t) => {
  const { parts, weights } = pipelinePaths('folder', 'DDPMPipeline');
  t.deepEqual(parts, { network: 'unet' });
  t.is(weights, join('folder', 'unet', 'diffusion_pytorch_model.safetensors'));
});

const LDM = {
  'model_index.json': {
    _class_name: 'LDMPipeline',
    unet: ['diffusers', 'UNet2DModel'],
    scheduler: ['diffusers', 'DDIMScheduler'],
    vqvae: ['diffusers', 'AutoencoderTiny'],
  },
  'unet/config.json': {},
  'unet/diffusion_pytorch_model.safetensors': {},
  'scheduler/scheduler_config.json': {},
};

/** The same folder with another index. */
const indexed = <F extends { 'model_index.json': object }>(files: F, changes: object): F => ({
  ...files,
  'model_index.json': { ...files['model_index.json'], ...changes },
});

test("a pipeline of latents names its autoencoder's folder", async (t) => {
  const dit = await folderOf(t, indexed(DIT, { vae: ['diffusers', 'AutoencoderKL'] }));
  t.is(findPipeline(dit)!.autoencoder, join(dit, 'vae'));
  const ldm = await folderOf(t, LDM);
  t.is(findPipeline(ldm)!.autoencoder, join(ldm, 'vqvae'));
  t.is(findPipeline(await folderOf(t, DIT))!.autoencoder, undefined);
});

test('another autoencoder is refused, and a pipeline without its transformer', async (t) => {
  const pixels = { _class_name: 'DDPMPipeline', vae: ['diffusers', 'AutoencoderKL'] };
  const { 'transformer/config.json': _, ...lacking } = DIT;
  const cases: [files: Readonly<Record<string, object>>, message: RegExp][] = [
    [
      indexed(LDM, { vqvae: ['diffusers', 'VQModel'] }),
      /model_index\.json: vqvae: expected AutoencoderKL or AutoencoderTiny, got VQModel$/,
    ],
    [
      indexed(LDM, pixels),
      /model_index\.json: vae: expected none in a DDPMPipeline, got AutoencoderKL$/,
    ],
    [lacking, /expected .*transformer.config\.json or .*config\.json, got neither$/],
  ];
  for (const [files, message] of cases) {
    const folder = await folderOf(t, files);
    t.throws(() => findPipeline(folder), { instanceOf: UsageError, message });
  }
});
