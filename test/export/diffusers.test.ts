import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { Args } from '../../src/config/args.js';
import { COMPUTING_DEFAULTS } from '../../src/config/computing.js';
import { openModel } from '../../src/config/open-model.js';
import { openUnet } from '../../src/device/open.js';
import { openAutoencoder } from '../../src/device/open-autoencoder.js';
import { CounterRandom, PURPOSE } from '../../src/diffusion/random.js';
import { UsageError } from '../../src/errors.js';
import { exportDiffusers } from '../../src/export/diffusers.js';
import { readJsonFileSync } from '../../src/io/run.js';
import { readSafetensors, writeSafetensors } from '../../src/io/safetensors.js';
import { readWeights } from '../../src/io/weights.js';
import { latentFactor } from '../../src/network/autoencoder.js';
import type { Tensor } from '../../src/network/state.js';
import { toChannelsLast } from '../../src/parity/fixture.js';
import type { AutoencoderFixtureName } from '../helpers/autoencoder-fixture.js';
import { haze } from '../helpers/cli.js';
import { temporaryFolder } from '../helpers/folder.js';
import { freshRun, SMALL } from '../helpers/fresh-run.js';
import { close } from '../helpers/kernels.js';
import { LATENT_SIZE, latentRun } from '../helpers/latent-run.js';
import { pythonJson, pythonTest } from '../helpers/python.js';

/** A small dit, of seconds. */
const DIT = {
  ...{ network: 'dit', size: '12', patch: '3', widths: '20', depth: '2', channels: '1' },
  ...{ 'head-dim': '5', 'norm-eps': '1e-3', timesteps: '77', loss: 'l1', ema: 'none' },
  ...{ objective: 'epsilon', schedule: 'linear' },
};

test('an exported run opens as the same model', async (t) => {
  const folder = await freshRun(t, SMALL);
  const model = await openModel(folder, new Args({}));
  const out = join(folder, '..', 'deep', 'pipeline');
  await exportDiffusers({ ...model, out });
  t.deepEqual(readdirSync(out).sort(), ['model_index.json', 'scheduler', 'unet']);
  const again = await openModel(out, new Args({}));
  t.deepEqual(again.model, model.model);
  t.deepEqual(again.diffusion, model.diffusion);
  t.deepEqual(await readWeights(again.weights), await readWeights(model.weights));
  t.deepEqual(readdirSync(join(out, '..')), ['pipeline']);
});

test('a folder keeps the size of images other than that of the positions', async (t) => {
  const flags = { ...DIT, 'base-size': '7', size: '15' };
  const model = await openModel(await freshRun(t, flags), new Args({}));
  const out = join(await temporaryFolder(t), 'pipeline');
  await exportDiffusers({ ...model, out });
  t.is(readJsonFileSync(join(out, 'transformer', 'config.json')).sample_size, 7);
  t.deepEqual((await openModel(out, new Args({}))).model, model.model);
  const other = await openModel(out, new Args({ size: '6' }));
  t.deepEqual(other.model, { ...model.model, size: 6 });
  // Alone, the network tells no size that it can have.
  await t.throwsAsync(openModel(join(out, 'transformer'), new Args({})), {
    instanceOf: UsageError,
    message: /^--size: .*config\.json gives no image size that fits; set it$/,
  });
  const index = join(out, 'model_index.json');
  writeFileSync(index, JSON.stringify({ ...readJsonFileSync(index), image_size: '15' }));
  await t.throwsAsync(openModel(out, new Args({})), {
    instanceOf: UsageError,
    message: `${index}: image_size: expected a whole number from 1 to 4096, got "15"`,
  });
});

for (const classes of [undefined, ['bus', 'van']])
  test(`an exported dit ${classes ? 'with' : 'without'} classes opens as the same model`, async (t) => {
    const model = await openModel(await freshRun(t, DIT, classes && { classes }), new Args({}));
    const classLabels = classes ? { names: classes, none: 2 } : null;
    const out = join(await temporaryFolder(t), 'pipeline');
    await exportDiffusers({ ...model, classLabels, out });
    t.deepEqual(readdirSync(out).sort(), ['model_index.json', 'scheduler', 'transformer']);
    t.deepEqual(readJsonFileSync(join(out, 'model_index.json')), {
      _class_name: 'DiTPipeline',
      scheduler: ['diffusers', 'DDPMScheduler'],
      transformer: ['diffusers', 'DiTTransformer2DModel'],
      vae: [null, null],
      ...(classes && { id2label: { 0: 'bus', 1: 'van' }, none_label: 2 }),
    });
    const state = await readWeights(model.weights);
    const network = join(out, 'transformer');
    for (const path of [out, network]) {
      const again = await openModel(path, new Args({ timesteps: '77' }));
      t.deepEqual(again.model, model.model);
      t.deepEqual({ objective: 'epsilon', ...again.diffusion }, model.diffusion);
      t.deepEqual(again.classLabels, path === out ? classLabels : null);
      t.deepEqual(await readWeights(again.weights), state);
    }
    const bare = join(network, 'diffusion_pytorch_model.safetensors');
    const flags = { size: '12', 'head-dim': '5', 'norm-eps': '1e-3' };
    t.deepEqual((await openModel(bare, new Args(flags))).model, model.model);
  });

