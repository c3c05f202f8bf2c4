import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import {
  drawWith,
  encodePng,
  evaluate,
  film,
  generate,
  grid,
  type Images,
  load,
  makeSchedule,
  readSafetensors,
  readTensors,
  resumeConfig,
  runConfig,
  ShapeError,
  sample,
  strip,
  toImages,
  train,
  trainSteps,
  UsageError,
  writeAnimation,
  writePicture,
  writeSafetensors,
} from '../../src/index.js';
import { settingsOf } from '../../src/library/settings-of.js';
import { temporaryFolder } from '../helpers/folder.js';
import { folderWithModel } from '../helpers/generate.js';
import { prepared } from '../helpers/run.js';

/** What no compiler has seen. */
const wrong = (value: unknown) => value as never;

type Call = (settings: never) => unknown;

test('every function refuses settings, signals and callbacks of another kind by one line', async (t) => {
  const path = join(await folderWithModel(t), 'model.safetensors');
  const model = await load(path, { size: 16, timesteps: 9, threads: 1 });
  t.teardown(() => model.dispose());
  const functions: Record<string, Call> = {
    load: (settings) => load(path, settings),
    sample: (settings) => sample(path, settings),
    generate: (settings) => generate(path, settings),
    evaluate: (settings) => evaluate(path, settings),
    'model.sample': (settings) => model.sample(settings),
    'model.sampleSteps': (settings) => model.sampleSteps(settings).next(),
    train: (settings) => train(settings),
    runConfig: (settings) => runConfig(settings),
    resumeConfig: (settings) => resumeConfig('x', settings),
    makeSchedule: (settings) => makeSchedule(settings),
    drawWith: (settings) => drawWith((x) => x, settings).next(),
  };
  for (const [where, call] of Object.entries(functions)) {
    const message = async (settings: unknown) => {
      const error = await t.throwsAsync(async () => call(wrong(settings)), {
        instanceOf: UsageError,
      });
      return error?.message;
    };
    t.is(await message(null), `${where}: expected an object of settings, got null`);
    t.is(await message([1]), `${where}: expected an object of settings, got [1]`);
    t.is(await message({ signal: 5 }), `${where}.signal: expected an AbortSignal, got 5`);
    t.is(await message({ signal: {} }), `${where}.signal: expected an AbortSignal, got {}`);
    t.is(await message({ onEvent: 5 }), `${where}.onEvent: expected a function, got 5`);
    t.is(await message({ onNote: 'x' }), `${where}.onNote: expected a function, got x`);
  }
  const nothing = { message: /: expected an object of settings, got nothing$/ };
  for (const name of ['generate', 'train', 'runConfig', 'makeSchedule', 'drawWith'])
    await t.throwsAsync(async () => functions[name]!(wrong(undefined)), nothing, name);
  await t.throwsAsync(trainSteps(wrong(null)).next(), { message: /^train: expected an object/ });
});

test('no signal and no callback are none', (t) => {
  const none = { signal: undefined, onEvent: null };
  t.deepEqual(settingsOf('f', none), none);
  const signal = new AbortController().signal;
  t.is(settingsOf('f', { signal }).signal, signal);
});

test('paths of another kind are refused by one line', async (t) => {
  const calls: [call: () => Promise<unknown>, message: string][] = [
    [() => load(wrong(5n)), 'load: expected a run, .*, got 5'],
    [
      () => resumeConfig(wrong(undefined)),
      'resumeConfig: expected the folder of a run, got nothing',
    ],
    [() => readSafetensors(wrong(undefined)), 'readSafetensors: expected .*, got nothing'],
    [() => readTensors(wrong({})), 'readTensors: expected .*, got {}'],
    [() => writeSafetensors(wrong(7), new Map()), 'writeSafetensors: expected .*, got 7'],
  ];
  for (const [call, message] of calls)
    await t.throwsAsync(call, { instanceOf: UsageError, message: new RegExp(`^${message}$`) });
});

