import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import test from 'ava';
import sharp from 'sharp';
import { completeModel } from '../../src/config/network-settings.js';
import { parseRunConfig } from '../../src/config/read.js';
import { DecodePool } from '../../src/data/decode-pool.js';
import { Interrupted, RunError, UsageError } from '../../src/errors.js';
import { readMetrics } from '../../src/io/metrics.js';
import { readSafetensors, writeSafetensors } from '../../src/io/safetensors.js';
import type { TrainEvent } from '../../src/train/options.js';
import { train } from '../../src/train/train.js';
import { prepared, writeBars } from '../helpers/run.js';
import { tiff } from '../helpers/tiff.js';

const bytes = (folder: string, step: number) =>
  ['model', 'optimizer'].map((name) =>
    readFileSync(join(folder, 'checkpoints', `step-${step}`, `${name}.safetensors`)),
  );

test('a run writes its config, a line per step, and a checkpoint at the end', async (t) => {
  const { options } = await prepared(t);
  const events: TrainEvent[] = [];
  const result = await train({ ...options, onEvent: (event) => events.push(event) });
  t.is(result.steps, 7);
  t.is(result.checkpoint, join(options.out, 'checkpoints', 'step-7'));
  const config = parseRunConfig(
    'config',
    JSON.parse(readFileSync(join(options.out, 'config.json'), 'utf8')),
  );
  t.is(config.chosen?.device, 'wasm');
  t.deepEqual({ ...config, chosen: null }, options.config);
  const metrics = await readMetrics(join(options.out, 'metrics.jsonl'));
  t.deepEqual(
    metrics.map((m) => m.step),
    [1, 2, 3, 4, 5, 6, 7],
  );
  t.deepEqual(
    metrics.map((m) => m.epoch),
    [0, 0, 0, 0, 0, 1, 1],
  );
  t.is(events.filter((event) => event.kind === 'step').length, 7);
  t.is(readFileSync(join(options.out, 'checkpoints', 'latest'), 'utf8'), 'step-7\n');
});

test('training lowers the loss', async (t) => {
  const { options } = await prepared(t, { steps: 80, lr: 3e-3 });
  await train(options);
  const losses = (await readMetrics(join(options.out, 'metrics.jsonl'))).map((m) =>
    'loss' in m ? m.loss : Number.NaN,
  );
  const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  t.true(mean(losses.slice(-10)) < 0.85 * mean(losses.slice(0, 10)));
});

test('model and optimizer have the same bits for any number of threads', async (t) => {
  const { folder, options } = await prepared(t);
  const runs = [1, 2, 3].map((threads) => ({
    ...options,
    out: join(folder, `run-${threads}`),
    config: { ...options.config, computing: { ...options.config.computing, threads } },
  }));
  for (const run of runs) await train(run);
  const [first, ...others] = runs.map(({ out }) => bytes(out, 7));
  for (const other of others) t.deepEqual(other, first);
});

test('a stopped and resumed run equals an uninterrupted one, bit by bit', async (t) => {
  const { folder, options } = await prepared(t, { steps: 12 });
  await train(options);
  const out = join(folder, 'stopped');
  const controller = new AbortController();
  const stopped = train({
    ...options,
    out,
    signal: controller.signal,
    onEvent: (event) => {
      if (event.kind === 'step' && event.step === 7) controller.abort();
    },
  });
  await t.throwsAsync(stopped, {
    instanceOf: Interrupted,
    message: /interrupted at step 7; saved/,
  });
  await train({ ...options, out, resume: true });
  t.deepEqual(bytes(out, 12), bytes(options.out, 12));
  const losses = async (run: string) =>
    (await readMetrics(join(run, 'metrics.jsonl'))).map((m) => ('loss' in m ? m.loss : null));
  t.deepEqual(await losses(out), await losses(options.out));
});

