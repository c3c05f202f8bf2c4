import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import sharp from 'sharp';
import { generate, load, ShapeError, sample, UsageError } from '../../src/index.js';
import { haze } from '../helpers/cli.js';
import { temporaryFolder } from '../helpers/folder.js';
import { writeLabelledBars } from '../helpers/run.js';

const TRAIN = [
  ...['train', 'bars-images.idx', '--classes', 'auto', '--network', 'unet2d', '--size', '16'],
  ...['--channels', '1', '--widths', '8,16', '--layers-per-block', '1', '--batch', '4'],
  ...['--timesteps', '20', '--sample-every', '0', '--threads', '2', '--steps', '2', '--ema', '0.9'],
];

async function ok(t: ExecutionContext, folder: string, args: readonly string[]) {
  const outcome = await haze(folder, args);
  t.is(outcome.code, 0, `haze ${args.join(' ')}\n${outcome.stderr}`);
  return outcome;
}

/** A folder with a run of three classes. */
async function withRun(t: ExecutionContext): Promise<string> {
  const folder = await temporaryFolder(t);
  writeLabelledBars(folder);
  await ok(t, folder, [...TRAIN, '--out', 'run']);
  return folder;
}

const DDIM = ['--sampler', 'ddim', '--sample-steps', '3', '--threads', '2'];

test.serial('a run lists its classes at its start and in inspect', async (t) => {
  const folder = await temporaryFolder(t);
  writeLabelledBars(folder);
  const { stderr } = await ok(t, folder, [...TRAIN, '--out', 'run', '--held-out', '0.2']);
  t.regex(stderr, /^classes 3, by labels: 0, 1, 2; 10 % of the images are trained without$/m);
  t.regex(stderr, /held-out loss/);
  const { stdout } = await ok(t, folder, ['inspect', 'run']);
  t.regex(stdout, /^classes +3, by labels: 0, 1, 2; 10 % of the images are trained without$/m);
  const { run } = JSON.parse((await ok(t, folder, ['inspect', 'run', '--json'])).stdout);
  t.deepEqual(run.data.classes.names, ['0', '1', '2']);
});

test.serial('sample draws a row per class, the named classes, and with guidance', async (t) => {
  const folder = await withRun(t);
  const all = await ok(t, folder, ['sample', 'run', ...DDIM]);
  t.is(all.stdout, 'samples.png: 24 images, a row each of 0, 1, 2\n');
  const size = async () => {
    const { width, height } = await sharp(join(folder, 'samples.png')).metadata();
    return [width, height];
  };
  t.deepEqual(await size(), [8 * 98 + 2, 3 * 98 + 2]);
  const few = async (...args: string[]) =>
    (await ok(t, folder, ['sample', 'run', ...DDIM, ...args])).stdout;
  t.is(await few('--count', '2'), 'samples.png: 2 images, a row each of 0, 1\n');
  t.is(await few('--count', '1', '--class', '2,0'), 'samples.png: 1 image of 2\n');
  await ok(t, folder, ['sample', 'run', ...DDIM, '--count', '4', '--class', '2,0']);
  t.deepEqual(await size(), [2 * 98 + 2, 2 * 98 + 2]);
  const plain = readFileSync(join(folder, 'samples.png'));
  await ok(t, folder, [
    'sample',
    'run',
    ...DDIM,
    '--count',
    '4',
    '--class',
    '2,0',
    '--guidance',
    '4',
  ]);
  t.notDeepEqual(readFileSync(join(folder, 'samples.png')), plain);
  await ok(t, folder, [
    'sample',
    'run',
    ...DDIM,
    '--class',
    '1',
    '--gif',
    'a.gif',
    '--film',
    'b.png',
  ]);
});

