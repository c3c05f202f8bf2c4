import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { zipSync } from 'fflate';
import sharp from 'sharp';
import { CounterRandom } from '../../src/diffusion/random.js';
import { NotWritten } from '../../src/evaluate/not-written.js';
import type { Evaluation } from '../../src/evaluate/options.js';
import { evaluate, type GivenImage } from '../../src/index.js';
import { readStatistics } from '../../src/io/statistics-file.js';
import { fixturePath, haze, refuses, startHaze } from '../helpers/cli.js';
import { temporaryFolder } from '../helpers/folder.js';
import { freshRun, SMALL } from '../helpers/fresh-run.js';
import { folderWithModel } from '../helpers/generate.js';
import { npy } from '../helpers/npy.js';
import { onnxTest } from '../helpers/onnx.js';

const IMAGES = fixturePath('evaluation/images.npz');
const STATISTICS = fixturePath('evaluation/statistics.npz');
const NETWORK = [
  '--features',
  fixturePath('evaluation/network.onnx'),
  '--feature-output',
  'vector',
];

/** An array of 16x16 noise in a folder. */
async function noise(folder: string, name: string, count: number, seed: number): Promise<string> {
  const words = new CounterRandom(seed).words(13, 0, count * 256 * 3);
  const path = join(folder, name);
  await writeFile(
    path,
    npy(
      [count, 16, 16, 3],
      '|u1',
      Uint8Array.from(words, (w) => w >>> 24),
    ),
  );
  return path;
}

/** The 8x8 images of an array of `np.savez`. */
async function imagesOf(path: string): Promise<GivenImage[]> {
  const bytes = await readFile(path);
  const raw = bytes.subarray(bytes.indexOf('\x93NUMPY', 0, 'latin1'));
  const start = 10 + raw.readUInt16LE(8);
  return Array.from({ length: 6 }, (_, i) => ({
    ...{ width: 8, height: 8, channels: 3 as const },
    pixels: raw.subarray(start + i * 192, start + (i + 1) * 192),
  }));
}

