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
  const { folders: _, part, ...paths } = pipelinePaths(folder, 'DiTPipeline');
  t.is(part, 'transformer');
  t.deepEqual(findPipeline(folder), { ...paths, schedulerClass: 'DDIMScheduler' });
  const { config, weights } = paths;
  t.deepEqual(findPipeline(join(folder, 'transformer')), {
    ...{ index: undefined, config, weights, scheduler: undefined },
  });
});

test("a DDPMPipeline's network is its unet", (t) => {
  const { part, weights } = pipelinePaths('folder', 'DDPMPipeline');
  t.is(part, 'unet');
  t.is(weights, join('folder', 'unet', 'diffusion_pytorch_model.safetensors'));
});

test('a pipeline of latents is refused, and one without its transformer', async (t) => {
  const vae = ['diffusers', 'AutoencoderKL'];
  const latents = { 'model_index.json': { ...DIT['model_index.json'], vae } };
  const { 'transformer/config.json': _, ...lacking } = DIT;
  const cases: [files: Readonly<Record<string, object>>, message: RegExp][] = [
    [
      { ...DIT, ...latents },
      /model_index\.json: vae: expected none, since .* no latents, got \["diffusers","AutoencoderKL"\]$/,
    ],
    [lacking, /expected .*transformer.config\.json or .*config\.json, got neither$/],
  ];
  for (const [files, message] of cases) {
    const folder = await folderOf(t, files);
    t.throws(() => findPipeline(folder), { instanceOf: UsageError, message });
  }
});
