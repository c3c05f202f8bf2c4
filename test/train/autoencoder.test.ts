import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import sharp from 'sharp';
import { COMPUTING_DEFAULTS } from '../../src/config/computing.js';
import { readRunIn } from '../../src/config/read.js';
import { openDataset } from '../../src/data/dataset.js';
import { openSource } from '../../src/data/source.js';
import { openAutoencoder } from '../../src/device/open-autoencoder.js';
import { sharedArithmetic } from '../../src/engine/arithmetic.js';
import { Interrupted, RunError, UsageError } from '../../src/errors.js';
import { findAutoencoder } from '../../src/io/autoencoder.js';
import { WEIGHTS } from '../../src/io/copy-autoencoder.js';
import { readMetrics } from '../../src/io/metrics.js';
import { readSafetensors } from '../../src/io/safetensors.js';
import type { AutoencoderEvent } from '../../src/train/autoencoder/options.js';
import { trainAutoencoder } from '../../src/train/autoencoder/train.js';
import { bars, madeIn, training } from '../helpers/autoencoder-training.js';
import { temporaryFolder } from '../helpers/folder.js';
import { close } from '../helpers/kernels.js';
import { pythonJson, pythonTest } from '../helpers/python.js';
import { writeBars } from '../helpers/run.js';
import { tensorflowTest } from '../helpers/tensorflow.js';

/** All pictures of an IDX file of 16 pixels. */
async function picturesOf(data: string) {
  const dataset = await openDataset(await openSource(data, 0), {
    ...{ size: 16, channels: 1, fit: 'squash', threads: 1 },
  });
  const pixels = new Uint8Array(dataset.count * 256);
  await dataset.read(
    Array.from({ length: dataset.count }, (_, i) => i),
    pixels,
  );
  await dataset.close();
  return pixels;
}

test('a training makes an autoencoder that opens, with latents of mean 0 and deviation 1', async (t) => {
  const { data, out } = await bars(t);
  const events: AutoencoderEvent[] = [];
  const onEvent = (event: AutoencoderEvent) => void events.push(event);
  const options = training(out, data, { steps: 40, saveEvery: 15 }, { onEvent });
  const result = await trainAutoencoder(options);
  t.deepEqual(readdirSync(out).sort(), [
    ...['checkpoints', 'config.json', 'diffusion_pytorch_model.safetensors', 'metrics.jsonl'],
    'reconstructions.png',
  ]);
  t.deepEqual(readdirSync(join(out, 'checkpoints')).sort(), ['latest', 'step-40']);
  const saves = events.flatMap((event) => (event.kind === 'checkpoint' ? [event.step] : []));
  t.deepEqual(saves, [15, 30, 40]);

  const files = findAutoencoder(out);
  const { config } = files;
  t.is(config.latentChannels, 3);
  t.is(config.shift, Number(result.mean.toPrecision(7)));
  t.is(config.scale, Number((1 / result.deviation).toPrecision(7)));
  const autoencoder = await openAutoencoder(files, result.latentSize, {
    computing: { ...COMPUTING_DEFAULTS, threads: 1 },
    requireCuda: false,
  });
  t.teardown(() => autoencoder.dispose());
  t.is(autoencoder.size, 16);
  const pixels = await picturesOf(data);
  const latents = await autoencoder.encode(sharedArithmetic().toFloat(pixels));
  const mean = latents.reduce((sum, v) => sum + v, 0) / latents.length;
  const variance = latents.reduce((sum, v) => sum + (v - mean) ** 2, 0) / latents.length;
  t.true(Math.abs(mean) < 1e-4 && Math.abs(variance - 1) < 1e-4, `${mean}, ${variance}`);

  const back = sharedArithmetic().toBytes(await autoencoder.decode(latents));
  const error = back.reduce((sum, v, i) => sum + (v - pixels[i]!) ** 2, 0) / pixels.length;
  t.true(Math.abs(result.psnr - 10 * Math.log10(255 ** 2 / error)) < 0.01);
  t.is(result.pictures, 40);

  const lines = await readMetrics(join(out, 'metrics.jsonl'));
  t.deepEqual(
    lines.map(({ step }) => step),
    Array.from({ length: 40 }, (_, i) => i + 1),
  );
  const { width, height } = await sharp(join(out, 'reconstructions.png')).metadata();
  t.true(width > 3 * height, 'eight pictures above eight');
});

