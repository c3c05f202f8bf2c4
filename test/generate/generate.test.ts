import { spawnSync } from 'node:child_process';
import { truncateSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import sharp from 'sharp';
import { Arithmetic } from '../../src/engine/arithmetic.js';
import { Interrupted, RunError, UsageError } from '../../src/errors.js';
import { generate } from '../../src/generate/generate.js';
import { headerLine } from '../../src/generate/manifest.js';
import type { GenerateOptions } from '../../src/generate/options.js';
import { sampleFrom } from '../../src/sample/sample.js';
import { withFault } from '../helpers/faulty-files.js';
import { folderWithModel, hashes, optionsIn, weightsOf } from '../helpers/generate.js';

const name = (k: number) => `${String(k).padStart(6, '0')}.png`;

/** The pixels that `sample` draws for the same options. */
async function sampled(options: GenerateOptions): Promise<Uint8Array> {
  const { images } = await sampleFrom(weightsOf(1), {
    ...optionsIn('', ''),
    sampling: options.sampling,
    count: options.count,
    frames: null,
    onEvent: () => {},
  });
  return new Arithmetic().toBytes(images);
}

async function manifestIndices(folder: string): Promise<number[]> {
  const names = (await readdir(folder)).filter((file) => file.endsWith('.jsonl'));
  const texts = await Promise.all(names.map((file) => readFile(join(folder, file), 'utf8')));
  const lines = texts.flatMap((text) =>
    text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line)),
  );
  return lines.flatMap(({ index }) => (index === undefined ? [] : [index])).sort((a, b) => a - b);
}

test('64 images are the same files with 1 and 2 workers, batches of 4 and 7, and in two shards', async (t) => {
  const folder = await folderWithModel(t);
  const make = (out: string, changes: Partial<GenerateOptions>) =>
    generate(optionsIn(folder, out, { count: 64, ...changes }));
  for (const workers of [1, 2])
    for (const batch of [4, 7]) await make(`${workers}-${batch}`, { workers, batch });
  for (const index of [1, 2]) await make('shards', { shard: { index, of: 2 }, batch: 5 });
  const first = await hashes(join(folder, '1-4'));
  t.deepEqual(
    Object.keys(first),
    Array.from({ length: 64 }, (_, k) => name(k)),
  );
  t.is(new Set(Object.values(first)).size, 64);
  for (const out of ['1-7', '2-4', '2-7', 'shards']) {
    t.deepEqual(await hashes(join(folder, out)), first, out);
    t.deepEqual(await manifestIndices(join(folder, out)), [...Array(64).keys()]);
  }
});

test('Images equal those of sample, and the manifest has their hashes', async (t) => {
  const folder = await folderWithModel(t);
  const options = optionsIn(folder, 'out');
  await generate(options);
  const expected = await sampled(options);
  for (let k = 0; k < options.count; k++) {
    const pixels = await sharp(join(options.out, name(k)))
      .raw()
      .toBuffer();
    t.true(pixels.equals(expected.subarray(k * 768, (k + 1) * 768)), name(k));
  }
  const found = await hashes(options.out);
  const manifest = await readFile(join(options.out, 'manifest-1-of-1.jsonl'), 'utf8');
  const [header, ...lines] = manifest
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  t.like(header, { settings: { seed: 5, sampler: 'ddim', steps: 4 }, maker: { device: 'wasm' } });
  for (const { index, seed, file, sha256 } of lines) {
    t.is(file, name(index));
    t.is(seed, 5);
    t.is(sha256, found[file]);
  }
});

test('Finished images are kept and missing ones drawn, with and without --resume', async (t) => {
  const folder = await folderWithModel(t);
  const options = optionsIn(folder, 'out');
  t.like(await generate(options), { made: 16, kept: 0 });
  const first = await hashes(options.out);
  t.like(await generate(options), { made: 0, kept: 16 });
  for (const resume of [false, true]) {
    for (const k of [0, 7, 15]) await rm(join(options.out, name(k)));
    t.like(await generate({ ...options, resume }), { made: 3, kept: 13 });
    t.deepEqual(await hashes(options.out), first);
  }
  t.like(await generate({ ...options, count: 20 }), { made: 4, kept: 16 });
});

