import { join } from 'node:path';
import test from 'ava';
import { CounterRandom } from '../../src/diffusion/random.js';
import {
  runConfig,
  type SampleSettings,
  sample,
  toImages,
  train,
  UsageError,
  writeSafetensors,
} from '../../src/index.js';
import { initialState } from '../../src/network/initial-state.js';
import { buildNetwork } from '../../src/network/network.js';
import { temporaryFolder } from '../helpers/folder.js';

const ARCHITECTURE = {
  widths: [4, 8],
  channels: 3,
  timeDim: 4,
  norm: 'separate',
} as const;

/** Weights as they are before training: enough to sample from. */
async function weights(folder: string): Promise<string> {
  const path = join(folder, 'model.safetensors');
  await writeSafetensors(
    path,
    initialState(buildNetwork({ kind: 'simple', ...ARCHITECTURE }), new CounterRandom(1)),
  );
  return path;
}

test('bare weights give images of the requested size, the same for the same seed', async (t) => {
  const path = await weights(await temporaryFolder(t));
  const settings = { size: 8, timesteps: 6, count: 3, seed: 5 };
  const { images, frames, model } = await sample(path, { ...settings, threads: 1 });
  t.deepEqual(model, { kind: 'simple', ...ARCHITECTURE, size: 8 });
  t.is(images.length, 3 * 8 * 8 * 3);
  t.deepEqual(frames, []);
  t.deepEqual((await sample(path, { ...settings, threads: 2 })).images, images);
  const more = await sample(path, { ...settings, count: 5, threads: 1 });
  t.deepEqual(more.images.slice(0, images.length), images);
  const { data, ...shape } = toImages(images, model);
  t.deepEqual(shape, { count: 3, height: 8, width: 8, channels: 3 });
  t.is(data.length, images.length);
});

test('frames go from noise to the result', async (t) => {
  const path = await weights(await temporaryFolder(t));
  const events: string[] = [];
  const { images, frames } = await sample(path, {
    size: 8,
    timesteps: 9,
    sampler: 'ddim',
    steps: 4,
    count: 2,
    threads: 1,
    frames: { moments: 3, images: 1 },
    onEvent: ({ kind }) => events.push(kind),
  });
  t.is(frames.length, 3);
  t.is(frames[0]!.t, 9);
  t.is(frames[2]!.t, 0);
  t.deepEqual(frames[2]!.images, images.slice(0, 8 * 8 * 3));
  t.true(events.includes('progress'));
});

test('invalid settings are refused by name', async (t) => {
  const path = await weights(await temporaryFolder(t));
  const wrong: [Record<string, unknown>, RegExp][] = [
    [{ count: 0 }, /^sample\.count: expected a whole number from 1 to 65536, got 0$/],
    [{ cuont: 3 }, /^sample\.cuont: unknown field \(did you mean count\?\)$/],
    [{ sampler: 'dim' }, /^sample\.sampler: .*did you mean ddim\?/],
    [{ steps: 301 }, /^sample\.steps: expected a whole number from 1 to 300, got 301/],
    [{ norm: 'shared' }, /^sample\.norm: expected one of running, batch, got shared/],
    [{ frames: { moments: 3, images: 99 } }, /^sample\.frames\.images: .* from 1 to 16, got 99$/],
    [{ size: 9 }, /^sample\.size: .* multiple of 2; got 9/],
    [{ channels: 1 }, /^sample\.channels: .* has 3, got 1/],
  ];
  for (const [settings, message] of wrong)
    await t.throwsAsync(sample(path, settings as SampleSettings), {
      instanceOf: UsageError,
      message,
    });
  await t.throwsAsync(sample(`${path}.none`), { instanceOf: UsageError });
});

test('a run trained by the library is sampled with its own settings, and contradictions are refused', async (t) => {
  const out = join(await temporaryFolder(t), 'run');
  const config = runConfig({
    data: 'toy-cars',
    size: 8,
    widths: [4, 8],
    timeDim: 4,
    batch: 64,
    timesteps: 6,
    steps: 2,
    threads: 2,
  });
  const result = await train({ config, out });
  t.is(result.steps, 2);
  const { model, images } = await sample(out, { count: 1, threads: 1 });
  t.deepEqual(model, config.model);
  t.is(images.length, 8 * 8 * 3);
  await t.throwsAsync(sample(out, { timesteps: 7 }), {
    instanceOf: UsageError,
    message: /^sample\.timesteps: .* has 6, got 7/,
  });
});
