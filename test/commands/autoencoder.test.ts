import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { readMetrics } from '../../src/io/metrics.js';
import { madeIn } from '../helpers/autoencoder-training.js';
import { haze, meanwhile, refuses, startHaze } from '../helpers/cli.js';
import { temporaryFolder } from '../helpers/folder.js';
import { writeBars } from '../helpers/run.js';

/** Grey pictures of 16 pixels to latents of 8, in a moment. */
const SMALL = [
  ...['--size', '16', '--channels', '1', '--widths', '6,8', '--latents', '3', '--batch', '4'],
  ...['--threads', '1'],
];

test('haze train learns the latents of what haze autoencoder trained', async (t) => {
  const folder = await temporaryFolder(t);
  writeBars(folder);
  const trained = await haze(folder, ['autoencoder', 'bars.idx', ...SMALL, '--steps', '3']);
  t.is(trained.code, 0, trained.stderr);
  t.regex(
    trained.stderr,
    /^model {3}AutoencoderKL, widths 6,8, 16x16x1 to 8x8x3 and back, [\d,]+ parameters$/m,
  );
  t.regex(trained.stderr, /^data {4}\S+bars\.idx: 40 pictures in memory$/m);
  t.regex(trained.stderr, /^step 3\/3 · epoch 1 · loss 0\.\d{4} · [\d.]+ images\/s$/m);
  t.regex(
    trained.stdout,
    /^autoencoder {2}vae\nsteps {8}3\nloss {9}0\.\d{4} {2}\(mean of the last steps\)\npsnr {9}\d+\.\d\d dB {2}\(of 40 pictures\)\nlatents {6}8x8x3\nnext {9}haze train \S+bars\.idx --autoencoder vae --size 8 --preset pictures-32\n$/,
  );
  const [, next] = /next +haze (.*)\n/.exec(trained.stdout)!;
  const small = [
    '--widths',
    '8,8',
    '--groups',
    '4',
    '--batch',
    '4',
    '--steps',
    '1',
    '--sample-every',
    '0',
  ];
  const run = await haze(folder, [...next!.split(' '), ...small], {
    HAZE_CACHE: join(folder, 'cache'),
  });
  t.is(run.code, 0, run.stderr);
  t.regex(run.stderr, /8x8x3/);
});

test('latents that no U-Net of the recipes can halve are for a transformer, with pictures made square alike', async (t) => {
  const folder = await temporaryFolder(t);
  writeBars(folder);
  const odd = ['--size', '10', '--steps', '1', '--fit', 'crop', '--no-flip'];
  const trained = await haze(folder, ['autoencoder', 'bars.idx', ...SMALL.slice(2), ...odd]);
  t.is(trained.code, 0, trained.stderr);
  const [, next] = /next +haze (.*)\n/.exec(trained.stdout)!;
  t.regex(next!, / --size 5 --preset dit-32 --patch 1 --fit crop --no-flip$/);
  const small = ['--widths', '8', '--depth', '1', '--batch', '4', '--steps', '1'];
  const run = await haze(folder, [...next!.split(' '), ...small, '--sample-every', '0'], {
    HAZE_CACHE: join(folder, 'cache'),
  });
  t.is(run.code, 0, run.stderr);
});

test('after Ctrl-C, and even if it was killed, a resume gives the bits of a training without a break', async (t) => {
  const folder = await temporaryFolder(t);
  writeBars(folder);
  const length = ['--steps', '400', '--save-every', '0'];
  const whole = await haze(folder, [
    'autoencoder',
    'bars.idx',
    '--out',
    'whole',
    ...SMALL,
    ...length,
  ]);
  t.is(whole.code, 0, whole.stderr);
  const metrics = join(folder, 'vae', 'metrics.jsonl');
  const reaches = async (step: number) =>
    (await readMetrics(metrics).catch(() => [])).some((line) => line.step >= step);

  const first = startHaze(t, folder, ['autoencoder', 'bars.idx', ...SMALL, ...length]);
  await meanwhile(first, () => reaches(3));
  first.process.kill('SIGINT');
  const interrupted = await first.exit;
  t.is(interrupted.code, 130);
  t.regex(
    interrupted.stderr,
    /haze: interrupted at step \d+; saved vae\nTo continue: haze autoencoder --out vae --resume\n$/,
  );
  const resume = ['autoencoder', '--out', 'vae', '--resume', '--save-every', '20'];
  const second = startHaze(t, folder, resume);
  const at = Number(/at step (\d+)/.exec(interrupted.stderr)![1]);
  await meanwhile(second, () => reaches(at + 30));
  second.process.kill('SIGKILL');
  await second.exit;
  const third = await haze(folder, resume);
  t.is(third.code, 0, third.stderr);
  t.deepEqual(await madeIn(join(folder, 'vae'), 400), await madeIn(join(folder, 'whole'), 400));
  t.is((await readMetrics(metrics)).length, 400);
  t.is(JSON.parse(readFileSync(join(folder, 'vae', 'config.json'), 'utf8')).sample_size, 16);
});

test('bad words and flags are refused', async (t) => {
  await refuses(
    t,
    ['autoencoder'],
    /^haze: <data>: expected a folder of pictures, .*, got nothing$/m,
  );
  await refuses(t, ['autoencoder', 'nothing/'], /^haze: \S+nothing: no such folder or file/);
  await refuses(
    t,
    ['autoencoder', 'toy-cars', '--latents', '0'],
    /^haze: --latents: expected a whole number from 1 to 256, got 0$/m,
  );
  await refuses(
    t,
    ['autoencoder', 'toy-cars', '--layers-per-block', '0'],
    /^haze: --layers-per-block: expected/,
  );
  await refuses(
    t,
    ['autoencoder', 'toy-cars', '--size', '66'],
    /^haze: --size: expected a multiple of 4, .*, got 66$/m,
  );
  await refuses(
    t,
    ['autoencoder', '--resume'],
    /^haze: --resume: expected .* in --out, got vae, which has no checkpoint$/m,
  );
  await refuses(t, ['autoencoder', 'toy-cars', '--arithmetic', 'wasm'], /has no such flag/);
});