test('a resume drops log lines after its checkpoint', async (t) => {
  const { options } = await prepared(t);
  await train(options);
  const metrics = join(options.out, 'metrics.jsonl');
  const more = { step: 8, epoch: 1, loss: 1, lr: 1, imagesPerSecond: 1, ms: {} };
  writeFileSync(metrics, `${readFileSync(metrics, 'utf8')}${JSON.stringify(more)}\n{"step":9,"epo`);
  const config = { ...options.config, training: { ...options.config.training, steps: 9 } };
  await train({ ...options, config, resume: true });
  const steps = (await readMetrics(metrics)).map((m) => m.step);
  t.deepEqual(steps, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test('a resume of a finished run does nothing and says so', async (t) => {
  const { options } = await prepared(t);
  await train(options);
  const notes: string[] = [];
  const onEvent = (event: TrainEvent) => {
    if (event.kind === 'note') notes.push(event.text);
  };
  const before = bytes(options.out, 7);
  const result = await train({ ...options, resume: true, onEvent });
  t.is(result.loss, null);
  t.true(notes.includes('nothing to do: 7 steps are taken'));
  t.deepEqual(bytes(options.out, 7), before);
});

test('a resume with fewer steps than are taken is refused, and the run keeps its length', async (t) => {
  const { options } = await prepared(t);
  await train(options);
  const config = readFileSync(join(options.out, 'config.json'));
  const { training } = options.config;
  const refused = async (length: { steps: number | null; epochs: number | null }) => {
    const shorter = { ...options.config, training: { ...training, ...length } };
    const again = train({ ...options, config: shorter, resume: true });
    const { message } = await t.throwsAsync(again, { instanceOf: UsageError });
    return message;
  };
  const taken = /: the run in .* has taken 7 steps, and this is the total: expected at least /;
  const fewer = await refused({ steps: 6, epochs: null });
  t.regex(fewer, new RegExp(`^--steps${taken.source}7, got 6$`));
  const shorter = await refused({ steps: null, epochs: 1 });
  t.regex(shorter, new RegExp(`^--epochs${taken.source}2, got 1$`));
  t.deepEqual(readFileSync(join(options.out, 'config.json')), config);
});

test('a resume with the other build continues, with a note that bits may differ', async (t) => {
  const { options } = await prepared(t);
  await train(options);
  const warnings: string[] = [];
  const { config } = options;
  await train({
    ...options,
    resume: true,
    config: {
      ...config,
      training: { ...config.training, steps: 8 },
      computing: { ...config.computing, strict: true },
    },
    onEvent: (event) => {
      if (event.kind === 'warning') warnings.push(event.text);
    },
  });
  t.is(warnings.length, 1);
  t.regex(warnings[0]!, /strict SIMD.*no longer bit-exact/);
});

test('a resume with other threads and wider vectors is bit-exact, without a note', async (t) => {
  const { options } = await prepared(t);
  await train(options);
  const file = join(options.out, 'checkpoints', 'step-7', 'state.json');
  const state = JSON.parse(readFileSync(file, 'utf8')) as { device: string };
  const device = state.device.replace(/ SIMD.*/, ' SIMD of 256 bits, 5 threads)');
  t.not(device, state.device);
  writeFileSync(file, JSON.stringify({ ...state, device }));
  const warnings: string[] = [];
  const training = { ...options.config.training, steps: 8 };
  await train({
    ...options,
    resume: true,
    config: { ...options.config, training },
    onEvent: (event) => {
      if (event.kind === 'warning') warnings.push(event.text);
    },
  });
  t.deepEqual(warnings, []);
});

test('held-out loss is logged at the end of each epoch and of the run', async (t) => {
  const { options } = await prepared(t, { steps: 9 });
  const data = { ...options.config.data, heldOut: { fraction: 0.2 } };
  await train({ ...options, config: { ...options.config, data } });
  const lines = await readMetrics(join(options.out, 'metrics.jsonl'));
  const aside = lines.flatMap((m) => ('heldOutLoss' in m ? [m] : []));
  // 32 images train: four steps an epoch.
  t.deepEqual(
    aside.map((m) => m.step),
    [4, 8, 9],
  );
  t.true(aside.every((m) => m.heldOutLoss > 0));
});

test('held-out loss uses the same timesteps and noise each time: without learning it is equal to the bit', async (t) => {
  const { options } = await prepared(t, { steps: 9, lr: 1e-30 });
  const data = { ...options.config.data, heldOut: { fraction: 0.2 } };
  // Without running statistics, which training changes at any rate.
  const model = completeModel({
    ...{ kind: 'unet2d', size: 16, widths: [8, 16], channels: 1, layers: 1 },
    ...{ groups: 4, headDim: 8 },
  });
  const measured = async (seed: number) => {
    const out = `${options.out}-${seed}`;
    await train({ ...options, out, config: { ...options.config, data, model, seed } });
    const lines = await readMetrics(join(out, 'metrics.jsonl'));
    return lines.flatMap((m) => ('heldOutLoss' in m ? [m.heldOutLoss] : []));
  };
  const [first, ...others] = await measured(3);
  t.deepEqual(others, [first, first]);
  t.not((await measured(4))[0], first);
});

test('the requested number of checkpoints is kept, and sample grids are drawn when due', async (t) => {
  const { options } = await prepared(t, { steps: 6, saveEvery: 2, sampleEvery: 3, keep: 2 });
  await train(options);
  const names = readdirSync(join(options.out, 'checkpoints')).sort();
  t.deepEqual(names, ['latest', 'step-4', 'step-6']);
  t.deepEqual(readdirSync(join(options.out, 'samples')).sort(), ['step-3.png', 'step-6.png']);
});

test('--init starts from the weights of a file', async (t) => {
  const { folder, options } = await prepared(t);
  const { checkpoint } = await train(options);
  const init = join(checkpoint, 'model.safetensors');
  const out = join(folder, 'second');
  const training = { ...options.config.training, init, steps: 1, lr: 1e-30 };
  const second = await train({ ...options, out, config: { ...options.config, training } });
  const [before, after] = await Promise.all(
    [init, join(second.checkpoint, 'model.safetensors')].map((path) => readSafetensors(path)),
  );
  t.deepEqual(after?.tensors.get('conv0.weight'), before?.tensors.get('conv0.weight'));
});

test("--init reads weights under PyTorch's names, with a note", async (t) => {
  const { folder, options } = await prepared(t);
  const { checkpoint } = await train(options);
  const { tensors } = await readSafetensors(join(checkpoint, 'model.safetensors'));
  const named = [...tensors].filter(([name]) => !name.endsWith('.num_batches_tracked'));
  const init = join(folder, 'module.safetensors');
  await writeSafetensors(init, new Map(named.map(([name, of]) => [`module.${name}`, of])));
  const training = { ...options.config.training, init, steps: 1, lr: 1e-30 };
  const notes: string[] = [];
  const onEvent = (event: TrainEvent) => void (event.kind === 'note' && notes.push(event.text));
  const config = { ...options.config, training };
  const second = await train({ ...options, out: join(folder, 'second'), config, onEvent });
  const after = await readSafetensors(join(second.checkpoint, 'model.safetensors'));
  t.deepEqual(after.tensors.get('conv0.weight'), tensors.get('conv0.weight'));
  t.is(after.tensors.get('downs.0.bnorm1.num_batches_tracked')?.data[0], 1n);
  t.true(
    notes.some((text) => text.includes('"module.…", read without that prefix')),
    notes.join(),
  );
});

test('--init with weights of another model is refused and leaves nothing behind', async (t) => {
  const { folder, options } = await prepared(t);
  const init = join(folder, 'other.safetensors');
  const data = new Float32Array(9);
  await writeSafetensors(init, new Map([['conv0.weight', { dtype: 'F32', shape: [9], data }]]));
  const training = { ...options.config.training, init };
  const run = train({ ...options, config: { ...options.config, training } });
  await t.throwsAsync(run, { instanceOf: UsageError });
  t.false(existsSync(options.out));
});

test('an existing run is not overwritten', async (t) => {
  const { options } = await prepared(t);
  await train(options);
  const before = bytes(options.out, 7);
  await t.throwsAsync(train(options), { instanceOf: UsageError, message: /--resume/ });
  t.deepEqual(bytes(options.out, 7), before);
});

test('fewer images than a batch are refused with both numbers, and nothing is left', async (t) => {
  const { options } = await prepared(t, { batch: 64 });
  await t.throwsAsync(train(options), {
    instanceOf: UsageError,
    message: /^--batch: expected at most 40, .*, got 64; --batch 40 fits$/,
  });
  t.false(existsSync(options.out));
});

test('a model that does not fit is refused with the memory needed, and nothing is left', async (t) => {
  const { options } = await prepared(t);
  const model = { ...options.config.model, widths: [4096, 8192] };
  const run = train({ ...options, config: { ...options.config, model } });
  await t.throwsAsync(run, {
    instanceOf: UsageError,
    message: /memory: this needs .* GiB, available/,
  });
  t.false(existsSync(options.out));
});

test('a loss that is not finite stops the run with its step; the last checkpoint stays', async (t) => {
  const { options } = await prepared(t, { steps: 2 });
  await train(options);
  const training = { ...options.config.training, steps: 9, lr: 1e30 };
  const config = { ...options.config, training };
  // As if it had been begun with this rate.
  writeFileSync(join(options.out, 'config.json'), JSON.stringify(config));
  const run = train({ ...options, config, resume: true });
  await t.throwsAsync(run, {
    instanceOf: RunError,
    message: /^step 4: the loss is \S+; the checkpoint .*step-2 stays\. A lower --lr may help$/,
  });
  t.deepEqual(readdirSync(join(options.out, 'checkpoints')).sort(), ['latest', 'step-2']);
});

test('weights that are not finite are never saved', async (t) => {
  // Beyond what an f32 holds: the first step's loss is still finite.
  const { options } = await prepared(t, { saveEvery: 1, lr: 1e300 });
  await t.throwsAsync(train(options), {
    instanceOf: RunError,
    message: /^step 1: \S+ became (NaN|-?Infinity); no checkpoint was written/,
  });
  t.deepEqual(readdirSync(join(options.out, 'checkpoints')), []);
});

test('a checkpoint with a NaN is refused with file and tensor', async (t) => {
  const { options } = await prepared(t, { steps: 2 });
  const { checkpoint } = await train(options);
  const model = join(checkpoint, 'model.safetensors');
  const { tensors } = await readSafetensors(model);
  (tensors.get('conv0.bias')!.data as Float32Array)[0] = Number.NaN;
  await writeSafetensors(model, tensors);
  await t.throwsAsync(train({ ...options, resume: true }), {
    instanceOf: UsageError,
    message: /step-2\/model\.safetensors: conv0\.bias: expected finite numbers, got NaN$/,
  });
});

test('a resume with other settings is refused, and changes nothing', async (t) => {
  const { options } = await prepared(t, { steps: 2 });
  await train(options);
  const file = join(options.out, 'config.json');
  const before = readFileSync(file, 'utf8');
  const { config } = options;
  const { training, diffusion } = config;
  const wrong: [Partial<typeof config>, RegExp][] = [
    [{ training: { ...training, lr: 0.5 } }, /^--lr: the run in .* has .*, got 0\.5; a resume may/],
    [{ training: { ...training, batch: 3 } }, /^--batch: .*, got 3; a resume may change only/],
    [{ training: { ...training, clip: 2 } }, /^--clip: .* has none, got 2;/],
    [{ diffusion: { ...diffusion, objective: 'v' } }, /^--objective: .* has epsilon, got v;/],
    [{ seed: 9 }, /^--seed: .*, got 9;/],
  ];
  for (const [change, message] of wrong) {
    const changed = {
      ...config,
      ...change,
      training: { ...training, steps: 3, ...change.training },
    };
    await t.throwsAsync(train({ ...options, config: changed, resume: true }), {
      instanceOf: UsageError,
      message,
    });
    t.is(readFileSync(file, 'utf8'), before);
  }
  await t.throwsAsync(train({ ...options, out: join(options.out, 'none'), resume: true }), {
    instanceOf: UsageError,
    message:
      /^--resume: expected the folder of a run in --out, got .*none, which has no config\.json$/,
  });
});

test('held-out images that are trained on too are named in a warning', async (t) => {
  const { folder, options } = await prepared(t, { steps: 1 });
  const photos = join(folder, 'photos');
  const file = { create: { width: 9, height: 9, channels: 3, background: '#f80' } } as const;
  const png = await sharp(file).png().toBuffer();
  for (const path of [photos, join(photos, 'inner'), `${photos}-too`]) {
    mkdirSync(path);
    for (let i = 0; i < 8; i++) writeFileSync(join(path, `${i}.png`), png);
  }
  symlinkSync(photos, join(folder, 'link'), 'junction');
  const warnings = async (source: string, aside: string): Promise<string[]> => {
    const data = { ...options.config.data, source, heldOut: { source: aside } };
    const texts: string[] = [];
    await train({
      ...{ ...options, config: { ...options.config, data } },
      out: join(folder, `run of ${basename(source)} and ${basename(aside)}`),
      onEvent: (event) => {
        if (event.kind === 'warning') texts.push(event.text);
      },
    });
    return texts;
  };
  for (const [source, aside] of [
    [photos, photos],
    [photos, join(folder, 'link')],
    [photos, join(photos, 'inner')],
    [join(photos, 'inner'), photos],
  ] as const)
    t.deepEqual(await warnings(source, aside), [
      `--held-out: ${aside} shares images with ${source}, so the loss on them is of images that are trained on`,
    ]);
  t.deepEqual(await warnings(photos, `${photos}-too`), []);
});

test('a resume on other images continues with a warning', async (t) => {
  const { folder, options } = await prepared(t, { steps: 2 });
  await train(options);
  writeBars(folder, 48);
  const training = { ...options.config.training, steps: 3 };
  const warnings: string[] = [];
  await train({
    ...options,
    config: { ...options.config, training },
    resume: true,
    onEvent: (event) => {
      if (event.kind === 'warning') warnings.push(event.text);
    },
  });
  t.deepEqual(warnings, [
    'the checkpoint was trained on 40 images, now there are 48: from here it sees other images',
  ]);
});

test('a resume on the same number of other images warns, and on the same images does not', async (t) => {
  const { folder, options } = await prepared(t, { steps: 2 });
  const heldOut = join(folder, 'aside');
  mkdirSync(heldOut);
  const source = join(folder, 'photos');
  mkdirSync(source);
  const file = { create: { width: 9, height: 9, channels: 3, background: '#f80' } } as const;
  const png = await sharp(file).png().toBuffer();
  for (let i = 0; i < 8; i++) writeFileSync(join(source, `${i}.png`), png);
  writeFileSync(join(heldOut, 'a.png'), png);
  const data = { ...options.config.data, source, heldOut: { source: heldOut } };
  const config = { ...options.config, data };
  await train({ ...options, config });
  const warningsAt = async (steps: number): Promise<string[]> => {
    const warnings: string[] = [];
    await train({
      ...options,
      resume: true,
      config: { ...config, training: { ...config.training, steps } },
      onEvent: (event) => event.kind === 'warning' && warnings.push(event.text),
    });
    return warnings;
  };
  t.deepEqual(await warningsAt(3), []);
  renameSync(join(source, '7.png'), join(source, 'other.png'));
  t.deepEqual(await warningsAt(4), [
    'the checkpoint was trained on other files, judging by names and sizes: from here it sees other images',
  ]);
  // Bytes after its end do not matter to a PNG, but its size does.
  writeFileSync(join(source, '3.png'), Buffer.concat([png, Buffer.alloc(1)]));
  writeFileSync(join(heldOut, 'a.png'), Buffer.concat([png, Buffer.alloc(1)]));
  t.deepEqual(await warningsAt(5), [
    'the checkpoint was trained on other files, judging by names and sizes: from here it sees other images',
    'the held-out files have changed, judging by names and sizes: losses before and after are not comparable',
  ]);
  t.deepEqual(await warningsAt(6), []);
});

test('a resume on a data file with other pixels warns', async (t) => {
  const { options } = await prepared(t, { steps: 2 });
  await train(options);
  const { source } = options.config.data;
  const pixels = readFileSync(source);
  pixels[100] = pixels[100]! ^ 255;
  writeFileSync(source, pixels);
  const warnings: string[] = [];
  await train({
    ...options,
    resume: true,
    config: { ...options.config, training: { ...options.config.training, steps: 3 } },
    onEvent: (event) => event.kind === 'warning' && warnings.push(event.text),
  });
  t.is(warnings.length, 1);
  t.regex(warnings[0]!, /other files/);
});

test('skipped files and files with warnings are reported', async (t) => {
  const { folder, options } = await prepared(t, { steps: 1 });
  const source = join(folder, 'photos');
  mkdirSync(join(source, 'runs/1/checkpoints'), { recursive: true });
  writeFileSync(join(source, 'runs/1/config.json'), '{}');
  const dark = Uint16Array.from({ length: 81 }, (_, i) => 50 * i);
  const picture = tiff({ width: 9, height: 9, photometric: 1, samples: dark });
  for (let i = 0; i < 8; i++) writeFileSync(join(source, `${i}.tif`), picture);
  const warnings: string[] = [];
  await train({
    ...options,
    config: { ...options.config, data: { ...options.config.data, source } },
    onEvent: (event) => event.kind === 'warning' && warnings.push(event.text),
  });
  t.is(warnings.length, 9);
  t.is(warnings.at(-1), `left out ${join(source, 'runs/1')}: it holds a run`);
  t.regex(warnings[0]!, /^check .*0\.tif: its 16-bit samples use at most a quarter/);
});

test('weights for --init of another model are refused before an image is decoded', async (t) => {
  const { folder, options } = await prepared(t);
  const { checkpoint } = await train(options);
  const init = join(checkpoint, 'model.safetensors');
  const config = {
    ...options.config,
    model: { ...options.config.model, widths: [8, 24] },
    training: { ...options.config.training, init },
  };
  const events: TrainEvent[] = [];
  const out = join(folder, 'other');
  const run = train({ ...options, config, out, onEvent: (event) => events.push(event) });
  await t.throwsAsync(run, {
    instanceOf: UsageError,
    message:
      /^--init: .*model\.safetensors: expected widths 8,24, as this run has, got 8,16; --network and its flags, or /,
  });
  t.deepEqual(events, []);
  t.false(existsSync(out));
});

test('other processes can neither start nor resume a run in training', async (t) => {
  const { options } = await prepared(t, { steps: 4 });
  const others: Promise<unknown>[] = [];
  const refused = () =>
    t.throwsAsync(train({ ...options, resume: true }), {
      instanceOf: UsageError,
      message: /expected a run that nobody is training/,
    });
  await train({
    ...options,
    onEvent: (event) => {
      if (event.kind === 'step' && event.step === 2) others.push(refused());
    },
  });
  t.is(others.length, 1);
  await Promise.all(others);
  await t.notThrowsAsync(train({ ...options, resume: true }));
});

test('a run reports its memory in a suitable unit', async (t) => {
  const { options } = await prepared(t, { steps: 1 });
  const notes: string[] = [];
  await train({
    ...options,
    onEvent: (event) => {
      if (event.kind === 'note') notes.push(event.text);
    },
  });
  t.regex(
    notes.find((text) => text.startsWith('memory'))!,
    /^memory {2}\d+\.\d\d [KM]iB for batches/,
  );
});

test.serial(
  'images that exceed the budget are decoded once for each step that takes them',
  async (t) => {
    const { options } = await prepared(t, { steps: 10 });
    const { decode } = DecodePool.prototype;
    t.teardown(() => {
      DecodePool.prototype.decode = decode;
    });
    let decoded = 0;
    DecodePool.prototype.decode = function (job) {
      decoded += job.count;
      return decode.call(this, job);
    };
    await train({ ...options, dataBudget: 4 * 8 * 16 ** 2 });
    t.is(decoded, 40 + 10 * 8);
  },
);