test('the loss falls on toy-cars', async (t) => {
  const out = join(await temporaryFolder(t), 'vae');
  const settings = { channels: 3, widths: [8, 16], batch: 8, steps: 60 };
  const result = await trainAutoencoder(training(out, 'toy-cars', settings));
  const losses = (await readMetrics(join(out, 'metrics.jsonl'))).map((line) =>
    'loss' in line ? line.loss : Number.NaN,
  );
  t.true(result.loss! < losses[0]!);
  t.true(losses.at(-1)! < 0.8 * losses[0]!, `${losses[0]} to ${losses.at(-1)}`);
  t.is(result.pictures, 512);
  t.true(result.psnr > 10, `${result.psnr} dB`);
});

test('the bits are the same by any number of threads', async (t) => {
  const { data, folder } = await bars(t);
  const made = [];
  for (const threads of [1, 2, 3]) {
    const out = join(folder, String(threads));
    await trainAutoencoder(training(out, data, { threads, layers: 2 }));
    made.push(await madeIn(out, 8));
  }
  t.deepEqual(made[1], made[0]);
  t.deepEqual(made[2], made[0]);
});

test('a resume gives the bits of a training without a break, even if it saves at other steps', async (t) => {
  const { data, out, folder } = await bars(t);
  const whole = join(folder, 'whole');
  await trainAutoencoder(training(whole, data, { steps: 12 }));
  const expected = await madeIn(whole, 12);
  // What a killed process leaves: a checkpoint behind the log, and half-written files.
  const controller = new AbortController();
  const onEvent = (event: AutoencoderEvent) => {
    if (event.kind === 'step' && event.step === 7) controller.abort();
  };
  const begun = training(out, data, { steps: 12 }, { signal: controller.signal, onEvent });
  await t.throwsAsync(trainAutoencoder(begun), {
    instanceOf: Interrupted,
    message:
      /^interrupted at step 7; saved .*\nTo continue: haze autoencoder --out \S+vae --resume$/,
  });
  t.true(existsSync(join(out, 'config.json')));
  const line = readFileSync(join(out, 'metrics.jsonl'), 'utf8').split('\n')[0]!;
  writeFileSync(
    join(out, 'metrics.jsonl'),
    `${readFileSync(join(out, 'metrics.jsonl'), 'utf8')}${line.replace('"step":1', '"step":8')}\n{"st`,
  );
  writeFileSync(join(out, '.config.json.0a1b2c3d.tmp'), '{');
  await trainAutoencoder(
    training(out, undefined, { threads: 3, saveEvery: 4, batch: 4 }, { resume: true }),
  );
  t.deepEqual(await madeIn(out, 12), expected);
  t.false(existsSync(join(out, '.config.json.0a1b2c3d.tmp')));
  const [got, all] = await Promise.all(
    [out, whole].map(async (folder) =>
      (await readMetrics(join(folder, 'metrics.jsonl'))).map((metrics) => {
        const {
          imagesPerSecond: _,
          ms: __,
          ...rest
        } = metrics as unknown as Record<string, unknown>;
        return rest;
      }),
    ),
  );
  t.deepEqual(got, all);
});

test('pictures that are streamed give the same bits', async (t) => {
  const { data, out, folder } = await bars(t);
  await trainAutoencoder(training(out, data));
  const other = join(folder, 'streamed');
  await trainAutoencoder(training(other, data, {}, { dataBudget: 0 }));
  t.deepEqual(await madeIn(other, 8), await madeIn(out, 8));
});

test('a resume of a complete training writes what is missing, and longer ones go on', async (t) => {
  const { data, out } = await bars(t);
  await trainAutoencoder(training(out, data));
  const before = await madeIn(out, 8);
  rmSync(join(out, 'config.json'));
  const again = await trainAutoencoder(training(out, undefined, {}, { resume: true }));
  t.is(again.loss, null);
  t.deepEqual(await madeIn(out, 8), before);
  const longer = await trainAutoencoder(training(out, undefined, { steps: 10 }, { resume: true }));
  t.is(longer.steps, 10);
  t.deepEqual(readdirSync(join(out, 'checkpoints')).sort(), ['latest', 'step-10']);
});