test('A damaged file is refused without --resume, and redrawn with it', async (t) => {
  const folder = await folderWithModel(t);
  const options = optionsIn(folder, 'out');
  await generate(options);
  const first = await hashes(options.out);
  await writeFile(join(options.out, name(3)), 'not a picture');
  await writeFile(join(options.out, name(4)), '');
  await t.throwsAsync(generate(options), {
    instanceOf: UsageError,
    message: /image 3 in 000003\.png does not match the manifest; --resume/,
  });
  t.like(await generate({ ...options, resume: true }), { made: 2, kept: 14 });
  t.deepEqual(await hashes(options.out), first);
  t.like(await generate(options), { made: 0, kept: 16 });
});

test('An image replaced by a pipe or an endless file counts as damaged', async (t) => {
  if (process.platform === 'win32') return t.pass();
  const folder = await folderWithModel(t);
  const options = optionsIn(folder, 'out');
  await generate(options);
  const before = await hashes(options.out);
  truncateSync(join(options.out, '000003.png'), 2 ** 40);
  await rm(join(options.out, '000005.png'));
  spawnSync('mkfifo', [join(options.out, '000005.png')]);
  await t.throwsAsync(generate(options), { instanceOf: UsageError, message: /image 3 in 000003/ });
  t.is((await generate({ ...options, resume: true })).made, 2);
  t.deepEqual(await hashes(options.out), before);
});

test('A lost or damaged manifest only costs time, with --resume', async (t) => {
  const folder = await folderWithModel(t);
  const options = optionsIn(folder, 'out');
  await generate(options);
  const first = await hashes(options.out);
  const manifest = join(options.out, 'manifest-1-of-1.jsonl');
  const text = await readFile(manifest, 'utf8');
  const damages = [
    text.slice(0, text.length / 2),
    text.slice(10),
    text.replaceAll('"index":1', '"index":?'),
    '',
  ];
  for (const damaged of damages) {
    await writeFile(manifest, damaged);
    await generate({ ...options, resume: true });
    t.deepEqual(await hashes(options.out), first);
    t.like(await generate(options), { made: 0, kept: 16 });
  }
  await rm(manifest);
  await t.throwsAsync(generate(options), {
    instanceOf: UsageError,
    message: /expected a new folder or one with a manifest, got one with 000000\.png/,
  });
  t.deepEqual(await hashes(options.out), first);
});

test('A folder with images of others is refused, unless --resume adds to it', async (t) => {
  const folder = await folderWithModel(t);
  const options = optionsIn(folder, 'photos', { count: 2 });
  await mkdir(options.out);
  await writeFile(join(options.out, '.hidden.png'), '');
  await writeFile(join(options.out, 'IMG_1.JPG'), '');
  for (const format of ['png', 'npz'] as const)
    await t.throwsAsync(generate({ ...options, format }), {
      instanceOf: UsageError,
      message:
        /: expected a new folder or one with a manifest, got one with IMG_1\.JPG; give another --out, or --resume to add to it$/,
    });
  t.deepEqual(await readdir(options.out), ['.hidden.png', 'IMG_1.JPG']);
  t.like(await generate({ ...options, resume: true }), { made: 2 });
  t.like(await generate(options), { made: 0, kept: 2 });
});

