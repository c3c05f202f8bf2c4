import { execFile } from 'node:child_process';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import { WasmNetwork } from '../../src/engine/network/wasm-network.js';
import {
  type DrawStep,
  Interrupted,
  type LoadSettings,
  load,
  type Model,
  RunError,
  ShapeError,
  sample,
  train,
  UsageError,
} from '../../src/index.js';
import { fixturePath } from '../helpers/cli.js';
import { folderWithModel, model as shape, weightsOf } from '../helpers/generate.js';
import { close, values } from '../helpers/kernels.js';
import { prepared } from '../helpers/run.js';
import { tensorflowTest } from '../helpers/tensorflow.js';

const BARE = { size: 16, timesteps: 9, threads: 2 } as const;
const EACH = 16 * 16 * 3;

async function opened(t: ExecutionContext, settings: LoadSettings = {}) {
  const path = join(await folderWithModel(t), 'model.safetensors');
  const model = await load(path, { ...BARE, ...settings });
  t.teardown(() => model.dispose());
  return { path, model };
}

async function steps(model: Model, settings: object): Promise<DrawStep[]> {
  const all: DrawStep[] = [];
  for await (const step of model.sampleSteps(settings)) all.push(step);
  return all;
}

test('an open model draws the images of sample, at once and step by step, in any order', async (t) => {
  const { path, model } = await opened(t);
  for (const settings of [
    { count: 3, seed: 5 },
    { count: 2, seed: 5, sampler: 'dpm++sde', steps: 3, dynamicThreshold: 0.9 },
    { count: 17, seed: 1, sampler: 'ddim', steps: 2, eta: 0.5, norm: 'batch' },
    { count: 3, sampler: 'heun', steps: 2, karras: true, clamp: false },
  ] as const) {
    const expected = await sample(path, { ...BARE, ...settings });
    t.deepEqual(await model.sample(settings), expected);
    const walk = await steps(model, settings);
    t.deepEqual(walk.at(-1)!.x, expected.images);
    t.is(walk.length, walk[0]!.steps);
  }
  const frames = { moments: 3, images: 1 };
  const settings = { count: 2, sampler: 'ddim', steps: 4, frames } as const;
  t.deepEqual(await model.sample(settings), await sample(path, { ...BARE, ...settings }));
});

test('concurrent calls wait for each other, and do not affect each other', async (t) => {
  const { model } = await opened(t);
  const x = values(5 * EACH, 3);
  const expected = [await model.sample({ count: 1, seed: 1 }), await model.predict(x, 4)];
  const all = await Promise.all([
    model.sample({ count: 1, seed: 1 }),
    model.predict(x, 4),
    model.sample({ count: 4, seed: 2 }),
    steps(model, { count: 2, seed: 3 }),
  ]);
  t.deepEqual(all.slice(0, 2), expected);
  for await (const { x: now, step } of model.sampleSteps({ count: 2, seed: 3 })) {
    t.deepEqual(now, all[3][step - 1]!.x);
    // The model answers between two steps.
    t.deepEqual(await model.predict(x, 4), expected[1]);
  }
});

test('predictions equal those of the network for any number of images and real timesteps', async (t) => {
  const { model } = await opened(t);
  const options = { architecture: shape, size: 16, batch: 1, timesteps: 9, threads: 1 };
  const { network } = WasmNetwork.create({ ...options, training: false });
  t.teardown(() => network.dispose());
  await network.importState(weightsOf(1));
  const x = values(19 * EACH, 2);
  const times = Array.from({ length: 19 }, (_, i) => (i % 9) + (i % 2) / 4);
  const before = x.slice();
  const output = await model.predict(x, times);
  t.deepEqual(x, before);
  for (const [i, time] of times.entries()) {
    const xt = x.slice(i * EACH, (i + 1) * EACH);
    const own = await network.predict({ xt, t: Float32Array.of(time) }, 'running');
    t.deepEqual(output.slice(i * EACH, (i + 1) * EACH), own);
  }
  t.deepEqual(await model.predict(x.slice(0, EACH), times[0]!), output.slice(0, EACH));
});

