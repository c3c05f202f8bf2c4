import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { planModelMemory } from '../../src/commands/memory-plan.js';
import { DIFFUSION_DEFAULTS } from '../../src/config/diffusion.js';
import { PRESETS } from '../../src/config/presets.js';
import { TRAINING_DEFAULTS } from '../../src/config/training.js';
import { makeSchedule } from '../../src/diffusion/schedule.js';
import { writeSafetensors } from '../../src/io/safetensors.js';
import { buildNetwork, type NetworkConfig } from '../../src/network/network.js';
import { stateShapes } from '../../src/network/parameters.js';
import { elements, type StateDict } from '../../src/network/state.js';
import { WasmTrainer } from '../../src/wasm/wasm-trainer.js';
import { fixturePath, haze, refuses } from '../helpers/cli.js';
import { temporaryFolder } from '../helpers/folder.js';

const inspect = async (...args: string[]) => {
  const { code, stdout, stderr } = await haze('.', ['inspect', '--json', ...args]);
  if (code !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
};

/** Weights of zeros. */
const zeros = (a: NetworkConfig): StateDict =>
  new Map(
    [...stateShapes(buildNetwork(a))].map(([name, shape]) => [
      name,
      shape.length === 0
        ? { dtype: 'I64', shape, data: new BigInt64Array(1) }
        : { dtype: 'F32', shape, data: new Float32Array(elements(shape)) },
    ]),
  );

const trained = (batch: number) => ({ ...TRAINING_DEFAULTS, batch });

test("the reference's model has 62,438,883 parameters, and 62,433,123 with shared norms", async (t) => {
  const { code, stdout } = await haze('.', ['inspect']);
  t.is(code, 0);
  t.regex(stdout, /^parameters +62,438,883$/m);
  t.regex(stdout, /^downs\.0\.conv1 +conv +\[128, 64, 3, 3\] +64 → 64 +73,856 +604 MFLOP$/m);
  t.is((await inspect('--norm', 'shared')).parameters, 62_433_123);
});

test('the JSON has layers that add up, operations, and the memory plan of the batch', async (t) => {
  const { layers, parameters, memory, flopsPerImage } = await inspect(
    '--preset',
    'tiny',
    '--batch',
    '8',
    '--threads',
    '3',
  );
  const sum = (list: number[]) => list.reduce((a, b) => a + b, 0);
  t.is(sum(layers.map((layer: { parameters: number }) => layer.parameters)), parameters);
  t.true(flopsPerImage.training > 2.5 * flopsPerImage.forward);
  t.deepEqual([memory.batch, memory.threads], [8, 3]);
  t.true(sum(Object.values(memory.training.groups)) <= memory.training.total);
});

test('the memory plan names the largest batch that fits', (t) => {
  const { model } = PRESETS.reference;
  const plan = planModelMemory(model, 300, trained(128), 2);
  const total = (batch: number) => planModelMemory(model, 300, trained(batch), 2).training.total;
  t.true(total(plan.largestBatch) <= plan.limit);
  t.true(total(plan.largestBatch + 1) > plan.limit);
  t.true(plan.sampling.total < plan.training.total);
});

test('training takes the planned amount of memory, up to the largest batch', async (t) => {
  const { model } = PRESETS.tiny;
  const { training, largestBatch } = planModelMemory(model, 300, trained(5), 2);
  const loss = 'l1' as const;
  const schedule = makeSchedule(DIFFUSION_DEFAULTS);
  const options = { architecture: model, size: model.size, threads: 2, loss, schedule, seed: 0 };
  const trainer = WasmTrainer.create({ ...options, batch: 5 });
  t.teardown(() => trainer.dispose());
  const page = 65_536;
  t.is(trainer.memoryBytes, Math.ceil(training.total / page) * page);
  const error = t.throws(() => WasmTrainer.create({ ...options, batch: largestBatch + 1 }));
  t.regex(error!.message, new RegExp(`the largest batch that fits is ${largestBatch}$`));
});

test('the plan of a model that is far too large says that no batch fits', async (t) => {
  const { code, stdout } = await haze('.', ['inspect', '--size', '4096', '--batch', '65536']);
  t.is(code, 0);
  t.regex(stdout, /^Training does not fit in [\d.]+ \w+( \(.*\))?; not even a batch of 1 does\.$/m);
});

test('the architecture of bare weights is read from their shapes', async (t) => {
  const path = join(await temporaryFolder(t), 'model.safetensors');
  await writeSafetensors(
    path,
    zeros({ kind: 'simple', widths: [4, 6, 9], channels: 1, timeDim: 8, norm: 'shared' }),
  );
  const { model, run } = await inspect(path, '--size', '20');
  t.deepEqual(model, {
    kind: 'simple',
    widths: [4, 6, 9],
    channels: 1,
    timeDim: 8,
    norm: 'shared',
    size: 20,
  });
  t.is(run, null);
  await refuses(
    t,
    ['inspect', path, '--widths', '4,6'],
    /--widths: .*model\.safetensors has 4,6,9, got 4,6/,
  );
  await refuses(t, ['inspect', path, '--size', '18'], /--size: 3 widths .* multiple of 4; got 18/);
  await refuses(t, ['inspect', path, '--preset', 'tiny'], /--preset: .* is already a model/);
});

test('weights with a tensor of the wrong shape are refused by its name', async (t) => {
  const path = join(await temporaryFolder(t), 'odd.safetensors');
  const state = new Map(
    zeros({ kind: 'simple', widths: [4, 6], channels: 3, timeDim: 8, norm: 'separate' }),
  );
  state.delete('ups.0.bnorm2.running_var');
  await writeSafetensors(path, state);
  await refuses(
    t,
    ['inspect', path],
    /odd\.safetensors: ups\.0\.bnorm2\.running_var: expected a tensor with this name, got none/,
  );
});

test('the header of any other safetensors file is listed', async (t) => {
  const { code, stdout } = await haze('.', [
    'inspect',
    fixturePath('schedule_linear_T300.safetensors'),
  ]);
  t.is(code, 0);
  t.regex(stdout, /: 8 tensors, 2,400 values\n(.*\n)*abar +F32 +\[300\]\n/);
  await refuses(
    t,
    ['inspect', fixturePath('unet_rgb_16.safetensors'), '--size', '16'],
    /--size: .* does not hold a model/,
  );
});

test('names from a file cannot control the terminal', async (t) => {
  const path = join(await temporaryFolder(t), 'hostile.safetensors');
  await writeSafetensors(
    path,
    new Map([['\u001b[2Jcleared', { dtype: 'F32', shape: [1], data: new Float32Array(1) }]]),
  );
  const { stdout } = await haze('.', ['inspect', path]);
  t.regex(stdout, /\\x1b\[2Jcleared/);
});

test("a run's settings and name cannot control the terminal, as text or as JSON", async (t) => {
  const folder = await temporaryFolder(t);
  const run = 'a\u001b[2Jb\u202e';
  const trained = await haze(folder, [
    ...['train', 'toy-cars', '--out', run, '--preset', 'tiny', '--size', '16', '--batch', '8'],
    ...['--steps', '1', '--sample-every', '0'],
  ]);
  t.is(trained.code, 0, trained.stderr);
  const config = join(folder, run, 'config.json');
  const parsed = JSON.parse(await readFile(config, 'utf8'));
  parsed.data.source = 'cars\u001b]0;owned\u0007\nhaze: forged\u009b2J';
  await writeFile(config, JSON.stringify(parsed));
  const text = await haze(folder, ['inspect', run]);
  const json = await haze(folder, ['inspect', run, '--json']);
  for (const { code, stdout } of [trained, text, json]) {
    t.is(code, 0);
    t.notRegex(stdout.replaceAll('\n', ''), /[\p{Cc}\u202e]/u);
    t.notRegex(stdout, /^haze: forged/m);
  }
  t.true(text.stdout.includes('cars\\x1b]0;owned\\x07\\nhaze: forged\\x9b2J'), text.stdout);
  t.is(JSON.parse(json.stdout).run.data.source, parsed.data.source);
  t.is(JSON.parse(json.stdout).path, run);
  t.true(trained.stdout.includes("haze sample $'a\\x1b[2Jb\\u202e'"), trained.stdout);
});

test('a path that is not a model is refused', async (t) => {
  const folder = await temporaryFolder(t);
  const junk = join(folder, 'junk.safetensors');
  await writeFile(junk, 'neither here nor there');
  await refuses(t, ['inspect', junk], /junk\.safetensors: expected a \.safetensors file, got text/);
  await refuses(
    t,
    ['inspect', folder],
    /expected a run \(config\.json\), a checkpoint .*, got a folder with none of them/,
  );
  await refuses(
    t,
    ['inspect', join(folder, 'none')],
    /expected a model, got none: no such file or folder/,
  );
  const zip = join(folder, 'weights.pth');
  await writeFile(zip, 'PK\u0003\u0004rest');
  await refuses(
    t,
    ['inspect', zip],
    /weights\.pth: expected a file of torch\.save, got a damaged zip/,
  );
});

test('a PyTorch checkpoint is inspected as the model that it contains, with a note', async (t) => {
  const nested = fixturePath('torch/nested.pt');
  const { model, notes } = await inspect(nested, '--size', '8');
  t.deepEqual(model.widths, [8, 16]);
  t.regex(notes.join(), /"model_state_dict\.…", read without that prefix/);
  const { stdout } = await haze('.', ['inspect', nested, '--size', '8']);
  t.regex(stdout, /^note +.*nested\.pt: the network's 42 tensors/m);
});

test('for a torch.save file with another network, names, dtypes and shapes are listed', async (t) => {
  const { tensors } = await inspect(fixturePath('torch/tensors.pt'));
  t.deepEqual(
    tensors.find((of: { name: string }) => of.name === 'bfloat16'),
    {
      name: 'bfloat16',
      dtype: 'BF16',
      shape: [5],
    },
  );
  const { stdout } = await haze('.', ['inspect', fixturePath('torch/checkpoint.pt')]);
  t.regex(stdout, /^state_dict\.module\.1\.running_var +F32 +\[2\]$/m);
});