/** The JSON of a call that ends well. */
async function json(cwd: string, ...args: string[]): Promise<Evaluation> {
  const { code, stdout, stderr } = await haze(cwd, ['evaluate', ...args, '--json']);
  if (code !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Evaluation;
}

const BAD: readonly (readonly [RegExp, ...string[]])[] = [
  [/<subject>: expected a run, .*, got nothing/],
  [/--reference: expected images or statistics to compare .* with, .* got none of them/, IMAGES],
  [/nothing\.npz: expected a model, .* got none: no such file/, 'nothing.npz'],
  [/--reference: nothing: expected/, IMAGES, '--reference', 'nothing'],
  [/--held-out: needs a model; .* holds images/, IMAGES, '--held-out', IMAGES],
  [/--count: needs a model; .* holds images/, IMAGES, '--reference', IMAGES, '--count', '4'],
  [/--sampler: needs a model/, IMAGES, '--reference', IMAGES, '--sampler', 'ddim'],
  [/--features: needed to compare images with statistics/, IMAGES, '--reference', STATISTICS],
  [
    /--nearest: needs the images of both sets/,
    STATISTICS,
    '--reference',
    STATISTICS,
    '--nearest',
    'a.png',
  ],
  [
    /--count: expected 2 or more, since features of one image have no covariance, got 1/,
    ...[fixturePath('pipelines/flat'), '--reference', IMAGES, '--count', '1', ...NETWORK],
  ],
  [
    /--features .*evaluation: expected a file, got a folder/,
    ...[IMAGES, '--reference', IMAGES, '--features', fixturePath('evaluation')],
  ],
  [/--nearest: expected a name ending in/, IMAGES, '--reference', IMAGES, '--nearest', 'a.bmp'],
  [
    /--save-statistics: belongs to --features, which is not given/,
    IMAGES,
    '--save-statistics',
    'a.npz',
  ],
  [
    /--features: both sets are already statistics/,
    STATISTICS,
    '--reference',
    STATISTICS,
    ...NETWORK,
  ],
  [
    /--feature-range: expected 2 numbers between commas, got 1/,
    IMAGES,
    '--reference',
    IMAGES,
    ...NETWORK,
    '--feature-range',
    '1',
  ],
  [
    /--feature-range: expected two different numbers, got 1,1/,
    IMAGES,
    '--reference',
    IMAGES,
    ...NETWORK,
    '--feature-range',
    '1,1',
  ],
  [
    /--feature-std: expected 3 numbers above 0/,
    IMAGES,
    '--reference',
    IMAGES,
    ...NETWORK,
    '--feature-std',
    '0,1,1',
  ],
  [
    /--patch-images: expected a whole number/,
    IMAGES,
    '--reference',
    IMAGES,
    '--patch-images',
    '-1',
  ],
  [
    /--reference: expected images or statistics, got a model/,
    IMAGES,
    '--reference',
    fixturePath('unet_l2_8.safetensors'),
  ],
];

const HELD = ['--held-out', IMAGES] as const;
const SET = [IMAGES, '--reference', IMAGES] as const;
const MODEL = [fixturePath('pipelines/flat'), ...HELD] as const;

/** Sets of images without any figure. */
const NOTHING: readonly (readonly [RegExp, ...string[]])[] = [
  [
    /--size: expected 16 pixels or more, which the sliced Wasserstein distance needs, or --features, .* got 8 and none of them; nothing/,
    ...SET,
  ],
  [/--size: expected 16 pixels or more, .* got 4 and none of them/, ...SET, '--size', '4'],
  [
    /--patch-images: expected 1 or more .* got 0 and none of them; nothing would be computed/,
    ...[...SET, '--size', '16', '--patch-images', '0'],
  ],
];

/** Settings that others leave without an effect. */
const IDLE: readonly (readonly [RegExp, ...string[]])[] = [
  [
    /--held-out-images: belongs to --held-out, which is not given/,
    ...SET,
    '--held-out-images',
    '4',
  ],
  [/--nearest-samples: belongs to --nearest, which is not given/, ...SET, '--nearest-samples', '4'],
  [/--patch-images: belongs to --reference, which is not given/, ...MODEL, '--patch-images', '4'],
  [
    /--patch-images: needs the images of both sets; with statistics there are none/,
    ...[STATISTICS, '--reference', STATISTICS, '--patch-images', '4'],
  ],
  [
    /--neighbours: needs the images of both sets/,
    ...[IMAGES, '--reference', STATISTICS, ...NETWORK, '--neighbours', '5'],
  ],
  [
    /--pair-images: belongs to --reference, which is not given/,
    ...[IMAGES, ...NETWORK, '--save-statistics', 'a.npz', '--pair-images', '5'],
  ],
  [
    /--fit: scales images, and statistics have none/,
    ...[STATISTICS, '--reference', STATISTICS, '--fit', 'crop'],
  ],
  [/--count: no samples are drawn without --reference or/, ...MODEL, '--count', '4'],
  [/--sampler: no samples are drawn without --reference or/, ...MODEL, '--sampler', 'ddim'],
  [/--device: needs a model; .* holds images/, ...SET, '--device', 'auto'],
  [/--strict: needs a model; .* holds images/, ...SET, '--strict'],
  [/--weights: needs a model; .* holds images/, ...SET, '--weights', 'raw'],
  [/--require: needs a model; .* holds images/, ...SET, '--require', 'cuda'],
];

for (const [message, ...args] of [...BAD, ...NOTHING, ...IDLE])
  test(`evaluate is refused: ${message.source}`, (t) => refuses(t, ['evaluate', ...args], message));

test('Statistics are compared without a network, and equal ones have distance 0', async (t) => {
  const found = await json('.', STATISTICS, '--reference', STATISTICS);
  t.true(Math.abs(found.frechet!) < 1e-6);
  t.deepEqual(found.samples, {
    ...{ name: STATISTICS, images: null, size: null },
    ...{ channels: null, scaled: null },
  });
  t.is(found.kernel, null);
  t.is(found.slicedWasserstein, null);
});

test('A page that cannot be written does not lose the figures', async (t) => {
  const cwd = await temporaryFolder(t);
  const [few, many] = [await noise(cwd, 'few.npy', 4, 1), await noise(cwd, 'many.npy', 8, 2)];
  const out = join(cwd, 'out');
  await mkdir(out);
  const options = { reference: many, nearest: join(out, 'page.png') };
  const begun: Promise<void>[] = [];
  // The folder goes while the evaluation runs.
  const onEvent = () => void begun.push(rm(out, { recursive: true, force: true }));
  const error = await t.throwsAsync(evaluate(few, { ...options, onEvent }), {
    instanceOf: NotWritten,
    message: /^cannot write .*page\.png: no such file or folder \(ENOENT\)$/,
  });
  await Promise.all(begun);
  const { nearest: _, ...expected } = await evaluate(few, { reference: many });
  t.like(error.evaluation, expected);
  t.is(error.evaluation.nearest!.length, 4);
});

test('Images are compared without a download, and the page of nearest images shows copies', async (t) => {
  const cwd = await temporaryFolder(t);
  const [few, many] = [await noise(cwd, 'few.npy', 5, 1), await noise(cwd, 'many.npy', 12, 2)];
  const { code, stdout, stderr } = await haze(cwd, [
    ...['evaluate', few, '--reference', many, '--nearest', 'page.png', '--nearest-samples', '2'],
  ]);
  t.is(code, 0, stderr);
  t.regex(
    stdout,
    /^samples +.*few\.npy: 5 images at 16x16, seed 0\nreference +.*many\.npy: 12 images at 16x16\n/,
  );
  t.regex(stdout, /sliced Wasserstein distance, times 1,000 +[\d.]+ +16: [\d.]+; of 5 images each/);
  t.regex(stdout, /page\.png: 2 samples.*\nclosest: sample \d and many\.npy, image \d+/);
  t.regex(stderr, /reference images 12\/12/);
  const page = await readFile(join(cwd, 'page.png'));
  t.is(page.toString('latin1', 1, 4), 'PNG');
  const copies = await json(cwd, few, '--reference', few, '--nearest', 'own.png');
  t.true(
    copies.nearest!.every(
      ({ sample, neighbours: [first] }) =>
        first!.distance === 0 && first!.name.endsWith(`image ${sample}`),
    ),
  );
  t.is(copies.slicedWasserstein!.mean, 0);
});

test('Of a larger set random images are compared, not the first: the order of its files does not matter much', async (t) => {
  const cwd = await temporaryFolder(t);
  const words = new CounterRandom(1).words(13, 0, 60 * 256 * 3);
  // Flat images of any grey, and noise: of the first only the coarse parts differ from image to image.
  const image = (i: number, noisy: boolean) =>
    Uint8Array.from({ length: 768 }, (_, k) => words[768 * i + (noisy ? k : 0)]! >>> 24);
  const write = async (name: string, count: number, isNoisy: (i: number) => boolean) => {
    const images = Array.from({ length: count }, (_, i) => image(i, isNoisy(i)));
    await writeFile(join(cwd, name), npy([count, 16, 16, 3], '|u1', Buffer.concat(images)));
  };
  await write('samples.npy', 30, (i) => i % 2 === 0);
  await write('mixed.npy', 60, (i) => i % 2 === 0);
  await write('sorted.npy', 60, (i) => i >= 30);
  const distance = async (reference: string) =>
    (await json(cwd, 'samples.npy', '--reference', reference)).slicedWasserstein!;
  const [mixed, sorted] = [await distance('mixed.npy'), await distance('sorted.npy')];
  t.is(sorted.images, 30);
  t.true(sorted.mean < 2 * mixed.mean, `${sorted.mean} for sorted files, ${mixed.mean} for mixed`);
});

test("Images of another size are scaled to the samples' size with a note; images that are not square need a size", async (t) => {
  const cwd = await temporaryFolder(t);
  const few = await noise(cwd, 'few.npy', 4, 1);
  const found = await json(cwd, few, '--reference', IMAGES);
  t.like(found.reference, {
    images: 6,
    size: 16,
    scaled: 'from 8x8 (squash, bilinear, antialiased)',
  });
  await writeFile(join(cwd, 'wide.npy'), npy([2, 16, 20, 3], '|u1', new Uint8Array(1920)));
  const { code, stderr } = await haze(cwd, ['evaluate', 'wide.npy', '--reference', few]);
  t.is(code, 2);
  t.regex(stderr, /--size: the images of wide\.npy are not square \(20x16\)/);
});

test('A folder of several sizes is said to be one', async (t) => {
  const cwd = await temporaryFolder(t);
  await mkdir(join(cwd, 'folder'));
  for (const width of [16, 24])
    await sharp({ create: { width, height: 16, channels: 3, background: 'red' } })
      .png()
      .toFile(join(cwd, 'folder', `${width}.png`));
  const found = await json(cwd, await noise(cwd, 'few.npy', 4, 1), '--reference', 'folder');
  t.regex(found.reference!.scaled!, /^from 16x16 and other sizes \(squash, /);
});

test('A file with a mean alone is refused by what it lacks', async (t) => {
  const path = join(await temporaryFolder(t), 'half.npz');
  const mean = npy([2], '<f8', new Uint8Array(16));
  await writeFile(path, zipSync({ 'mu.npy': mean }));
  const message = /half\.npz: expected statistics with mu and sigma, got mu without sigma/;
  await refuses(t, ['evaluate', IMAGES, '--reference', path], message);
});

test('Ctrl-C while samples are drawn says that they are not kept', async (t) => {
  const cwd = await folderWithModel(t);
  const { process: running, exit } = startHaze(t, cwd, [
    ...['evaluate', 'model.safetensors', '--size', '16', '--count', '100000'],
    ...['--reference', IMAGES],
  ]);
  // A second signal would end it at once.
  let told = '';
  running.stderr!.on('data', (text: string) => {
    const before = told.includes('samples drawn');
    told += text;
    if (!before && told.includes('samples drawn')) running.kill('SIGINT');
  });
  const { code, stderr } = await exit;
  t.is(code, 130, stderr);
  t.regex(stderr, /haze: interrupted; the samples drawn so far are not kept\n$/);
});

test('An unreadable file is named and skipped, and a set without any image is refused', async (t) => {
  const cwd = await temporaryFolder(t);
  const few = await noise(cwd, 'few.npy', 4, 1);
  await haze(cwd, ['noise', 'toy-cars', '--size', '16', '--out', 'pictures.png']);
  await mkdir(join(cwd, 'folder'));
  await writeFile(join(cwd, 'folder', 'a.png'), await readFile(join(cwd, 'pictures.png')));
  await writeFile(join(cwd, 'folder', 'b.png'), 'broken');
  const { code, stderr, stdout } = await haze(cwd, ['evaluate', few, '--reference', 'folder']);
  t.is(code, 0, stderr);
  t.regex(stderr, /skipped folder\/b\.png: /);
  t.regex(stdout, /reference +folder: 1 image at 16x16, scaled from/);
  await writeFile(join(cwd, 'folder', 'a.png'), 'broken, too');
  const none = await haze(cwd, ['evaluate', few, '--reference', 'folder']);
  t.is(none.code, 2);
  t.regex(none.stderr, /folder: none of its images can be read \(2\); folder\/a\.png: /);
});

test("A model's samples equal those of haze generate, and its likelihood depends only on the seed", async (t) => {
  const cwd = await folderWithModel(t);
  const model = [
    'model.safetensors',
    '--size',
    '16',
    '--timesteps',
    '6',
    '--count',
    '5',
    '--seed',
    '3',
  ];
  const held = ['--held-out', IMAGES, '--held-out-images', '4'];
  const found = await json(cwd, ...model, '--reference', IMAGES, ...held);
  await haze(cwd, ['generate', ...model, '--format', 'npz', '--out', 'made']);
  const again = await json(cwd, 'made', '--reference', IMAGES, '--seed', '3');
  t.deepEqual(found.slicedWasserstein, again.slicedWasserstein);
  t.is(found.samples!.images, 5);
  const { likelihood } = found;
  t.like(likelihood, { images: 4, timesteps: 6, variance: 'small', name: IMAGES });
  t.is(likelihood!.terms!.length, 6);
  t.true(likelihood!.bitsPerDim! > 0 && Number.isFinite(likelihood!.bitsPerDim));
  const alone = await haze(cwd, [
    'evaluate',
    ...model.slice(0, 5),
    '--seed',
    '3',
    ...held,
    '--threads',
    '1',
  ]);
  t.is(alone.code, 0, alone.stderr);
  t.regex(alone.stdout, /^held out +.*images\.npz: 4 images at each of 6 timesteps, seed 3\n/);
  t.regex(
    alone.stdout,
    /bits per dimension, at most: [\d.]+ ±[\d.]+ \(x_0 clamped, variance small; /,
  );
  const library = await evaluate(join(cwd, 'model.safetensors'), {
    ...{ size: 16, timesteps: 6, seed: 3, heldOut: IMAGES, heldOutImages: 4, threads: 1 },
  });
  t.deepEqual(library.likelihood, likelihood);
  const arrays = await evaluate(join(cwd, 'model.safetensors'), {
    ...{ size: 16, timesteps: 6, seed: 3, heldOut: await imagesOf(IMAGES), heldOutImages: 4 },
    threads: 1,
  });
  t.deepEqual(arrays.likelihood, { ...likelihood!, name: 'given by a program' });
  await t.throwsAsync(
    evaluate(join(cwd, 'model.safetensors'), { size: 16, timesteps: 6, heldOut: [] }),
    { message: /^evaluate\.heldOut: expected images, got none$/ },
  );
  await t.throwsAsync(evaluate(IMAGES, { reference: IMAGES, featureSize: 3 }), {
    message: /evaluate\.featureSize: belongs to evaluate\.features, which is not given/,
  });
  const left = (await readdir(cwd)).sort();
  t.deepEqual(left, ['made', 'model.safetensors']);
});

test('No patch images are no error where there are no images to take them from', async (t) => {
  const found = await json('.', STATISTICS, '--reference', STATISTICS, '--patch-images', '0');
  t.is(found.slicedWasserstein, null);
  t.true(Math.abs(found.frechet!) < 1e-9);
});

test('Samples of a run are compared at another size than their own; bare weights say what they predict', async (t) => {
  const cwd = await temporaryFolder(t);
  const run = await freshRun(t, { ...SMALL, timesteps: '6' });
  const found = await json(cwd, run, '--count', '3', '--size', '24', '--reference', IMAGES);
  t.like(found.samples, { images: 3, size: 24 });
  t.regex(found.samples!.scaled!, /^from 16x16 /);
  t.is(found.reference!.size, 24);
  const folder = await folderWithModel(t);
  const bare = ['model.safetensors', '--size', '16', '--timesteps', '6', ...HELD];
  const one = ['--held-out-images', '1'];
  const [of, other] = [
    await json(folder, ...bare, ...one),
    await json(folder, ...bare, ...one, '--objective', 'v'),
  ];
  t.not(of.likelihood!.bitsPerDim, other.likelihood!.bitsPerDim);
});

test('Without onnxruntime-node, one line says how to install it', async (t) => {
  const preload = new URL('../helpers/without-onnx.js', import.meta.url).href;
  const { code, stderr, stdout } = await haze(
    '.',
    ['evaluate', IMAGES, '--reference', IMAGES, ...NETWORK],
    { NODE_OPTIONS: `--import=${preload}` },
  );
  t.is(code, 2);
  t.is(stdout, '');
  t.regex(
    stderr,
    /^haze: --features: needs the package onnxruntime-node, which is not installed: npm install --save-dev --ignore-scripts onnxruntime-node\n$/,
  );
});

test('Ctrl-C ends an evaluation with 130', async (t) => {
  const cwd = await temporaryFolder(t);
  const [a, b] = [await noise(cwd, 'a.npy', 400, 1), await noise(cwd, 'b.npy', 400, 2)];
  const { process: running, exit } = startHaze(t, cwd, ['evaluate', a, '--reference', b]);
  running.stderr!.on('data', (text: string) => {
    if (text.includes('projections')) running.kill('SIGINT');
  });
  const { code, stdout, stderr } = await exit;
  t.is(code, 130, stderr);
  t.is(stdout, '');
});

onnxTest(
  'With a network all figures are computed, and saved statistics give the same distance as the images',
  async (t) => {
    const cwd = await temporaryFolder(t);
    const [few, many] = [await noise(cwd, 'few.npy', 20, 1), await noise(cwd, 'many.npy', 30, 2)];
    const found = await json(
      cwd,
      few,
      '--reference',
      many,
      ...NETWORK,
      '--save-statistics',
      'few.npz',
    );
    t.like(found.features, { output: 'vector', features: 5, input: { size: 16, range: [-1, 1] } });
    t.true(found.frechet! > 0);
    t.deepEqual(found.pairs, { samples: 20, reference: 30 });
    t.is(found.kernel!.subsetSize, 20);
    t.true(found.coverage!.precision >= 0 && found.coverage!.recall <= 1);
    t.is((await readStatistics(join(cwd, 'few.npz'))).mean.length, 5);
    const other = await json(cwd, many, '--reference', 'few.npz', ...NETWORK);
    t.true(Math.abs(other.frechet! - found.frechet!) < 1e-9 * found.frechet!);
    t.is(other.kernel, null);
    const wrong = await haze(cwd, ['evaluate', few, '--reference', STATISTICS, ...NETWORK]);
    t.is(wrong.code, 2);
    t.regex(wrong.stderr, /--reference: expected 5 features like the samples', got 24/);
    const less = await json(
      cwd,
      few,
      '--reference',
      many,
      ...NETWORK,
      '--pair-images',
      '7',
      '--patch-images',
      '0',
    );
    t.deepEqual(less.pairs, { samples: 7, reference: 7 });
    t.is(less.slicedWasserstein, null);
    t.is(less.frechet, found.frechet);
    const { stdout } = await haze(cwd, ['evaluate', few, '--reference', many, ...NETWORK]);
    t.regex(
      stdout,
      /features +.*network\.onnx: 5 of vector, from 16x16x3 nchw \(bicubic, antialiased\), bytes as -1 to 1\n/,
    );
    t.regex(stdout, /kernel distance, times 1,000 +-?[\d.]+ +of 20 and 30 images\n +over subsets/);
  },
);

test('a model that is evaluated on the images of its own run says so', async (t) => {
  const folder = await temporaryFolder(t);
  const [own, other] = [
    await noise(folder, 'own.npy', 2, 1),
    await noise(folder, 'other.npy', 2, 2),
  ];
  const run = await freshRun(t, { size: '16', widths: '8,16', timesteps: '3' }, { data: own });
  const said = async (images: string) => {
    const { code, stderr } = await haze(folder, ['evaluate', run, '--held-out', images]);
    t.is(code, 0, stderr);
    return stderr.includes(`${images} shares images with ${own}, on which ${run} was trained`);
  };
  t.true(await said(own));
  t.false(await said(other));
});
