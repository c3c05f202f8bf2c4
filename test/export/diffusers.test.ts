import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { Args } from '../../src/config/args.js';
import { COMPUTING_DEFAULTS } from '../../src/config/computing.js';
import { openModel } from '../../src/config/open-model.js';
import { openUnet } from '../../src/device/open.js';
import { CounterRandom, PURPOSE } from '../../src/diffusion/random.js';
import { UsageError } from '../../src/errors.js';
import { exportDiffusers } from '../../src/export/diffusers.js';
import { readJsonFileSync } from '../../src/io/run.js';
import { readSafetensors, writeSafetensors } from '../../src/io/safetensors.js';
import { readWeights } from '../../src/io/weights.js';
import type { Tensor } from '../../src/network/state.js';
import { haze } from '../helpers/cli.js';
import { temporaryFolder } from '../helpers/folder.js';
import { freshRun, SMALL } from '../helpers/fresh-run.js';
import { close } from '../helpers/kernels.js';
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