test('the row of a dit of one label goes into the bias before it', async (t) => {
  const model = await openModel(await freshRun(t, DIT), new Args({}));
  const folder = await temporaryFolder(t);
  await exportDiffusers({ ...model, classLabels: null, out: join(folder, 'pipeline') });
  const { weights } = await openModel(join(folder, 'pipeline'), new Args({}));
  const { tensors } = await readSafetensors(weights);
  const emb = 'transformer_blocks.1.norm1.emb';
  const table = tensors.get(`${emb}.class_embedder.embedding_table.weight`)!;
  t.deepEqual(table, { dtype: 'F32', shape: [1, 20], data: new Float32Array(20) });
  (table.data as Float32Array)[7] = 0.5;
  const changed = join(folder, 'changed.safetensors');
  await writeSafetensors(changed, tensors);
  const bias = `${emb}.timestep_embedder.linear_2.bias`;
  const [expected, got] = [await readWeights(weights), await readWeights(changed)];
  (expected.get(bias)!.data as Float32Array)[7]! += 0.5;
  t.deepEqual(got, expected);
});

/** Loads an exported dit and prints what it makes of the file's x, t and label, and what did not fit. */
const LOAD = `
import json, sys, torch
from diffusers import DDPMScheduler, DiTTransformer2DModel
from safetensors.torch import load_file
network, info = DiTTransformer2DModel.from_pretrained(sys.argv[1], subfolder='transformer', output_loading_info=True)
DDPMScheduler.from_pretrained(sys.argv[1], subfolder='scheduler')
given = load_file(sys.argv[2])
with torch.no_grad():
    out = network.eval()(given['x'], given['t'], class_labels=given['label']).sample
print(json.dumps(dict(out=out.flatten().tolist(), **{k: sorted(v) for k, v in info.items() if k.endswith('_keys')})))
`;

for (const classes of [undefined, ['bus', 'van']])
  pythonTest(
    `diffusers draws the same by an exported dit ${classes ? 'with' : 'without'} classes`,
    ['torch', 'diffusers', 'safetensors'],
    async (t, python) => {
      const model = await openModel(await freshRun(t, DIT, classes && { classes }), new Args({}));
      const folder = await temporaryFolder(t);
      const out = join(folder, 'pipeline');
      await exportDiffusers({ ...model, classLabels: null, out });
      const batch = 3;
      const xt = new CounterRandom(1).normals(PURPOSE.weights, 0, 0, batch * 12 * 12);
      const times = [0, 38, 76];
      const labels = classes ? [0, 2, 1] : [0, 0, 0];
      const i64 = (values: readonly number[]) =>
        ({ dtype: 'I64', shape: [batch], data: BigInt64Array.from(values.map(BigInt)) }) as const;
      const given = join(folder, 'given.safetensors');
      await writeSafetensors(
        given,
        new Map<string, Tensor>([
          // Of one channel, which is the first dimension of an image as well as the last.
          ['x', { dtype: 'F32', shape: [batch, 1, 12, 12], data: xt }],
          ['t', i64(times)],
          ['label', i64(labels)],
        ]),
      );
      const { unet } = await openUnet('wasm', COMPUTING_DEFAULTS, {
        ...{ architecture: model.model, size: 12, batch, timesteps: 77, training: false },
      });
      try {
        await unet.importState(await readWeights(model.weights));
        const input = {
          ...{ xt, t: Int32Array.from(times) },
          ...(classes && { labels: Int32Array.from(labels) }),
        };
        const expected = await unet.predict(input, 'running');
        const got = (await pythonJson(python, '-c', LOAD, out, given)) as {
          [key: string]: number[];
        };
        const { out: drawn, ...unfit } = got;
        t.deepEqual(unfit, { missing_keys: [], unexpected_keys: [], mismatched_keys: [] });
        close(t, Float32Array.from(drawn!), expected, { atol: 1e-5, what: 'out' });
      } finally {
        await unet.dispose();
      }
    },
  );