test('invalid settings are refused by name, and the model remains usable', async (t) => {
  const { model, path } = await opened(t);
  const [usage, wrongShape] = [{ instanceOf: UsageError }, { instanceOf: ShapeError }];
  const x = new Float32Array(2 * EACH);
  const refused: [
    call: () => Promise<unknown>,
    error: { instanceOf: new () => Error },
    message: RegExp,
  ][] = [
    [
      () => model.predict(x, { length: 1e9 }),
      wrongShape,
      /expected one timestep, or 2, one per image, got 1000000000$/,
    ],
    [
      () => model.predict(x.slice(1), 3),
      wrongShape,
      /images of 16x16x3 = 768 values each, got 1535/,
    ],
    [() => model.predict(new Float32Array(), 3), wrongShape, /got 0 values$/],
    [() => model.predict(x, [1, 2, 3]), wrongShape, /one timestep, or 2, one per image, got 3$/],
    [() => model.predict(x, Number.NaN), usage, /^model\.predict: .* finite numbers, got NaN$/],
    [
      () => model.predict([...x] as unknown as Float32Array, 3),
      usage,
      /^model\.predict: expected images in a Float32Array, got Array$/,
    ],
    [() => model.predict(x, '12' as never), usage, /a timestep or a list of them, got String$/],
    [() => model.predict(x, ['1', '2'] as never), usage, /finite numbers, got 1$/],
    [() => model.predict(x, 1e39), usage, /finite numbers, got 1e\+39$/],
    [() => model.predict(null as never, 3), usage, /in a Float32Array, got null$/],
    [() => model.predict(x, undefined as never), usage, /a timestep or a list.*, got undefined$/],
    [
      () => model.sample({ sampler: 'ddim', eta: Number.NaN }),
      usage,
      /^model\.sample\.eta: .*, got NaN$/,
    ],
    [() => model.sample({ count: 0 }), usage, /^model\.sample\.count: .* from 1 to 65536, got 0$/],
    [() => model.sample({ steps: 10 }), usage, /^model\.sample\.steps: .* from 1 to 9, got 10$/],
    [() => model.sample({ size: 16 } as object), usage, /^model\.sample\.size: unknown field/],
    [() => model.sample({ frames: { moments: 1, images: 99 } }), usage, /sample\.frames\.images/],
    [() => steps(model, { sampler: 'dim' }), usage, /^model\.sampleSteps\.sampler: .*ddim/],
    [() => load(path, { ...BARE, thraeds: 2 } as object), usage, /^load\.thraeds: unknown field/],
    [
      () => load(path, { ...BARE, weights: 'ema' }),
      usage,
      /^load\.weights: .* does not belong to a run/,
    ],
    [() => load(`${path}.none`), usage, /expected a model, got none/],
  ];
  for (const [call, kind, message] of refused) await t.throwsAsync(call, { ...kind, message });
  t.is((await model.predict(x, 3)).length, x.length);
});

test('an abort ends a call, and the model remains usable', async (t) => {
  const { model } = await opened(t);
  const controller = new AbortController();
  const { signal } = controller;
  const onEvent = ({ kind }: { kind: string }) => {
    if (kind === 'progress') controller.abort();
  };
  await t.throwsAsync(model.sample({ count: 1, signal, onEvent }), { instanceOf: Interrupted });
  await t.throwsAsync(steps(model, { signal }), { instanceOf: Interrupted });
  t.is((await model.sample({ count: 1 })).images.length, EACH);
});

test('a disposed model refuses waiting, running and new calls', async (t) => {
  const { model } = await opened(t);
  const walk = model.sampleSteps({ count: 1 });
  t.is((await walk.next()).done, false);
  const calls = [model.sample({ count: 16 }), model.sample({ count: 1 })];
  const expected = { instanceOf: RunError, message: /^model\.\w+: the model was disposed$/ };
  const ends = calls.map((call) => t.throwsAsync(call, expected));
  await Promise.all([model.dispose(), model.dispose(), ...ends]);
  await model.dispose();
  await model[Symbol.asyncDispose]();
  await t.throwsAsync(walk.next(), expected);
  await t.throwsAsync(model.predict(new Float32Array(EACH), 0), expected);
});

