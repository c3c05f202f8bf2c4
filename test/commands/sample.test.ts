import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import sharp from 'sharp';
import { Args } from '../../src/config/args.js';
import type { RunConfig } from '../../src/config/config.js';
import { newRunConfig } from '../../src/config/run-config.js';
import { CounterRandom } from '../../src/diffusion/random.js';
import { writeCheckpoint } from '../../src/io/checkpoint.js';
import { readTensors } from '../../src/io/read-tensors.js';
import { createRun } from '../../src/io/run.js';
import { writeSafetensors } from '../../src/io/safetensors.js';
import { initialState } from '../../src/network/initial-state.js';
import { buildNetwork } from '../../src/network/network.js';
import { checkpointOf } from '../helpers/checkpoints.js';
import { fixturePath, haze, refuses, startHaze } from '../helpers/cli.js';
import { temporaryFolder } from '../helpers/folder.js';

const config: RunConfig = newRunConfig(
  'toy-cars',
  new Args({ size: '8', widths: '4,8', timesteps: '12', batch: '4' }),
);
const state = initialState(buildNetwork(config.model), new CounterRandom(3));

/** A folder with an untrained run, `run`, and its weights, `bare.safetensors`. */
async function workplace(t: Parameters<typeof temporaryFolder>[0]): Promise<string> {
  const folder = await temporaryFolder(t);
  const run = join(folder, 'run');
  await createRun(run, { ...config });
  const optimizer = { step: 0, m: new Map(), v: new Map() };
  await writeCheckpoint(run, 7, checkpointOf({ model: state, optimizer, state: {} }), 1);
  await writeSafetensors(join(folder, 'bare.safetensors'), state);
  return folder;
}

const size = async (path: string) => {
  const { width, height, pages } = await sharp(path).metadata();
  return [width, height, pages ?? 1];
};

test('a run is drawn as a grid, a film and an animation of the requested sizes', async (t) => {
  const folder = await workplace(t);
  const files = ['--out', 'grid.png', '--film', 'film.png', '--gif', 'all.gif'];
  const { code, stdout, stderr } = await haze(folder, [
    'sample',
    'run',
    '--count',
    '5',
    '--threads',
    '1',
    ...files,
  ]);
  t.is(code, 0, stderr);
  t.is(
    stdout,
    'grid.png: 5 images\nfilm.png: from noise to image\nall.gif: from noise to images\n',
  );
  const cell = 8 * 12 + 2;
  t.deepEqual(await size(join(folder, 'grid.png')), [3 * cell + 2, 2 * cell + 2, 1]);
  t.deepEqual(await size(join(folder, 'film.png')), [10 * cell + 2, 4 * cell + 2, 1]);
  t.is((await size(join(folder, 'all.gif')))[2], 13);
});

test('all pictures are written even if nobody reads stdout', async (t) => {
  const folder = await workplace(t);
  const files = ['--out', 'grid.png', '--film', 'film.png', '--gif', 'all.gif'];
  const { process: child, exit } = startHaze(t, folder, [
    ...['sample', 'run', '--count', '1', ...files],
  ]);
  child.stdout!.destroy();
  child.stderr!.destroy();
  t.is((await exit).code, 0);
  t.deepEqual((await readdir(folder)).sort(), [
    'all.gif',
    'bare.safetensors',
    'film.png',
    'grid.png',
    'run',
  ]);
});

test('weights with a NaN are refused', async (t) => {
  const folder = await temporaryFolder(t);
  const data = Float32Array.of(Number.NaN, 0, 0, 0);
  const path = join(folder, 'broken.safetensors');
  await writeSafetensors(
    path,
    new Map([...state, ['conv0.bias', { dtype: 'F32', shape: [4], data }]]),
  );
  await refuses(
    t,
    ['sample', path, '--size', '8'],
    /broken\.safetensors: conv0\.bias: expected finite numbers, got NaN$/m,
  );
});

