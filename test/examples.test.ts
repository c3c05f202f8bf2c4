import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import sharp from 'sharp';
import { compiled } from './helpers/programs.js';

const root = new URL('../../examples/', import.meta.url);
const names = readdirSync(root).filter((name) => name.endsWith('.ts'));
const text = (name: string) => readFileSync(new URL(name, root), 'utf8');

/** What a program prints. */
async function run(folder: string, name: string, ...args: string[]): Promise<string> {
  const program = join(folder, name.replace(/ts$/, 'js'));
  const { stdout } = await promisify(execFile)(process.execPath, [program, ...args], {
    cwd: folder,
  });
  return stdout;
}

async function isPicture(t: ExecutionContext, data: string | Buffer): Promise<void> {
  const { format, width = 0, height = 0 } = await sharp(data).metadata();
  t.is(format, 'png');
  t.true(width >= 96 && height >= 96, `${width}x${height}`);
}

test('the examples compile against the package and run', async (t) => {
  const folder = await compiled(t, Object.fromEntries(names.map((name) => [name, text(name)])));
  const ran: string[] = [];
  const example = (name: string, ...args: string[]) => {
    ran.push(name);
    return run(folder, name, ...args);
  };

  t.regex(await example('photos.ts', 'toy-cars', '0.05'), /steps, mean loss \d.*\nphotos\.png\n$/);
  await isPicture(t, join(folder, 'photos.png'));

  t.regex(
    await example('steps.ts', 'toy-cars', '3'),
    /step 3: held-out loss .*\nbest after epoch 1:/,
  );

  t.regex(await example('classes.ts', 'toy-cars', '3'), /sedan.*\nclasses\.png\n$/);
  await isPicture(t, join(folder, 'classes.png'));

  t.regex(await example('shapes.ts', '3'), /'disc',\s+'square'/);
  await isPicture(t, join(folder, 'shapes.png'));

  t.is(await example('sampler.ts', 'runs/photos', '4'), 'euler.png\ndpm++2m.png\n');
  const [own, builtIn] = await Promise.all(
    ['euler.png', 'dpm++2m.png'].map((name) => sharp(join(folder, name)).raw().toBuffer()),
  );
  t.is(own!.length, builtIn!.length);
  t.false(own!.equals(builtIn!));

  t.is(await example('redraw.ts', 'runs/photos', 'again.png'), 'again.png\n');
  await isPicture(t, join(folder, 'again.png'));

  const cifar = cifarFolder(folder);
  t.is(
    await example('cifar-class.ts', cifar, 'automobile', 'cars'),
    `${join('cars', 'train')}: 2 pictures of automobile\n${join('cars', 'test')}: 1 pictures of automobile\n`,
  );
  const pixels = await sharp(join(folder, 'cars', 'train', '0001.png'))
    .raw()
    .toBuffer();
  t.deepEqual([...pixels.subarray(0, 6)], [2, 12, 22, 3, 13, 23]);

  ran.push('server.ts');
  await serves(t, folder);
  t.deepEqual(ran.sort(), names.sort(), 'every example was run');
});

/** Records of both classes whose values are those of their pixel and 10 more per channel; the batch's number is added. */
function cifarFolder(folder: string): string {
  const record = (label: number, first: number) => [
    label,
    ...Array.from(
      { length: 3 * 1024 },
      (_, i) => (first + (i % 1024) + 10 * Math.floor(i / 1024)) % 256,
    ),
  ];
  const path = join(folder, 'cifar');
  mkdirSync(path);
  writeFileSync(join(path, 'batches.meta.txt'), 'airplane\nautomobile\n\n');
  for (const [i, name] of ['data_batch_1', 'data_batch_2', 'test_batch'].entries())
    writeFileSync(join(path, `${name}.bin`), Buffer.from([...record(0, 9), ...record(1, i + 1)]));
  return path;
}

async function serves(t: ExecutionContext, folder: string): Promise<void> {
  const server = spawn(process.execPath, [join(folder, 'server.js'), 'runs/photos'], {
    cwd: folder,
    env: { ...process.env, PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const [line] = (await once(server.stdout.setEncoding('utf8'), 'data')) as [string];
    const get = (query: string) => fetch(`${line.trim()}/${query}`);
    const picture = async (query: string) => Buffer.from(await (await get(query)).arrayBuffer());
    const first = await picture('?seed=7&count=2');
    await isPicture(t, first);
    t.true(first.equals(await picture('?seed=7&count=2')), 'the same seed, the same picture');
    const wrong = await get('?count=none');
    t.is(wrong.status, 400);
    t.regex(await wrong.text(), /^model\.sample\.count: expected .*\n$/);
  } finally {
    server.kill('SIGTERM');
  }
  const [code] = server.exitCode === null ? await once(server, 'exit') : [server.exitCode];
  t.is(code, 0);
}

test('the README of the examples names each of them', (t) => {
  const readme = text('README.md');
  for (const name of names) t.true(readme.includes(`| [${name}](${name}) |`), name);
});