test('an open model does not keep a process alive', async (t) => {
  const { path } = await opened(t);
  const index = new URL('../../src/index.js', import.meta.url).href;
  for (const end of ['await model.dispose();', '']) {
    const code = `import { load } from '${index}';
      const model = await load(${JSON.stringify(path)}, ${JSON.stringify(BARE)});
      const { images } = await model.sample({ count: 1 });
      ${end} console.log(images.length);`;
    const run = promisify(execFile);
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', code]);
    t.is(stdout, `${EACH}\n`);
  }
});

test('a guide that is replaced while steps are drawn with it is closed with the model', async (t) => {
  if (process.platform !== 'linux') return t.pass();
  const folder = await folderWithModel(t);
  const path = JSON.stringify(join(folder, 'model.safetensors'));
  const guides = ['a', 'b'].map((name) => join(folder, `${name}.safetensors`));
  for (const guide of guides) await copyFile(join(folder, 'model.safetensors'), guide);
  const index = JSON.stringify(new URL('../../src/index.js', import.meta.url).href);
  const run = promisify(execFile);
  const threads = async (other: string) => {
    const code = `
      import { readdirSync } from 'node:fs';
      import { load } from ${index};
      const model = await load(${path}, ${JSON.stringify(BARE)});
      const drawn = { count: 1, sampler: 'ddim', steps: 3, guidance: 2 };
      const steps = model.sampleSteps({ ...drawn, guide: ${JSON.stringify(guides[0])} });
      await steps.next();
      await model.sample({ ...drawn, guide: ${JSON.stringify(other)} });
      for await (const _ of steps);
      await model.dispose();
      console.log(readdirSync('/proc/self/task').length);`;
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', code]);
    return Number(stdout);
  };
  t.is(await threads(guides[1]!), await threads(guides[0]!));
});

test('runs and checkpoints are opened with raw or averaged weights', async (t) => {
  const { options } = await prepared(t, { steps: 4, saveEvery: 2, ema: [0.5], lr: 0.01 });
  await train(options);
  const { out } = options;
  const drawn = { count: 1, sampler: 'ddim', steps: 2 } as const;
  const seen = new Set<string>();
  for (const path of [out, join(out, 'checkpoints', 'step-2')])
    for (const weights of ['raw', 'ema'] as const) {
      const notes: string[] = [];
      const model = await load(path, { weights, threads: 1, onNote: (text) => notes.push(text) });
      t.teardown(() => model.dispose());
      const { images } = await model.sample(drawn);
      t.deepEqual(images, (await sample(path, { ...drawn, weights })).images);
      t.regex(notes[0]!, weights === 'raw' ? /as they were trained/ : /average \(EMA\) of decay/);
      seen.add(images.join());
    }
  t.is(seen.size, 4);
});

test('a diffusers folder is opened with the sampler of its scheduler', async (t) => {
  const path = fixturePath('pipelines/nested');
  const model = await load(path, { threads: 1 });
  t.teardown(() => model.dispose());
  const settings = { count: 1, seed: 2 };
  t.deepEqual(await model.sample(settings), await sample(path, settings));
});

tensorflowTest('an open model draws the same images on tensorflow as on wasm', async (t) => {
  const { model } = await opened(t);
  const { model: other } = await opened(t, { device: 'tensorflow' });
  t.is(other.device, 'tensorflow');
  const settings = { count: 2, sampler: 'unipc', steps: 4 } as const;
  const { images } = await other.sample(settings);
  // Sums in another order, over four steps.
  close(t, images, [...(await model.sample(settings)).images], { atol: 1e-4 });
  const x = values(3 * EACH, 4);
  const expected = await model.predict(x, [0.5, 3, 8]);
  close(t, await other.predict(x, [0.5, 3, 8]), [...expected], { atol: 2e-5 });
});
