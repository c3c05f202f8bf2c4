import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import sharp from 'sharp';
import {
  type GenerateSettings,
  generate,
  Interrupted,
  sample,
  toImages,
  UsageError,
} from '../../src/index.js';
import { folderWithModel } from '../helpers/generate.js';

const settings = { size: 16, timesteps: 9, seed: 5, threads: 2 } as const;

test('The files have the images of sample, for any number of calls', async (t) => {
  const folder = await folderWithModel(t);
  const model = join(folder, 'model.safetensors');
  const out = join(folder, 'out');
  const kinds = new Set<string>();
  const options = {
    ...settings,
    out,
    count: 5,
    onEvent: (event: { kind: string }) => void kinds.add(event.kind),
  };
  t.like(await generate(model, { ...options, shard: '2/2' }), { made: 3, kept: 0 });
  t.like(await generate(model, { ...options, batch: 1 }), { made: 2, kept: 3 });
  t.deepEqual([...kinds].sort(), ['note', 'progress']);
  const { images, model: shape } = await sample(model, { ...settings, count: 5 });
  const { data } = toImages(images, shape);
  for (let k = 0; k < 5; k++) {
    const pixels = await sharp(join(out, `00000${k}.png`))
      .raw()
      .toBuffer();
    t.true(pixels.equals(data.subarray(k * 768, (k + 1) * 768)), `${k}`);
  }
});

test('Invalid settings are refused by name, and nothing is written', async (t) => {
  const folder = await folderWithModel(t);
  const model = join(folder, 'model.safetensors');
  const out = join(folder, 'out');
  const wrong: [Record<string, unknown>, RegExp][] = [
    [{}, /^generate\.out: expected a folder, got nothing$/],
    [{ out: 3 }, /^generate\.out: expected text, got 3$/],
    [{ out, count: 0 }, /^generate\.count: expected a whole number from 1 to 100000000, got 0$/],
    [{ out, format: 'jpg' }, /^generate\.format: expected one of png, npz, safetensors, got jpg$/],
    [
      { out, shard: '3/2' },
      /^generate\.shard: expected i\/n with whole numbers and i from 1 to n, got 3\/2$/,
    ],
    [{ out, workers: 3, threads: 2 }, /^generate\.workers: expected as many as threads, 2, got 3$/],
    [{ out, cuont: 3 }, /^generate\.cuont: unknown field \(did you mean count\?\)$/],
    [
      { out, size: 16, format: 'npz', count: 1e8 },
      /^generate\.count: npz holds at most 5592320 images/,
    ],
    [{ out, steps: 301 }, /generate\.steps: expected a whole number from 1 to 300, got 301/],
  ];
  for (const [given, message] of wrong)
    await t.throwsAsync(generate(model, given as unknown as GenerateSettings), {
      instanceOf: UsageError,
      message,
    });
  t.deepEqual(await readdir(folder), ['model.safetensors']);
});

test('A signal ends generate, and the next call continues', async (t) => {
  const folder = await folderWithModel(t);
  const model = join(folder, 'model.safetensors');
  const out = join(folder, 'out');
  const options = { ...settings, out, count: 400, batch: 1 };
  const controller = new AbortController();
  const signal = controller.signal;
  const onEvent = () => controller.abort();
  await t.throwsAsync(generate(model, { ...options, signal, onEvent }), {
    instanceOf: Interrupted,
  });
  const { made, kept } = await generate(model, { ...options, count: 8 });
  t.is(made + kept, 8);
});