test('the same seed draws the same pictures from the run, its checkpoint and its bare weights', async (t) => {
  const folder = await workplace(t);
  const draw = async (model: string, ...flags: string[]) => {
    const { code, stderr } = await haze(folder, [
      'sample',
      model,
      '--count',
      '2',
      '--seed',
      '5',
      '--threads',
      '2',
      ...flags,
    ]);
    t.is(code, 0, stderr);
    return readFile(join(folder, 'samples.png'));
  };
  const first = await draw('run');
  t.deepEqual(await draw('run/checkpoints/step-7'), first);
  t.deepEqual(await draw('bare.safetensors', '--size', '8', '--timesteps', '12'), first);
  t.notDeepEqual(await draw('run', '--sampler', 'ddim', '--sample-steps', '4'), first);
  const solver = ['--sampler', 'dpm++2m', '--sample-steps', '4', '--karras'];
  const solved = await draw('run', ...solver);
  t.notDeepEqual(solved, first);
  t.notDeepEqual(await draw('run', ...solver, '--dynamic-threshold', '0.9'), solved);
  const bare = ['bare.safetensors', '--size', '8', '--timesteps', '12'] as const;
  t.deepEqual(await draw(...bare, ...solver), solved);
  t.notDeepEqual(await draw(...bare, ...solver, '--objective', 'v'), solved);
});

test("a flag may repeat the run's settings but not contradict them", async (t) => {
  const folder = await workplace(t);
  const run = join(folder, 'run');
  await refuses(t, ['sample', run, '--size', '16'], /--size: .*run has 8, got 16/);
  await refuses(t, ['sample', run, '--timesteps', '300'], /--timesteps: .*run has 12, got 300/);
  await refuses(
    t,
    ['sample', run, '--sampler', 'ddim', '--sample-steps', '13'],
    /--sample-steps: expected a whole number from 1 to 12, got 13/,
  );
  t.is((await haze(folder, ['sample', 'run', '--size', '8', '--count', '1'])).code, 0);
});

test('pictures that cannot be written are refused before anything is drawn', async (t) => {
  const folder = await workplace(t);
  const run = join(folder, 'run');
  await refuses(
    t,
    ['sample', run, '--out', 'grid.jpg'],
    /--out: expected a name ending in \.png, \.webp or \.gif, got grid\.jpg/,
  );
  await refuses(
    t,
    ['sample', run, '--film', 'none/film.png'],
    /--film: expected a file in an existing folder/,
  );
  await refuses(
    t,
    ['sample', run, '--gif', 'film.png'],
    /--gif: expected a name ending in \.gif or \.webp, got film\.png/,
  );
  await refuses(
    t,
    ['sample', run, '--count', '0'],
    /--count: expected a whole number from 1 to 65536, got 0/,
  );
  for (const [flag, name, first] of [
    ['--film', 'same.png', '--out'],
    ['--gif', 'same.gif', '--film'],
  ] as const)
    await refuses(
      t,
      ['sample', run, first, join(folder, name), flag, join(folder, 'run', '..', name)],
      new RegExp(`${flag}: expected another file than that of ${first}, got .*${name}`),
    );
  await mkdir(join(folder, 'taken.png'));
  const { code, stderr } = await haze(folder, ['sample', 'run', '--out', 'taken.png']);
  t.is(code, 2, stderr);
  await t.throwsAsync(stat(join(folder, 'samples.png')));
});

test('a path that is not a model is refused', async (t) => {
  const folder = await workplace(t);
  await refuses(
    t,
    ['sample'],
    /<model>: expected a run, a checkpoint folder, a diffusers folder or a file of weights, got nothing/,
  );
  await refuses(t, ['sample', join(folder, 'none')], /expected a model, got none/);
  await refuses(
    t,
    ['sample', join(folder, 'bare.safetensors'), '--size', '9'],
    /--size: 2 widths .* multiple of 2; got 9/,
  );
  const damaged = join(folder, 'run/checkpoints/step-7/model.safetensors');
  const bytes = await readFile(damaged);
  await writeFile(damaged, bytes.subarray(0, bytes.length - 1));
  await refuses(t, ['sample', join(folder, 'run')], /model\.safetensors: /);
});