test('A folder with other settings is refused with the name of the setting, and left unchanged', async (t) => {
  const folder = await folderWithModel(t);
  const options = optionsIn(folder, 'out', { count: 2 });
  await generate(options);
  const before = await hashes(options.out);
  const { diffusion, sampling, model } = options;
  const others: [RegExp, Partial<GenerateOptions>][] = [
    [/^--seed: the images in .*out were drawn with 5, got 6; give another --out$/, { seed: 6 }],
    [/^--sample-steps: .*drawn with 4, got 5/, { sampling: { ...sampling, steps: 5 } }],
    [/^--eta: /, { sampling: { ...sampling, eta: 0 } }],
    [/^--bn: /, { sampling: { ...sampling, norm: 'batch' } }],
    [/^--beta-end: /, { diffusion: { ...diffusion, betaEnd: 0.2 } }],
    [/^--format: .*drawn with png, got npz/, { format: 'npz' }],
    [/^--size: /, { model: { ...model, size: 32 } }],
  ];
  for (const [message, changes] of others) {
    const error = generate({ ...options, ...changes, resume: true });
    await t.throwsAsync(error, { instanceOf: UsageError, message });
  }
  await writeFile(
    options.weights,
    Buffer.concat([await readFile(options.weights), Buffer.alloc(0)]),
  );
  t.like(await generate(options), { made: 0, kept: 2 });
  t.deepEqual(await hashes(options.out), before);
});

test('Images of another build are kept, with a note', async (t) => {
  const folder = await folderWithModel(t);
  const notes: string[] = [];
  const options = optionsIn(folder, 'out', {
    onEvent: (event) => event.kind === 'note' && notes.push(event.text),
  });
  await generate({ ...options, count: 4 });
  const manifest = join(options.out, 'manifest-1-of-1.jsonl');
  const [header, ...rest] = (await readFile(manifest, 'utf8')).split('\n');
  const { settings, maker } = JSON.parse(header!);
  const other = JSON.stringify(headerLine(settings, { ...maker, build: 'other' }));
  await writeFile(manifest, [other, ...rest].join('\n'));
  t.like(await generate(options), { made: 12, kept: 4 });
  t.true(
    notes.some((note) => /other.* may differ in bits/.test(note)),
    notes.join('\n'),
  );
});

test('With batch statistics, images depend on the batch size and on nothing else', async (t) => {
  const folder = await folderWithModel(t);
  const sampling = { sampler: 'ddim', steps: 4, eta: 0.5, norm: 'batch' } as const;
  const make = (out: string, changes: Partial<GenerateOptions>) =>
    generate(optionsIn(folder, out, { sampling, batch: 4, ...changes }));
  await make('one', { workers: 1 });
  await make('two', { workers: 2 });
  for (const index of [1, 2, 3]) await make('shards', { shard: { index, of: 3 } });
  const first = await hashes(join(folder, 'one'));
  t.deepEqual(await hashes(join(folder, 'two')), first);
  t.deepEqual(await hashes(join(folder, 'shards')), first);
  await rm(join(folder, 'two', name(5)));
  t.like(await make('two', {}), { made: 1, kept: 15 });
  t.deepEqual(await hashes(join(folder, 'two')), first);
  await t.throwsAsync(make('two', { batch: 8 }), { message: /^--batch: .*drawn with 4, got 8/ });
  await make('eight', { batch: 8 });
  t.notDeepEqual(await hashes(join(folder, 'eight')), first);
});

test('An interrupt keeps finished images, and the next run draws the rest', async (t) => {
  const folder = await folderWithModel(t);
  const whole = optionsIn(folder, 'whole', { count: 60 });
  await generate(whole);
  const controller = new AbortController();
  const options = optionsIn(folder, 'out', {
    count: 60,
    batch: 1,
    workers: 1,
    signal: controller.signal,
    onEvent: () => setTimeout(() => controller.abort(), 20),
  });
  const error = await t.throwsAsync(generate(options), { instanceOf: Interrupted });
  const { signal: _, ...again } = options;
  const finished = Number(/(\d+) of 60 images are finished/.exec(error!.message)![1]);
  t.is(Object.keys(await hashes(options.out)).length, finished);
  t.like(await generate(again), { kept: finished, made: 60 - finished });
  t.deepEqual(await hashes(options.out), await hashes(whole.out));
});