/** What a dit's recipe has otherwise, and a pipeline's scheduler does not. */
const FORWARD = { objective: 'epsilon', schedule: 'linear' };

/** Of each network, for latents: flags, and the names of the pipeline and of its autoencoder. */
const LATENT = {
  unet2d: {
    flags: { network: 'unet2d', layers: '1', groups: '4' },
    ...{ pipeline: 'LDMPipeline', part: 'vqvae', network: 'unet' },
  },
  dit: {
    flags: { network: 'dit', patch: '2', depth: '1', widths: '8', ema: 'none', ...FORWARD },
    ...{ pipeline: 'DiTPipeline', part: 'vae', network: 'transformer' },
  },
} as const;

/** A run on latents, exported; resolves to the model and the folder. */
async function exportedLatents(
  t: ExecutionContext,
  network: keyof typeof LATENT,
  name: AutoencoderFixtureName,
) {
  const model = await openModel(await latentRun(t, name, LATENT[network].flags), new Args({}));
  const out = join(await temporaryFolder(t), 'pipeline');
  const pipeline: string = await exportDiffusers({ ...model, out });
  t.is(pipeline, LATENT[network].pipeline);
  return { model, out };
}

for (const network of ['unet2d', 'dit'] as const)
  test(`an exported ${network} of latents opens with its autoencoder`, async (t) => {
    const { pipeline, part } = LATENT[network];
    const { model, out } = await exportedLatents(t, network, 'tiny_16');
    t.deepEqual(
      readdirSync(out).sort(),
      ['model_index.json', 'scheduler', part, LATENT[network].network].sort(),
    );
    t.like(readJsonFileSync(join(out, 'model_index.json')), {
      _class_name: pipeline,
      [part]: ['diffusers', 'AutoencoderTiny'],
    });
    const again = await openModel(out, new Args({}));
    t.deepEqual(again.model, model.model);
    t.deepEqual(again.autoencoder!.config, model.autoencoder!.config);
    t.deepEqual(
      await readSafetensors(again.autoencoder!.weights),
      await readSafetensors(model.autoencoder!.weights),
    );
  });

test("an autoencoder's shift, which pipelines leave out, becomes that of its convolutions", async (t) => {
  const { model, out } = await exportedLatents(t, 'unet2d', 'kl_odd_12');
  const files = [model.autoencoder!, (await openModel(out, new Args({}))).autoencoder!];
  t.is(files[1]!.config.shift, 0);
  const computing = { ...COMPUTING_DEFAULTS, threads: 1 };
  const open = async (of: (typeof files)[0]) => {
    const opened = await openAutoencoder(of, LATENT_SIZE, { computing, requireCuda: false });
    t.teardown(() => opened.dispose());
    return opened;
  };
  const [own, other] = await Promise.all(files.map(open));
  const latents = new CounterRandom(1).normals(PURPOSE.weights, 0, 0, LATENT_SIZE ** 2 * 3);
  const pictures = await own!.decode(latents);
  close(t, await other!.decode(latents), pictures, { atol: 1e-5, what: 'pictures' });
  close(t, await other!.encode(pictures), await own!.encode(pictures), { atol: 1e-5 });
});

/** Loads a pipeline whole, draws by it, and prints the shape of the picture and the pictures of the file's latents. */
const LOAD_LATENTS = `
import json, sys, torch
import diffusers
from safetensors.torch import load_file
_, out, given, name, part = sys.argv
pipeline = getattr(diffusers, name).from_pretrained(out)
pipeline.set_progress_bar_config(disable=True)
how = dict(class_labels=[0], guidance_scale=1.0) if part == 'vae' else {}
drawn = pipeline(num_inference_steps=2, output_type='np', **how).images
vae = getattr(pipeline, part)
latents = load_file(given)['latents']
with torch.no_grad():
    pictures = vae.decode(latents / vae.config.scaling_factor).sample
print(json.dumps(dict(drawn=list(drawn.shape), kind=type(vae).__name__, pictures=pictures.permute(0, 2, 3, 1).flatten().tolist())))
`;