test('a picture is redrawn, where a mask is white', async (t) => {
  const folder = await workplace(t);
  const grey = { create: { width: 30, height: 20, channels: 3, background: '#808080' } } as const;
  await sharp(grey).png().toFile(join(folder, 'photo.png'));
  const right = { create: { width: 15, height: 20, channels: 3, background: '#fff' } } as const;
  const black = { create: { ...grey.create, background: '#000' } } as const;
  await sharp(black)
    .composite([{ input: await sharp(right).png().toBuffer(), left: 15, top: 0 }])
    .png()
    .toFile(join(folder, 'mask.png'));
  await sharp(black).png().toFile(join(folder, 'black.png'));
  const draw = (...flags: string[]) =>
    haze(folder, ['sample', 'run', '--count', '1', '--threads', '1', ...flags]);
  const { code, stderr } = await draw('--from', 'photo.png', '--mask', 'mask.png');
  t.is(code, 0, stderr);
  t.regex(stderr, /photo\.png is redrawn where mask\.png is white, strength 1$/m);
  t.notRegex(stderr, /another shape/);
  const { data, info } = await sharp(join(folder, 'samples.png'))
    .raw()
    .toBuffer({ resolveWithObject: true });
  const at = (x: number, y: number) => data[(y * info.width + x) * info.channels]!;
  const half = Array.from({ length: 40 }, (_, i) => [4 + i, 50] as const);
  t.true(half.every(([x, y]) => Math.abs(at(x, y) - 128) <= 1));
  t.false(half.every(([x, y]) => Math.abs(at(x + 48, y) - 128) <= 1));
  const weak = await draw('--from', 'photo.png', '--strength', '0.5', '--film', 'film.png');
  t.is(weak.code, 0, weak.stderr);
  t.regex(weak.stderr, /photo\.png is redrawn, strength 0\.5$/m);
  t.regex(weak.stderr, /1 image on .*, 6 reverse steps$/m);
  await sharp({ create: { ...grey.create, width: 20, height: 30, background: '#fff' } })
    .png()
    .toFile(join(folder, 'tall.png'));
  const tall = await draw('--from', 'photo.png', '--mask', 'tall.png');
  t.is(tall.code, 0, tall.stderr);
  t.regex(
    tall.stderr,
    /^nothing of photo\.png is kept: the mask is white everywhere, and strength 1/m,
  );
  t.regex(tall.stderr, /^tall\.png has another shape than photo\.png: each is made square by/m);
  for (const [flags, message] of [
    [
      ['--from', 'mask.png', '--mask', 'black.png'],
      /black\.png: expected white \(128 .*, got none/,
    ],
    [
      ['--from', 'photo.png', '--mask', 'mask.png', '--resample', '2', '--sampler', 'heun'],
      /^haze: --resample: belongs to samplers/,
    ],
    [['--from', 'none.png'], /none\.png: expected a picture, got none: /],
    [['--from', 'run'], /run: expected a picture, got none: /],
    [['--strength', '0.5'], /--strength: belongs to --from, and there is none/],
    [['--from', 'photo.png', '--out', 'photo.png'], /--out: expected another file than those/],
    [['--image', 'photo.png'], /did you mean --from\?/],
  ] as const) {
    const refused = await draw(...flags);
    t.is(refused.code, 2, refused.stderr);
    t.regex(refused.stderr, message);
  }
});

test('the same weights give the same picture from any file: nested, with prefixes, without batch counts', async (t) => {
  const folder = await temporaryFolder(t);
  const nested = fixturePath('torch/nested.pt');
  const own = [...(await readTensors(nested)).tensors].map(
    ([name, tensor]) => [name.replace('model_state_dict.', ''), tensor] as const,
  );
  const counts = /num_batches_tracked$/;
  const module = own.map(([name, tensor]) => [`module.${name}`, tensor] as const);
  await writeSafetensors(join(folder, 'bare.safetensors'), new Map(own));
  await writeSafetensors(
    join(folder, 'module.safetensors'),
    new Map(module.filter(([name]) => !counts.test(name))),
  );
  const draw = async (path: string) => {
    const flags = ['--size', '8', '--timesteps', '6', '--count', '2', '--threads', '1'];
    const { code, stderr } = await haze(folder, ['sample', path, ...flags]);
    t.is(code, 0, stderr);
    return { picture: await readFile(join(folder, 'samples.png')), stderr };
  };
  const { picture, stderr } = await draw('bare.safetensors');
  t.notRegex(stderr, /prefix/);
  for (const [path, prefix] of [
    [nested, 'model_state_dict'],
    [`${nested}#model_state_dict`, 'model_state_dict'],
    ['module.safetensors', 'module'],
  ] as const) {
    const drawn = await draw(path);
    t.deepEqual(drawn.picture, picture, path);
    t.true(drawn.stderr.includes(`"${prefix}.…", read without that prefix`), drawn.stderr);
  }
});
