import { spawn } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import sharp from 'sharp';
import { CLI, haze, refuses } from '../helpers/cli.js';
import { temporaryFolder } from '../helpers/folder.js';

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

test('a run leaves its settings, losses, checkpoint and curve, and says where', async (t) => {
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
    'samples',
  ]);
  const config = JSON.parse(await readFile(join(folder, 'runs/1/config.json'), 'utf8'));
  t.is(config.chosen.device, 'wasm');
  t.is(config.data.source, join(folder, 'photos'));
  t.is((await haze(folder, ['train', 'photos', ...SMALL, '--steps', '1'])).code, 0);
  t.deepEqual((await readdir(join(folder, 'runs'))).sort(), ['1', '2']);
});

test('an existing run is never written over, and resumes by its own settings', async (t) => {
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

test('Ctrl-C saves the run and exits with 130; a resume goes on from there', async (t) => {
  const folder = await workplace(t);
  const child = spawn(
    process.execPath,
    [CLI, 'train', 'photos', ...SMALL, '--steps', '1000000', '--out', 'r'],
    { cwd: folder },
  );
  let stderr = '';
  let interrupted = false;
  child.stderr.on('data', (text) => {
    stderr += String(text);
    // Once: a second one would end it at once.
    if (!interrupted && /^step \d+\/1000000/m.test(stderr)) interrupted = child.kill('SIGINT');
  });
  const code = await new Promise((resolve) => child.on('close', resolve));
  t.is(code, 130, stderr);
  t.notRegex(stderr, /^\s+at /m);
  const [line] = (await readFile(join(folder, 'r/metrics.jsonl'), 'utf8'))
    .trim()
    .split('\n')
    .slice(-1);
  const { step } = JSON.parse(line!);
  t.is((await readFile(join(folder, 'r/checkpoints/latest'), 'utf8')).trim(), `step-${step}`);
  const more = await haze(folder, ['train', '--out', 'r', '--resume', '--steps', String(step + 1)]);
  t.is(more.code, 0, more.stderr);
  t.regex(more.stderr, new RegExp(`resuming at step ${step} `));
});

test('data that is not there or not enough is refused, and nothing is left', async (t) => {
  const folder = await workplace(t, 3);
  const train = (data: string) => ['train', join(folder, data), ...SMALL, '--steps', '2'];
  await mkdir(join(folder, 'empty'));
  await mkdir(join(folder, 'junk'));
  await writeFile(join(folder, 'junk', 'picture.png'), 'no picture');
  await refuses(t, train('none'), /none: no such folder or file/);
  await refuses(t, train('empty'), /empty: /);
  await refuses(t, train('junk/picture.png'), /neither an IDX file nor a CIFAR-10 binary batch/);
  const junk = await haze(folder, [...train('junk'), '--out', 'r']);
  t.is(junk.code, 2);
  t.regex(junk.stderr, /^haze: .*junk: none of its images can be read/m);
  const few = await haze(folder, [...train('photos'), '--out', 'r']);
  t.is(few.code, 2);
  t.regex(few.stderr, /^haze: --batch: a batch takes 4 images, and the data has 3/m);
  t.deepEqual((await readdir(folder)).sort(), ['empty', 'junk', 'photos']);
});

test('a model that does not fit says what it needs, and the largest batch that would', async (t) => {
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

test('a resume needs a run, and a sound one', async (t) => {
  await refuses(
    t,
    ['train', 'toy-cars', '--resume'],
    /--resume: expected --out with the folder of the run/,
  );
  await refuses(t, ['train', '--resume', '--out', 'none'], /none\/config\.json: /);
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

test('a run that cannot be written fails with its reason, as does a GPU that is required', async (t) => {
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
    ['train', 'toy-cars', '--device', 'auto', '--require', 'cuda'],
    /--require cuda: /,
    3,
  );
});
