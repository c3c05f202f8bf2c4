import { join } from 'node:path';
import test from 'ava';
import sharp from 'sharp';
import { load, type SampleSettings, sample, toImages } from '../../src/index.js';
import { folderWithModel } from '../helpers/generate.js';
import { close } from '../helpers/kernels.js';

const SIZE = 8;
const EACH = SIZE * SIZE * 3;
const picture = Float32Array.from({ length: EACH }, (_, i) => (i % 51) / 25.5 - 1);
/** The right half. */
const mask = Uint8Array.from({ length: SIZE * SIZE }, (_, i) => (i % SIZE < 4 ? 0 : 1));
const how = { size: SIZE, timesteps: 20, threads: 1, seed: 3 } as const;

test('an image of a redrawn picture depends on its number alone, and keeps what the mask keeps', async (t) => {
  const model = join(await folderWithModel(t), 'model.safetensors');
  const redraw = { ...how, from: picture, mask, resample: 2, sampler: 'ddim', steps: 5 } as const;
  const { images } = await sample(model, { ...redraw, count: 3 });
  const many = await sample(model, { ...redraw, count: 18, threads: 2 });
  t.deepEqual(many.images.slice(0, 3 * EACH), images);
  t.notDeepEqual(images.slice(0, EACH), images.slice(EACH, 2 * EACH));
  for (let i = 0; i < images.length; i++) {
    const isKept = mask[Math.floor((i % EACH) / 3)] === 0;
    t.is(images[i] === picture[i % EACH], isKept, `value ${i}`);
  }
});

test('a model that stays open redraws as sample does, at once and step by step', async (t) => {
  const path = join(await folderWithModel(t), 'model.safetensors');
  const model = await load(path, { size: SIZE, timesteps: 20, threads: 1 });
  t.teardown(() => model.dispose());
  for (const redraw of [
    { from: picture, strength: 0.4, sampler: 'dpm++2m', steps: 10 },
    { from: picture, mask, strength: 0.5 },
  ] as const) {
    const { images } = await sample(path, { ...how, ...redraw, count: 2 });
    const notes: string[] = [];
    const own = await model.sample({
      ...{ ...redraw, count: 2, seed: 3 },
      onEvent: (event) => event.kind === 'note' && notes.push(event.text),
    });
    t.deepEqual(own.images, images);
    t.regex(notes[0]!, /^the given picture is redrawn.*, strength 0\.[45]$/);
    let last = { step: 0, steps: 0, x: new Float32Array() };
    for await (const step of model.sampleSteps({ ...redraw, count: 2, seed: 3 })) last = step;
    t.deepEqual(last.x, images);
    t.is(last.step, last.steps);
    t.is(last.steps, 'steps' in redraw ? 4 : 10);
  }
});

test('arrays may be changed after the call, and notes tell of pictures that are not used', async (t) => {
  const path = join(await folderWithModel(t), 'model.safetensors');
  const [from, own] = [picture.slice(), mask.slice()];
  const notes: string[] = [];
  const onEvent: SampleSettings['onEvent'] = (event) =>
    event.kind === 'note' && notes.push(event.text);
  const redraw = { ...how, sampler: 'ddim', steps: 3, count: 1 } as const;
  const drawing = sample(path, { ...redraw, from, mask: own });
  from.fill(0.5);
  own.fill(1);
  t.deepEqual(
    (await drawing).images,
    (await sample(path, { ...redraw, from: picture, mask })).images,
  );
  const plain = await sample(path, redraw);
  const all = new Uint8Array(SIZE * SIZE).fill(1);
  for (const unused of [{ strength: 1 }, { mask: all }])
    t.deepEqual((await sample(path, { ...redraw, ...unused, from, onEvent })).images, plain.images);
  t.is(notes[0], 'nothing of the given picture is kept: strength 1 begins with noise alone');
  t.true(notes.some((text) => /: the mask is white everywhere, and strength 1/.test(text)));
});

test('files are read as arrays are, and frames begin where the picture does', async (t) => {
  const folder = await folderWithModel(t);
  const model = join(folder, 'model.safetensors');
  const { data } = toImages(picture, { size: SIZE, channels: 3 });
  const raw = { width: SIZE, height: SIZE, channels: 3 } as const;
  const [from, white] = [join(folder, 'from.png'), join(folder, 'mask.png')];
  await sharp(data, { raw }).png().toFile(from);
  const grey = mask.map((value) => value * 255);
  await sharp(grey, { raw: { ...raw, channels: 1 } })
    .png()
    .toFile(white);
  const redraw = { ...how, strength: 0.5, count: 2, frames: { moments: 3, images: 1 } };
  const files = await sample(model, { ...redraw, from, mask: white });
  const exact = Float32Array.from(data, (v) => Math.fround(v / 127.5) - 1);
  const arrays = await sample(model, { ...redraw, from: exact, mask });
  close(t, files.images, arrays.images, { atol: 1e-5 });
  t.is(files.frames[0]!.t, 9);
  t.is(files.frames.at(-1)!.t, 0);
});

test('pictures of other types and sizes are refused by name', async (t) => {
  const model = join(await folderWithModel(t), 'model.safetensors');
  const wrong: [Record<string, unknown>, RegExp][] = [
    [{ from: 7 }, /^sample\.from: expected a picture's file or a Float32Array, got 7$/],
    [
      { from: picture.map((v) => 127.5 * v) },
      /^sample\.from: expected values around \[-1, 1\], got /,
    ],
    [{ from: picture, fit: 'crop' }, /^sample\.fit: belongs to pictures in files, and there are/],
    [{ from: picture, mask: [1, 0] }, /^sample\.mask: expected .* or a Uint8Array, got \[1,0\]$/],
    [{ from: 'none.png' }, /^none\.png: expected a picture, got none: /],
    [{ from: picture.subarray(3) }, /^sample\.from: expected 192 values, got 189$/],
    [{ from: picture, mask: mask.subarray(1) }, /^sample\.mask: expected 64 values, got 63$/],
    [{ mask: 'none.png' }, /^sample\.mask: belongs to sample\.from, and there is none$/],
    [{ fit: 'crop' }, /^sample\.fit: belongs to sample\.from, and there is none$/],
    [{ from: picture, strength: 2 }, /^sample\.strength: expected .*, got 2$/],
  ];
  for (const [settings, message] of wrong)
    await t.throwsAsync(sample(model, { ...how, ...settings } as SampleSettings), { message });
});
