import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { Args } from '../../src/config/args.js';
import { openModel } from '../../src/config/open-model.js';
import { UsageError } from '../../src/errors.js';
import { exportDiffusers } from '../../src/export/diffusers.js';
import { readJsonFileSync } from '../../src/io/run.js';
import { readWeights } from '../../src/io/weights.js';
import { haze } from '../helpers/cli.js';
import { temporaryFolder } from '../helpers/folder.js';
import { freshRun, SMALL } from '../helpers/fresh-run.js';

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
    message: /^export diffusers: expected a network that diffusers has, a unet2d, got simple$/,
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
    /<model>: expected a run or a checkpoint folder; diffusers needs --network unet2d, got nothing/,
  );
  await refused(['diffusers', 'a', 'b', '--out', 'x'], /unexpected word b/);
  await refused(['diffusers', '.'], /--out: expected a new folder, got nothing/);
});