/** Runs into a full disk at the `at`-th changing operation on files, then once more without. */
async function fullDisk(t: ExecutionContext, at: number, options: GenerateOptions, whole: object) {
  const { struck, error } = await withFault('ENOSPC', at, () => generate(options));
  if (!struck) return false;
  // Opening the model is a changing operation to the faults alone.
  if (/model\.safetensors: cannot be read/.test(String(error))) return true;
  t.true(error instanceof RunError, String(error));
  t.regex(String(error), /cannot write .*: the disk is full/);
  const left = await readdir(options.out).catch(() => []);
  t.false(
    left.some((file) => file.endsWith('.tmp')),
    left.join(),
  );
  const { made, kept } = await generate(options);
  t.is(made + kept, options.count);
  t.deepEqual(await hashes(options.out), whole);
  return true;
}

for (const format of ['png', 'npz'] as const)
  test.serial(
    `A full disk at any write fails the run, and the next run completes the ${format}`,
    async (t) => {
      const folder = await folderWithModel(t);
      const whole = optionsIn(folder, 'whole', { count: 3, format });
      await generate(whole);
      const expected = await hashes(whole.out);
      let at = 0;
      while (await fullDisk(t, at, { ...whole, out: join(folder, `at-${at}`) }, expected)) at++;
      t.true(at >= 4, `${at} operations`);
    },
  );

for (const format of ['npz', 'safetensors'] as const) {
  test(`The last shard writes one ${format} of all shards, with the images of sample`, async (t) => {
    const folder = await folderWithModel(t);
    const options = optionsIn(folder, 'out', { format });
    t.like(await generate({ ...options, shard: { index: 2, of: 2 } }), { made: 8, awaited: 8 });
    t.deepEqual(Object.keys(await hashes(options.out)), ['images.part']);
    t.like(await generate({ ...options, shard: { index: 1, of: 2 } }), { made: 8, awaited: 0 });
    const shards = await hashes(options.out);
    t.deepEqual(Object.keys(shards), [`images.${format}`]);
    await generate({ ...options, out: join(folder, 'one'), workers: 1, batch: 7 });
    t.deepEqual(await hashes(join(folder, 'one')), shards);
    const bytes = await readFile(join(options.out, `images.${format}`));
    t.true(bytes.includes(Buffer.from(await sampled(options))));
    t.like(await generate(options), { made: 0, kept: 16 });
  });

  test(`A damaged ${format} keeps its undamaged images, and a larger count keeps all`, async (t) => {
    const folder = await folderWithModel(t);
    const options = optionsIn(folder, 'out', { format });
    const path = join(options.out, `images.${format}`);
    await generate(options);
    const first = await hashes(options.out);
    const bytes = await readFile(path);
    bytes[bytes.indexOf(Buffer.from(await sampled(options))) + 3 * 768 + 5]! ^= 1;
    await writeFile(path, bytes);
    await t.throwsAsync(generate(options), { message: /^--out .*: image 3 in images\./ });
    t.like(await generate({ ...options, resume: true }), { made: 1, kept: 15 });
    t.deepEqual(await hashes(options.out), first);
    await rm(path);
    t.like(await generate(options), { made: 16, kept: 0 });
    t.deepEqual(await hashes(options.out), first);
    t.like(await generate({ ...options, count: 20 }), { made: 4, kept: 16 });
    await t.throwsAsync(generate(options), { message: /^--count: .* holds 20 images, got 16/ });
    t.like(await generate({ ...options, count: 20 }), { made: 0, kept: 20 });
  });

  test(`A ${format} truncated anywhere is completed again`, async (t) => {
    const folder = await folderWithModel(t);
    const options = optionsIn(folder, 'out', { format, count: 4 });
    const path = join(options.out, `images.${format}`);
    await generate(options);
    const whole = await readFile(path);
    for (const length of [0, 20, 60, whole.length >> 1, whole.length - 1]) {
      await writeFile(path, whole.subarray(0, length));
      const { made, kept } = await generate({ ...options, resume: true });
      t.is(made + kept, 4);
      t.true(whole.equals(await readFile(path)), `cut to ${length}`);
    }
  });
}
