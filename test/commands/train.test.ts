import { cp, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import sharp from 'sharp';
import { readMetrics } from '../../src/io/metrics.js';
import { haze, meanwhile, type Running, refuses, startHaze } from '../helpers/cli.js';
import { temporaryFolder } from '../helpers/folder.js';
import { killingWorkers } from '../helpers/killer.js';

/** The smallest model there is, trained for a moment. */
const SMALL = [
  '--size',
  '8',
  '--widths',
  '4,8',
  '--batch',
  '4',
  '--threads',
  '1',
  '--sample-every',
  '0',
];

/** A folder with `photos/`: pictures of one colour each. */
async function workplace(t: ExecutionContext, count = 9): Promise<string> {
  const folder = await temporaryFolder(t);
  await mkdir(join(folder, 'photos'));
  for (let i = 0; i < count; i++) {
    const background = { r: 25 * i, g: 255 - 25 * i, b: (97 * i) % 256 };
    const plain = { create: { width: 12, height: 10, channels: 3, background } } as const;
    await sharp(plain)
      .png()
      .toFile(join(folder, 'photos', `${i}.png`));
  }
  return folder;
}

test('with more threads than processors there are the same bits, and no warnings', async (t) => {
  const folder = await workplace(t);
  const model = ['--size', '16', '--widths', '8,16', '--batch', '8', '--sample-every', '0'];
  const weights = async (threads: string) => {
    const flags = [...model, '--steps', '3', '--threads', threads, '--out', `run-${threads}`];
    const { code, stderr } = await haze(folder, ['train', 'photos', ...flags]);
    t.is(code, 0, stderr);
    t.notRegex(stderr, /warning/i);
    return readFile(join(folder, `run-${threads}/checkpoints/step-3/model.safetensors`));
  };
  t.deepEqual(await weights('24'), await weights('1'));
});

test('a run writes its settings, losses, checkpoint and curve, and prints their paths', async (t) => {
  const folder = await workplace(t);
  const { code, stdout, stderr } = await haze(folder, [
    'train',
    'photos',
    ...SMALL,
    '--steps',
    '6',
  ]);
  t.is(code, 0, stderr);
  t.regex(stdout, /^run +runs\/1\nsteps +6\nloss +0\.\d+ /);
  t.regex(stderr, /^step 6\/6 · epoch 3 · loss /m);
  t.deepEqual((await readdir(join(folder, 'runs/1'))).sort(), [
    'checkpoints',
    'config.json',
    'loss.png',
    'metrics.jsonl',
    'notes.jsonl',
    'samples',
  ]);
  const config = JSON.parse(await readFile(join(folder, 'runs/1/config.json'), 'utf8'));
  t.is(config.chosen.device, 'wasm');
  t.is(config.data.source, join(folder, 'photos'));
  t.is((await haze(folder, ['train', 'photos', ...SMALL, '--steps', '1'])).code, 0);
  t.deepEqual((await readdir(join(folder, 'runs'))).sort(), ['1', '2']);
});

test('an existing run is never overwritten, and resumes with its own settings', async (t) => {
  const folder = await workplace(t);
  const out = ['--out', 'mine'];
  t.is((await haze(folder, ['train', 'photos', ...SMALL, '--steps', '4', ...out])).code, 0);
  const metrics = join(folder, 'mine/metrics.jsonl');
  const before = await readFile(metrics, 'utf8');
  const again = await haze(folder, ['train', 'photos', ...SMALL, '--steps', '4', ...out]);
  t.is(again.code, 2);
  t.regex(again.stderr, /^haze: --out mine: expected a new folder, got one that holds a run/);
  const other = await haze(folder, ['train', ...out, '--resume', '--lr', '0.1']);
  t.is(other.code, 2);
  t.regex(
    other.stderr,
    /^haze: --lr: the run in mine has 0\.001, got 0\.1; a resume may change only --steps/,
  );
  t.is(await readFile(metrics, 'utf8'), before);
  const more = await haze(folder, ['train', ...out, '--resume', '--steps', '7']);
  t.is(more.code, 0, more.stderr);
  const steps = (await readFile(metrics, 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).step);
  t.deepEqual(steps, [1, 2, 3, 4, 5, 6, 7]);
});

test('a run continues on images that were moved, and on no others', async (t) => {
  const folder = await workplace(t);
  await mkdir(join(folder, 'held'));
  await rename(join(folder, 'photos/8.png'), join(folder, 'held/8.png'));
  await cp(join(folder, 'photos'), join(folder, 'others'), { recursive: true });
  await rename(join(folder, 'others/0.png'), join(folder, 'others/9.png'));
  const train = (...more: string[]) => haze(folder, ['train', ...more]);
  const own = ['photos', ...SMALL, '--held-out', 'held', '--steps'];
  t.is((await train(...own, '4', '--out', 'whole')).code, 0);
  t.is((await train(...own, '2', '--out', 'r')).code, 0);
  await rename(join(folder, 'photos'), join(folder, 'elsewhere'));
  await rename(join(folder, 'held'), join(folder, 'aside'));
  const more = ['--out', 'r', '--resume', '--steps', '4'];
  const gone = await train(...more);
  t.is(gone.code, 2);
  t.is(
    gone.stderr,
    `haze: ${join(folder, 'photos')}: no such folder or file, and the run in r trains on it; if it was moved, give its new path\n`,
  );
  const before = await readFile(join(folder, 'r/config.json'));
  for (const [data, held, message] of [
    [
      'others',
      'aside',
      /^haze: <data>: expected the images of the run in r, which were in \S+photos, got others in \S+others, /m,
    ],
    [
      'elsewhere',
      'elsewhere',
      /^haze: --held-out: expected the images of the run in r, which were in \S+held, got others in /m,
    ],
    ['elsewhere', '0.5', /^haze: --held-out: the run in r has a folder or file, got /m],
    ['toy-cars', 'aside', /^haze: <data>: the run in r has a folder or file, got toy-cars; /m],
  ] as const) {
    const { code, stderr } = await train(data, '--held-out', held, ...more, '--batch', '4');
    t.is(code, 2, stderr);
    t.regex(stderr, message);
    t.deepEqual(await readFile(join(folder, 'r/config.json')), before);
  }
  await symlink('elsewhere', join(folder, 'link'));
  const moved = await train('link', '--held-out', 'aside', ...more);
  t.is(moved.code, 0, moved.stderr);
  t.notRegex(moved.stderr, /other images|warning/);
  const model = (run: string) =>
    readFile(join(folder, run, 'checkpoints/step-4/model.safetensors'));
  t.deepEqual(await model('r'), await model('whole'));
  const { data } = JSON.parse(await readFile(join(folder, 'r/config.json'), 'utf8'));
  t.deepEqual(
    [data.source, data.heldOut.source],
    ['link', 'aside'].map((name) => join(folder, name)),
  );
  await rm(join(folder, 'link'));
});

/** A run that would go on for hours, in `folder/r`. */
function endless(t: ExecutionContext, folder: string, env: Readonly<Record<string, string>> = {}) {
  const args = ['train', 'photos', ...SMALL, '--steps', '1000000', '--out', 'r'];
  return startHaze(t, folder, [...args, '--save-every', '20'], env);
}

/** Waits until it has taken some steps; the bar's lines are ten seconds apart, so the log tells. */
const untilSteps = (running: Running, folder: string, steps: number): Promise<void> =>
  meanwhile(
    running,
    async () => (await readMetrics(join(folder, 'r/metrics.jsonl'))).length >= steps,
  );

test('Ctrl-C saves the run, draws its losses and exits with 130; a resume continues from there', async (t) => {
  const folder = await workplace(t);
  const running = endless(t, folder);
  const { process: child, exit } = running;
  await untilSteps(running, folder, 3);
  child.kill('SIGINT');
  const { code, stderr } = await exit;
  t.is(code, 130, stderr);
  t.regex(stderr, /^To continue: haze train --out r --resume$/m);
  t.notRegex(stderr, /^\s+at /m);
  t.is((await sharp(join(folder, 'r/loss.png')).metadata()).format, 'png');
  const { step } = (await readMetrics(join(folder, 'r/metrics.jsonl'))).at(-1)!;
  t.is((await readFile(join(folder, 'r/checkpoints/latest'), 'utf8')).trim(), `step-${step}`);
  const more = await haze(folder, ['train', '--out', 'r', '--resume', '--steps', String(step + 1)]);
  t.is(more.code, 0, more.stderr);
  t.regex(more.stderr, new RegExp(`resuming at step ${step} `));
});

test('a second process cannot train a run in progress, but can after the first was killed', async (t) => {
  const folder = await workplace(t);
  const running = endless(t, folder);
  const { process: child, exit } = running;
  await untilSteps(running, folder, 21);
  for (const args of [
    ['--out', 'r', '--resume'],
    ['photos', ...SMALL, '--out', './r/'],
  ]) {
    const second = await haze(folder, ['train', ...args]);
    t.is(second.code, 2);
    t.regex(
      second.stderr,
      /^haze: --out \S+: expected a run that nobody is training, got one that process \d+ is training\n$/,
    );
  }
  child.kill('SIGKILL');
  await exit;
  const latest = await readFile(join(folder, 'r/checkpoints/latest'), 'utf8');
  const taken = latest.trim().replace('step-', '');
  const more = await haze(folder, ['train', '--out', 'r', '--resume', '--steps', taken]);
  t.is(more.code, 0, more.stderr);
});

test('a run continues if nobody reads its output', async (t) => {
  const folder = await workplace(t);
  const args = ['train', 'photos', ...SMALL, '--steps', '200', '--save-every', '1', '--out', 'r'];
  const { process: child, exit } = startHaze(t, folder, args);
  child.stderr!.once('data', () => child.stderr!.destroy());
  t.is((await exit).code, 0);
  t.is(await readFile(join(folder, 'r/checkpoints/latest'), 'utf8'), 'step-200\n');
});

test('a killed worker ends the run with 1, with checkpoints kept and losses drawn', async (t) => {
  const folder = await workplace(t);
  const env = await killingWorkers(t, 'r/checkpoints/latest');
  const { exit } = endless(t, folder, env);
  const { code, stderr } = await exit;
  t.is(code, 1, stderr);
  t.regex(stderr, /^haze: worker 0 stopped while running \w+: worker exited/m);
  t.regex(await readFile(join(folder, 'r/checkpoints/latest'), 'utf8'), /^step-\d+$/m);
  t.is((await sharp(join(folder, 'r/loss.png')).metadata()).format, 'png');
});

test('two unnamed runs that start at the same time get different folders', async (t) => {
  const folder = await workplace(t);
  const args = ['train', 'photos', ...SMALL, '--steps', '2'];
  const both = await Promise.all([haze(folder, args), haze(folder, args)]);
  t.deepEqual(
    both.map(({ code }) => code),
    [0, 0],
  );
  t.deepEqual((await readdir(join(folder, 'runs'))).sort(), ['1', '2']);
});

test('a run that diverges stops with its step and exits with 1', async (t) => {
  const folder = await workplace(t);
  const args = ['train', 'photos', ...SMALL, '--steps', '9', '--lr', '1e30', '--out', 'r'];
  const { code, stderr, stdout } = await haze(folder, args);
  t.is(code, 1);
  t.regex(
    stderr,
    /^haze: step 2: the loss is \S+; no checkpoint was written\. A lower --lr may help$/m,
  );
  t.is(stdout, '');
});

test('missing or too little data is refused, and nothing is left behind', async (t) => {
  const folder = await workplace(t, 3);
  const train = (data: string) => ['train', join(folder, data), ...SMALL, '--steps', '2'];
  await mkdir(join(folder, 'empty'));
  await mkdir(join(folder, 'junk'));
  await writeFile(join(folder, 'junk', 'picture.png'), 'no picture');
  await refuses(t, train('none'), /none: no such folder or file/);
  await refuses(t, train('empty'), /empty: /);
  await refuses(t, train('junk/picture.png'), /neither an IDX file nor a CIFAR binary file/);
  const junk = await haze(folder, [...train('junk'), '--out', 'r']);
  t.is(junk.code, 2);
  t.regex(junk.stderr, /^haze: .*junk: none of its images can be read/m);
  const few = await haze(folder, [...train('photos'), '--out', 'r']);
  t.is(few.code, 2);
  t.regex(
    few.stderr,
    /^haze: --batch: expected at most 3, the number of images in the data, got 4; --batch 3 fits$/m,
  );
  const recipe = ['train', 'photos', '--preset', 'minutes-32', '--out', 'r'];
  const ofPreset = await haze(folder, recipe);
  t.is(ofPreset.code, 2);
  t.regex(
    ofPreset.stderr,
    /^haze: --batch: .* in the data, got 32; --batch 3 fits \(of --preset minutes-32\)$/m,
  );
  const large = await haze(folder, [...recipe, '--batch', '2', '--accumulate', '65536']);
  t.is(large.code, 2);
  t.regex(
    large.stderr,
    /^haze: --accumulate: expected at most 3 images per step, .*, got 131072: --accumulate 65536 times --batch 2$/m,
  );
  t.deepEqual((await readdir(folder)).sort(), ['empty', 'junk', 'photos']);
});

test('for a model that does not fit, the error has the memory needed and the largest batch that fits', async (t) => {
  const model = ['--size', '64', '--widths', '64,128,256', '--batch', '4096'];
  await refuses(
    t,
    ['train', 'toy-cars', ...model],
    /memory: this needs [\d.]+ GiB, available are 4\.00 GiB; the largest batch that fits is \d+$/m,
  );
  await refuses(
    t,
    ['train', 'toy-cars', '--widths', '8192,16384', '--batch', '1'],
    /not even a batch of 1 fits/,
  );
});

test('a resume without a valid run is refused', async (t) => {
  await refuses(
    t,
    ['train', 'toy-cars', '--resume'],
    /--resume: expected --out with the folder of the run/,
  );
  await refuses(
    t,
    ['train', '--resume', '--out', 'none'],
    /--resume: expected the folder of a run in --out, got none, which has no config\.json/,
  );
  await refuses(t, ['train'], /<data>: expected a folder of images, .*, got nothing/);
  const folder = await workplace(t);
  await mkdir(join(folder, 'r'));
  await writeFile(join(folder, 'r/config.json'), '{"version": 1, "seed": ');
  await refuses(
    t,
    ['train', '--resume', '--out', join(folder, 'r')],
    /config\.json: expected a JSON object, got none/,
  );
});

test('a batch that leaves BatchNorm a single value is refused, as in PyTorch', async (t) => {
  const model = ['--size', '4', '--widths', '4,4,4', '--batch', '1'];
  await refuses(
    t,
    ['train', 'toy-cars', ...model],
    /^haze: --batch: expected 2 or more, .*, got 1$/m,
  );
});

test('a missing --held-out folder is refused with the name of the flag', async (t) => {
  await refuses(
    t,
    ['train', 'toy-cars', ...SMALL, '--held-out', 'none'],
    /^haze: --held-out: .*none: no such folder or file/,
  );
});

test('a run that cannot be written, or that lacks a required GPU, fails with the reason', async (t) => {
  const folder = await workplace(t);
  await writeFile(join(folder, 'file'), '');
  const { code, stderr } = await haze(folder, [
    'train',
    'photos',
    ...SMALL,
    '--steps',
    '1',
    '--out',
    'file/run',
  ]);
  t.true(code === 1 || code === 2, stderr);
  t.regex(stderr, /^haze: .*file/m);
  t.notRegex(stderr, /^\s+at /m);
  await refuses(
    t,
    ['train', 'toy-cars', '--preset', 'tiny', '--device', 'auto', '--require', 'cuda'],
    /--require cuda: /,
    3,
  );
});