test('a resume finds moved pictures, and refuses others', async (t) => {
  const { data, out, folder } = await bars(t);
  await trainAutoencoder(training(out, data));
  const moved = join(folder, 'moved.idx');
  renameSync(data, moved);
  await t.throwsAsync(trainAutoencoder(training(out, undefined, {}, { resume: true })), {
    instanceOf: UsageError,
    message:
      /bars\.idx: no such folder or file, and the autoencoder in \S+ trains on it; if it was moved, give its new path$/,
  });
  const settings = { steps: 9 };
  const before = readFileSync(join(out, 'diffusion_pytorch_model.safetensors'));
  writeBars(folder, 39);
  await t.throwsAsync(trainAutoencoder(training(out, data, settings, { resume: true })), {
    instanceOf: UsageError,
    message:
      /^<data>: expected the 40 pictures that the autoencoder in \S+ was begun with, got 39 in \S+bars\.idx, judging by names and sizes$/,
  });
  t.deepEqual(readFileSync(join(out, 'diffusion_pytorch_model.safetensors')), before);
});

test('a resume refuses other settings, by their names', async (t) => {
  const { data, out } = await bars(t);
  await trainAutoencoder(training(out, data));
  const others = {
    ...{ size: 32, channels: 3, widths: [6, 9], latents: 4, layers: 2, batch: 5 },
    ...{ lr: 0.1, loss: 'l2', seed: 4, fit: 'crop', flip: false, strict: true, device: 'auto' },
  };
  for (const [name, value] of Object.entries(others))
    await t.throwsAsync(
      trainAutoencoder(training(out, undefined, { [name]: value }, { resume: true })),
      {
        instanceOf: UsageError,
        message: new RegExp(
          `^test\\.${name}: the autoencoder in \\S+ has \\S+, got \\S+; a resume may change only --steps, `,
        ),
      },
    );
  await t.throwsAsync(trainAutoencoder(training(out, undefined, { steps: 7 }, { resume: true })), {
    instanceOf: UsageError,
    message: /^--steps: the autoencoder in \S+ has taken 8 steps, .*: expected at least 8, got 7$/,
  });
  await t.throwsAsync(trainAutoencoder(training(out, 'toy-cars', {}, { resume: true })), {
    instanceOf: UsageError,
    message: /^<data>: the autoencoder in \S+ has \S+bars\.idx, got toy-cars;/,
  });
});