for (const [network, name, kind] of [
  ['unet2d', 'kl_odd_12', 'AutoencoderKL'],
  ['unet2d', 'tiny_16', 'AutoencoderTiny'],
  ['dit', 'kl_odd_12', 'AutoencoderKL'],
  ['dit', 'tiny_16', 'AutoencoderTiny'],
] as const)
  pythonTest(
    `diffusers draws by an exported ${network} of latents and its ${kind}`,
    ['torch', 'diffusers', 'safetensors'],
    async (t, python) => {
      const { pipeline, part } = LATENT[network];
      const { model, out } = await exportedLatents(t, network, name);
      const { config } = model.autoencoder!;
      const size = LATENT_SIZE * latentFactor(config);
      const { latentChannels: channels } = config;
      const data = new CounterRandom(1).normals(PURPOSE.weights, 0, 0, channels * LATENT_SIZE ** 2);
      const given = join(await temporaryFolder(t), 'given.safetensors');
      const shape = [1, channels, LATENT_SIZE, LATENT_SIZE];
      await writeSafetensors(given, new Map([['latents', { dtype: 'F32', shape, data }]]));
      const got = (await pythonJson(python, '-c', LOAD_LATENTS, out, given, pipeline, part)) as {
        drawn: number[];
        kind: string;
        pictures: number[];
      };
      t.deepEqual(got.drawn, [1, size, size, 3]);
      t.is(got.kind, kind);
      // Pipelines leave out a shift, which nothing in an AutoencoderTiny can take over.
      const shifted = config.kind === 'tiny' ? config.shift * config.scale : 0;
      const latents = toChannelsLast(data, channels, LATENT_SIZE ** 2).map((v) => v - shifted);
      const computing = { ...COMPUTING_DEFAULTS, threads: 1 };
      const options = { computing, requireCuda: false };
      const autoencoder = await openAutoencoder(model.autoencoder!, LATENT_SIZE, options);
      t.teardown(() => autoencoder.dispose());
      const expected = await autoencoder.decode(latents);
      close(t, Float32Array.from(got.pictures), expected, { atol: 1e-4, what: 'pictures' });
    },
  );

test('clip_sample is false if the run does not clamp, and follows flags', async (t) => {
  const folder = await freshRun(t, SMALL);
  const scheduler = (out: string) =>
    readJsonFileSync(join(folder, '..', out, 'scheduler', 'scheduler_config.json'));
  const exported = (...args: string[]) =>
    haze(join(folder, '..'), ['export', 'diffusers', 'run', ...args]);
  t.is((await exported('--out', 'plain')).code, 0);
  t.like(scheduler('plain'), {
    ...{ _class_name: 'DDPMScheduler', num_train_timesteps: 77, prediction_type: 'epsilon' },
    ...{ beta_schedule: 'squaredcos_cap_v2', clip_sample: false, variance_type: 'fixed_small' },
  });
  t.is((await exported('--out', 'clamped', '--clamp-range', '2', '--variance', 'large')).code, 0);
  t.like(scheduler('clamped'), {
    ...{ clip_sample: true, clip_sample_range: 2, variance_type: 'fixed_large' },
  });
});

test('a run of the simple network is refused, and an existing folder', async (t) => {
  const simple = await openModel(
    await freshRun(t, { size: '16', widths: '8,16', channels: '1' }),
    new Args({}),
  );
  const out = join(await temporaryFolder(t), 'out');
  await t.throwsAsync(exportDiffusers({ ...simple, out }), {
    instanceOf: UsageError,
    message: /^export diffusers: expected a network that diffusers has, unet2d or dit, got simple$/,
  });
  const model = await openModel(await freshRun(t, SMALL), new Args({}));
  mkdirSync(out);
  await t.throwsAsync(exportDiffusers({ ...model, out }), {
    instanceOf: UsageError,
    message: /^--out .*out: expected a new folder, got one that exists$/,
  });
  t.deepEqual(readdirSync(join(out, '..')), ['out']);
});

test('the command line takes a format and a model', async (t) => {
  const folder = await temporaryFolder(t);
  const refused = async (args: string[], message: RegExp) => {
    const { code, stderr } = await haze(folder, ['export', ...args]);
    t.is(code, 2);
    t.regex(stderr, message);
  };
  await refused(
    ['onnx', 'run', '--out', 'x'],
    /<format>: expected one of diffusers, web, got onnx/,
  );
  await refused(
    ['diffusers'],
    /<model>: expected a run or a checkpoint folder; diffusers needs --network unet2d or dit, got nothing/,
  );
  await refused(['diffusers', 'a', 'b', '--out', 'x'], /unexpected word b/);
  await refused(['diffusers', '.'], /--out: expected a new folder, got nothing/);
});