test('what is no picture is refused by one line', async (t) => {
  const image = { data: new Uint8Array(12), count: 1, height: 2, width: 2, channels: 3 } as const;
  const { data: _, ...without } = image;
  const usage = { instanceOf: UsageError };
  for (const value of [
    undefined,
    null,
    {},
    without,
    { ...image, width: '2' },
    { ...image, data: [1] },
  ]) {
    for (const [name, call] of Object.entries({ grid, strip }) as [
      string,
      (of: Images) => unknown,
    ][])
      t.throws(() => call(wrong(value)), { ...usage, message: new RegExp(`^${name}: expected`) });
    t.throws(() => film([wrong(value)]), { ...usage, message: /^film: expected/ });
    await t.throwsAsync(encodePng(wrong(value)), { ...usage, message: /^encodePng: expected/ });
    await t.throwsAsync(writePicture('x.png', wrong(value)), {
      ...usage,
      message: /^writePicture: /,
    });
  }
  for (const layout of [null, { columns: 0 }, { columns: 1.5 }, { scale: -1 }, { gap: '2' }])
    t.throws(() => grid(image, wrong(layout)), { ...usage, message: /^grid(\.\w+)?: expected/ });
  await t.throwsAsync(encodePng({ ...image, width: 3 }), { instanceOf: ShapeError });
  await t.throwsAsync(writeAnimation('x.gif', wrong(5)), {
    ...usage,
    message: /a list of frames$/,
  });
  await t.throwsAsync(writePicture(wrong(undefined), image), { ...usage, message: /got nothing$/ });
  await t.throwsAsync(writePicture('x.bmp', image), { ...usage, message: /ending in \.png/ });
});

test('images that end within one, and shapes that are none, are refused', (t) => {
  t.throws(() => toImages(new Float32Array(5), { size: 2, channels: 3 }), {
    instanceOf: ShapeError,
    message: 'toImages: expected images of 2x2x3 = 12 values each, got 5 values',
  });
  for (const shape of [undefined, {}, { size: 0.5, channels: 3 }])
    t.throws(() => toImages(new Float32Array(3), wrong(shape)), { instanceOf: UsageError });
  t.throws(() => toImages(wrong([1]), { size: 1, channels: 1 }), { instanceOf: UsageError });
});

test("train's own options are checked as the flags are", async (t) => {
  const { options } = await prepared(t, { steps: 1 });
  const calls: [changes: object, message: RegExp][] = [
    [{ minutes: '5' }, /^train\.minutes: expected a number above 0/],
    [{ minutes: 1, resume: true }, /^train\.minutes: belongs to a new run; a resume takes/],
    [{ resume: 'x' }, /^train\.resume: expected true or false, got x$/],
    [{ requireCuda: 1 }, /^train\.requireCuda: expected true or false, got 1$/],
    [{ dataBudget: -1 }, /^train\.dataBudget: expected a whole number/],
    [{ queue: 5 }, /^train\.queue: expected text/],
  ];
  for (const [changes, message] of calls)
    await t.throwsAsync(train({ ...options, ...changes }), { instanceOf: UsageError, message });
});

test("train's config is checked as a run's config.json is", async (t) => {
  const { options } = await prepared(t, { steps: 1 });
  const { config } = options;
  const { model, ...rest } = config;
  const wrong: [config: object, message: RegExp][] = [
    [rest, /^train\.config\.model: expected /],
    [{ ...config, other: 1 }, /^train\.config\.other: unknown field$/],
    ...[{ steps: '3' }, { lr: 'x' }, { batch: 0 }, { optimizer: '__proto__' }, { ema: [5] }].map(
      (change): [object, RegExp] => [
        { ...config, model, training: { ...config.training, ...change } },
        new RegExp(`^train\\.config\\.training\\.${Object.keys(change)[0]}: expected `),
      ],
    ),
  ];
  for (const [changed, message] of wrong)
    await t.throwsAsync(train({ ...options, config: changed as typeof config }), {
      instanceOf: UsageError,
      message,
    });
  t.false(existsSync(options.out));
});

test('train has its options, and the folder of a relative path, as they were at the call', async (t) => {
  const { options } = await prepared(t, { steps: 1, sampleEvery: 0 });
  const folder = await temporaryFolder(t);
  const before = process.cwd();
  t.teardown(() => process.chdir(before));
  const config = structuredClone(options.config);
  process.chdir(folder);
  const running = train({ ...options, config, out: 'run' });
  process.chdir(before);
  Object.assign(config, { seed: 999 });
  Object.assign(config.training, { steps: 3 });
  t.like(await running, { steps: 1 });
  const written = JSON.parse(readFileSync(join(folder, 'run/config.json'), 'utf8'));
  t.is(written.seed, options.config.seed);
});