test.serial(
  'generate draws classes in turn, and records each in the manifest and in arr_1',
  async (t) => {
    const folder = await withRun(t);
    const make = ['generate', 'run', ...DDIM, '--count', '7', '--guidance', '2'];
    await ok(t, folder, [...make, '--out', 'png', '--workers', '2']);
    const lines = readFileSync(join(folder, 'png/manifest-1-of-1.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    t.like(lines[0].settings, { class: '0,1,2', guidance: 2 });
    const images = lines.slice(1).sort((a, b) => a.index - b.index);
    t.deepEqual(
      images.map(({ label, class: name }) => [label, name]),
      [0, 1, 2, 0, 1, 2, 0].map((label) => [label, String(label)]),
    );
    await ok(t, folder, [...make, '--out', 'npz', '--format', 'npz', '--class', '2,1']);
    const npz = readFileSync(join(folder, 'npz/images.npz'));
    const at = npz.indexOf('arr_1.npy');
    t.true(at > 0);
    const head = npz.indexOf("'descr': '<i8'", at);
    const values = npz.indexOf('\n', head) + 1;
    const labels = Array.from({ length: 7 }, (_, i) => Number(npz.readBigInt64LE(values + 8 * i)));
    t.deepEqual(labels, [2, 1, 2, 1, 2, 1, 2]);
    // Read again as images: the labels are passed over.
    const { stdout } = await ok(t, folder, ['evaluate', 'npz', '--reference', 'png', '--json']);
    t.is(JSON.parse(stdout).samples.images, 7);
    const other = await haze(folder, [...make, '--out', 'png', '--class', '1']);
    t.is(other.code, 2);
    t.regex(
      other.stderr,
      /^haze: --class: the images in png were drawn with 0,1,2, got 1; give another/m,
    );
  },
);

test.serial(
  'image k is the same in sample and generate, whatever is drawn beside it',
  async (t) => {
    const folder = await withRun(t);
    const how = { sampler: 'ddim', steps: 3, guidance: 3, seed: 5, threads: 2 } as const;
    const run = join(folder, 'run');
    const many = await sample(run, { ...how, count: 9 });
    t.deepEqual(many.classes, ['0', '1', '2', '0', '1', '2', '0', '1', '2']);
    const few = await sample(run, { ...how, count: 2, class: [0, '1'] });
    t.deepEqual(few.images, many.images.slice(0, 2 * 256));
    const turned = await sample(run, { ...how, count: 5, class: ['0', 1, 2, 0] });
    t.deepEqual(turned.images.slice(0, 4 * 256), many.images.slice(0, 4 * 256));
    t.notDeepEqual(turned.images.slice(4 * 256), many.images.slice(4 * 256, 5 * 256));
    const { threads: workers, ...rest } = how;
    const out = join(folder, 'made');
    await generate(run, { ...rest, workers, out, count: 9, batch: 2 });
    const pixels = await sharp(join(out, '000007.png')).toColourspace('b-w').raw().toBuffer();
    t.is(pixels.length, 256);
    const expected = many.images
      .slice(7 * 256, 8 * 256)
      .map((v) => Math.min(255, Math.max(0, Math.round((v + 1) * 127.5))));
    t.true(pixels.every((byte, i) => Math.abs(byte - expected[i]!) <= 1));
  },
);

test.serial(
  'evaluate draws samples of the requested classes, and requires those of held-out images',
  async (t) => {
    const folder = await withRun(t);
    const evaluate = ['evaluate', 'run', ...DDIM, '--json'];
    const drawn = await ok(t, folder, [
      ...[...evaluate, '--count', '6', '--class', '1', '--guidance', '2'],
      ...[
        '--reference',
        'bars-images.idx',
        '--held-out',
        'bars-images.idx',
        '--held-out-images',
        '2',
      ],
    ]);
    const { samples, likelihood } = JSON.parse(drawn.stdout);
    t.is(samples.images, 6);
    t.true(Number.isFinite(likelihood.bitsPerDim));
    const unlabelled = await haze(folder, [...evaluate, '--held-out', 'run/samples']);
    t.is(unlabelled.code, 2);
    const images = [
      'evaluate',
      'bars-images.idx',
      '--reference',
      'bars-images.idx',
      '--class',
      '1',
    ];
    const refused = await haze(folder, images);
    t.regex(refused.stderr, /^haze: --class: needs a model; bars-images\.idx holds images$/m);
  },
);

test.serial(
  'an export keeps the classes and the one for none, and draws the same images',
  async (t) => {
    const folder = await temporaryFolder(t);
    const small = ['--size', '16', '--widths', '8,16', '--layers-per-block', '1', '--batch', '4'];
    await ok(t, folder, [
      ...['train', 'toy-cars', '--classes', 'bodies', '--network', 'unet2d', ...small],
      ...[
        '--timesteps',
        '8',
        '--sample-every',
        '0',
        '--steps',
        '1',
        '--threads',
        '2',
        '--ema',
        '0.9',
      ],
      ...['--out', 'run'],
    ]);
    const { stderr } = await ok(t, folder, ['export', 'diffusers', 'run', '--out', 'pipeline']);
    t.is(stderr, 'weights: the average (EMA) of decay 0.9\n');
    const json = (path: string) => JSON.parse(readFileSync(join(folder, path), 'utf8'));
    t.like(json('pipeline/unet/config.json'), { num_class_embeds: 9, class_embed_type: null });
    const { names } = json('run/config.json').data.classes as { names: string[] };
    t.like(json('pipeline/model_index.json'), {
      id2label: Object.fromEntries(names.map((name, label) => [label, name])),
      none_label: 8,
    });
    const { stdout } = await ok(t, folder, ['inspect', 'pipeline']);
    t.regex(stdout, /^classes +8: .*pickup.*; label 8 stands for no class$/m);
    const how = ['--class', `pickup,none,${names[0]}`, '--count', '4', '--guidance', '3'];
    // The folder's scheduler spaces timesteps otherwise where they are not all visited.
    for (const sampler of [
      ['--threads', '2'],
      [...DDIM, '--spacing', 'even'],
    ]) {
      const drawn = async (model: string) => {
        const made = await ok(t, folder, ['sample', model, ...sampler, ...how]);
        t.is(made.stdout, `samples.png: 4 images, a row each of pickup, none, ${names[0]}\n`);
        return readFileSync(join(folder, 'samples.png'));
      };
      t.deepEqual(await drawn('pipeline'), await drawn('run'));
    }
    await ok(t, folder, ['export', 'diffusers', 'pipeline', '--out', 'again']);
    t.deepEqual(json('again/model_index.json'), json('pipeline/model_index.json'));
    const index = json('pipeline/model_index.json');
    const { none_label: _, ...without } = index;
    const path = join(folder, 'pipeline/model_index.json');
    writeFileSync(path, JSON.stringify(without));
    const { code, stderr: refused } = await haze(folder, ['sample', 'pipeline', '--guidance', '2']);
    t.is(code, 2);
    t.regex(refused, /^haze: --guidance: pipeline was trained without --label-dropout/);
  },
);

test.serial(
  'an open model draws the same classes as sample, and predicts for named classes',
  async (t) => {
    const run = join(await withRun(t), 'run');
    const model = await load(run, { threads: 2 });
    t.teardown(() => model.dispose());
    t.deepEqual(model.classes, ['0', '1', '2']);
    const how = { sampler: 'ddim', steps: 3, class: ['2', 0], guidance: 3, count: 5 } as const;
    const drawn = await model.sample(how);
    t.deepEqual(drawn, await sample(run, { ...how, threads: 2 }));
    t.deepEqual(drawn.classes, ['2', '0', '2', '0', '2']);
    t.is((await model.sample({ sampler: 'ddim', steps: 1 })).classes!.length, 24);
    for await (const { step, steps, x } of model.sampleSteps(how))
      if (step === steps) t.deepEqual(x, drawn.images);
    const x = drawn.images.slice(0, 3 * 256);
    const one = await model.predict(x, 4, 1);
    t.deepEqual(await model.predict(x, 4, ['1', 1, 1]), one);
    t.notDeepEqual(await model.predict(x, 4, 'none'), one);
    const several = await model.predict(x, [4, 4, 4], [0, 1, 'none']);
    t.deepEqual(several.slice(256, 512), one.slice(256, 512));
    await t.throwsAsync(model.predict(x, 4), {
      instanceOf: UsageError,
      message:
        /^model\.predict\.class: .*run is class-conditional; expected the class of the images$/,
    });
    await t.throwsAsync(model.predict(x, 4, [0, 1]), {
      instanceOf: ShapeError,
      message: 'model.predict: expected one class, or 3, one per image, got 2',
    });
    await t.throwsAsync(model.sample({ class: '7' }), {
      instanceOf: UsageError,
      message: /^model\.sample\.class: .*run has no class 7; it has 0, 1, 2$/,
    });
  },
);