test('a damaged checkpoint is refused', async (t) => {
  const { data, out, folder } = await bars(t);
  await trainAutoencoder(training(out, data));
  const state = join(out, 'checkpoints', 'step-8', 'state.json');
  const json = JSON.parse(readFileSync(state, 'utf8'));
  const resume = () => trainAutoencoder(training(out, undefined, { steps: 9 }, { resume: true }));
  const cases: [change: object, message: RegExp][] = [
    [{ latents: 0 }, /state\.json\.autoencoder\.latents: expected a whole number from 1 to 256/],
    [{ latents: 5 }, /model\.safetensors: encoder\.conv_out\.weight: expected the shape \[10, /],
    [{ size: 15 }, /state\.json\.autoencoder: --size: expected a multiple of 2/],
    [{ colour: 1 }, /state\.json\.autoencoder\.colour: unknown field/],
  ];
  for (const [change, message] of cases) {
    const autoencoder = { ...json.autoencoder, ...change };
    writeFileSync(state, JSON.stringify({ ...json, autoencoder }));
    await t.throwsAsync(resume, { instanceOf: UsageError, message });
  }
  writeFileSync(state, JSON.stringify({ step: 8 }));
  await t.throwsAsync(resume, { instanceOf: UsageError, message: /holds a run of haze train$/ });
  const other = join(folder, 'other');
  await t.throwsAsync(trainAutoencoder(training(other, data, {}, { resume: true })), {
    instanceOf: UsageError,
    message: /^--resume: expected .* got \S+other, which has no checkpoint$/,
  });
});

test('a folder of something else is refused before anything is computed', async (t) => {
  const { data, out, folder } = await bars(t);
  const told: string[] = [];
  const onEvent = ({ kind }: AutoencoderEvent) => void told.push(kind);
  await t.throwsAsync(trainAutoencoder(training(folder, data, {}, { onEvent })), {
    instanceOf: UsageError,
    message: /^--out \S+: expected a new or an empty folder, got one that holds bars\.idx$/,
  });
  await t.throwsAsync(trainAutoencoder(training(data, data, {}, { onEvent })), {
    instanceOf: UsageError,
    message: /^--out \S+: expected a folder to write to: /,
  });
  t.deepEqual(told, []);
  await trainAutoencoder(training(out, data, { steps: 1 }));
  await t.throwsAsync(readRunIn(out), {
    instanceOf: UsageError,
    message: /config\.json: expected the config of a run, got diffusers' of "?AutoencoderKL"?$/,
  });
  await t.throwsAsync(trainAutoencoder(training(out, data)), {
    instanceOf: UsageError,
    message: /got one that holds a training\. Add --resume to continue it, or give another --out$/,
  });
  t.deepEqual(readdirSync(folder).sort(), ['bars.idx', 'vae']);
});

test('what a training left that ended before its first checkpoint is no obstacle', async (t) => {
  const { data, out, folder } = await bars(t);
  const clean = join(folder, 'clean');
  await trainAutoencoder(training(clean, data, { steps: 1 }));
  mkdirSync(join(out, 'checkpoints', '.step-0.tmp'), { recursive: true });
  writeFileSync(join(out, 'metrics.jsonl'), '');
  writeFileSync(join(out, '.config.json.1a2b3c4d.tmp'), '{');
  await trainAutoencoder(training(out, data, { steps: 1 }));
  t.deepEqual(readdirSync(out).sort(), readdirSync(clean).sort());
  t.deepEqual(readdirSync(join(out, 'checkpoints')), readdirSync(join(clean, 'checkpoints')));
  t.deepEqual(readFileSync(join(out, WEIGHTS)), readFileSync(join(clean, WEIGHTS)));

  const logged = join(folder, 'logged');
  mkdirSync(logged);
  writeFileSync(join(logged, 'metrics.jsonl'), '{}\n');
  await t.throwsAsync(trainAutoencoder(training(logged, data, { steps: 1 })), {
    instanceOf: UsageError,
    message: /got one that holds metrics\.jsonl$/,
  });
});

test('what cannot be trained leaves nothing behind', async (t) => {
  const { data, out } = await bars(t);
  const cases: [settings: Readonly<Record<string, unknown>>, message: RegExp][] = [
    [{ batch: 41 }, /^--batch: expected at most 40/],
    [{ size: 17 }, /^--size: expected a multiple of 2/],
    [{ channels: 2 }, /^--channels: expected 1 or 3, got 2$/],
    [{ widths: [] }, /^--widths: expected 1 to 13 widths, got 0$/],
    [{ eager: true }, /^--eager: belongs to --device tensorflow/],
    [{ arithmetic: 'tensorflow' }, /^(--arithmetic: expected wasm|.*haze setup tensorflow)/],
    [{ widths: [4096, 16384], size: 4096 }, /^memory: this needs /],
  ];
  for (const [settings, message] of cases) {
    const error = await t.throwsAsync(trainAutoencoder(training(out, data, settings)), { message });
    t.true(error instanceof UsageError, JSON.stringify(settings));
  }
  const signal = AbortSignal.abort();
  await t.throwsAsync(trainAutoencoder(training(out, data, {}, { signal })), {
    instanceOf: Interrupted,
    message: 'interrupted before the first step; nothing was written',
  });
  t.false(existsSync(out));
});

test('one process trains in a folder', async (t) => {
  const { data, out } = await bars(t);
  const both = [training(out, data), training(out, data)].map(trainAutoencoder);
  const ended = await Promise.allSettled(both);
  // Either may be the first to take the lock.
  const refused = ended.flatMap((end) => (end.status === 'rejected' ? [end.reason] : []));
  t.is(refused.length, 1);
  t.true(refused[0] instanceof UsageError);
  t.regex(
    refused[0].message,
    /^--out \S+: expected a run that nobody is training, got one that .* is training$/,
  );
});

test('a loss that is not finite ends the training; the checkpoint stays', async (t) => {
  const { data, out } = await bars(t);
  await t.throwsAsync(
    trainAutoencoder(training(out, data, { lr: 1e38, loss: 'l2', steps: 300, saveEvery: 1 })),
    { instanceOf: RunError, message: /^step \d+: .*; the checkpoint \S+step-\d+ stays\. A lower/ },
  );
  const { tensors } = await readSafetensors(
    join(
      out,
      'checkpoints',
      readFileSync(join(out, 'checkpoints', 'latest'), 'utf8').trim(),
      'model.safetensors',
    ),
  );
  for (const { data: values } of tensors.values())
    t.true((values as Float32Array).every(Number.isFinite));
});

test('an interruption while pictures are decoded, or after the last step, says so', async (t) => {
  const { data, out } = await bars(t);
  const aborting = (when: (event: AutoencoderEvent) => boolean, more: object = {}) => {
    const controller = new AbortController();
    const onEvent = (event: AutoencoderEvent) => void (when(event) && controller.abort());
    return training(out, data, {}, { signal: controller.signal, onEvent, ...more });
  };
  await t.throwsAsync(trainAutoencoder(aborting(({ kind }) => kind === 'loading')), {
    message: 'interrupted before the first step; nothing was written',
  });
  t.false(existsSync(out));
  await t.throwsAsync(trainAutoencoder(aborting(({ kind }) => kind === 'samples')), {
    message: /^interrupted after the last step; \S+vae is complete$/,
  });
  t.is(findAutoencoder(out).folder, out);
});

tensorflowTest('both devices learn the same, and continue each other', async (t) => {
  const { data, folder } = await bars(t);
  const warnings: string[] = [];
  const onEvent = (event: AutoencoderEvent) => {
    if (event.kind === 'warning') warnings.push(event.text);
  };
  const weights = [];
  for (const device of ['wasm', 'tensorflow']) {
    const out = join(folder, device);
    // Smooth: of L1's gradients, those of residuals within rounding of zero would differ.
    const settings = { device, loss: 'l2', steps: 4 };
    await trainAutoencoder(training(out, data, settings, { onEvent }));
    await trainAutoencoder(training(out, data, { steps: 6 }, { resume: true, onEvent }));
    weights.push((await readSafetensors(findAutoencoder(out).weights)).tensors);
  }
  t.deepEqual(warnings, []);
  for (const [name, { data: values }] of weights[0]!) {
    const other = weights[1]!.get(name)!.data as Float32Array;
    close(t, other, values as Float32Array, { atol: 1e-4, what: name });
  }
});

/** Pictures through diffusers' class, by the folder alone: its latents, what comes back, and the largest deviation of the posterior. */
const SCRIPT = `
import json, sys, numpy, torch
from diffusers import AutoencoderKL
folder, path = sys.argv[1:]
vae = AutoencoderKL.from_pretrained(folder)
x = torch.from_numpy(numpy.load(path).astype("float32") / 127.5 - 1).permute(0, 3, 1, 2)
with torch.no_grad():
    posterior = vae.encode(x).latent_dist
    latents = (posterior.mode() - vae.config.shift_factor) * vae.config.scaling_factor
    pictures = vae.decode(posterior.mode()).sample
last = lambda a: a.permute(0, 2, 3, 1).flatten().tolist()
print(json.dumps({"latents": last(latents), "pictures": last(pictures), "std": posterior.std.max().item()}))
`;

pythonTest(
  'diffusers reads the folder, and computes the same',
  ['diffusers'],
  async (t, python) => {
    const { data, out, folder } = await bars(t);
    const settings = { widths: [6, 9, 12], layers: 2, steps: 30, batch: 8 };
    const { latentSize } = await trainAutoencoder(training(out, data, settings));
    const pixels = (await picturesOf(data)).subarray(0, 3 * 256);
    const header = `{'descr': '|u1', 'fortran_order': False, 'shape': (3, 16, 16, 1), }`.padEnd(
      117,
    );
    const start = Buffer.from(
      `\x93NUMPY\x01\x00${String.fromCharCode(118)}\x00${header}\n`,
      'latin1',
    );
    const array = join(folder, 'pictures.npy');
    writeFileSync(array, Buffer.concat([start, pixels]));
    const script = join(folder, 'script.py');
    writeFileSync(script, SCRIPT);
    const theirs = (await pythonJson(python, script, out, array)) as {
      latents: number[];
      pictures: number[];
      std: number;
    };
    t.true(theirs.std < 1e-6);
    const autoencoder = await openAutoencoder(findAutoencoder(out), latentSize, {
      computing: { ...COMPUTING_DEFAULTS, threads: 2 },
      requireCuda: false,
    });
    t.teardown(() => autoencoder.dispose());
    const latents = await autoencoder.encode(sharedArithmetic().toFloat(pixels));
    close(t, latents, theirs.latents, { atol: 1e-4, what: 'latents' });
    const pictures = await autoencoder.decode(latents);
    close(t, pictures, theirs.pictures, { atol: 1e-4, what: 'pictures' });
  },
);
