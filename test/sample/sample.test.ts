import { join } from 'node:path';
import test from 'ava';
import { CounterRandom, PURPOSE } from '../../src/diffusion/random.js';
import { Interrupted, UsageError } from '../../src/errors.js';
import { writeSafetensors } from '../../src/io/safetensors.js';
import { initialState } from '../../src/network/initial-state.js';
import { buildNetwork } from '../../src/network/network.js';
import type { SampleOptions } from '../../src/sample/options.js';
import { sample, sampleFrom } from '../../src/sample/sample.js';
import { temporaryFolder } from '../helpers/folder.js';
import { tinyRun } from '../helpers/run.js';

const { model, diffusion, computing } = tinyRun('');
const state = initialState(buildNetwork(model), new CounterRandom(1));
const each = model.size ** 2 * model.channels;

const options: Omit<SampleOptions, 'weights'> = {
  model,
  diffusion,
  computing,
  sampling: { sampler: 'ancestral', steps: diffusion.timesteps, eta: 0, norm: 'running' },
  seed: 5,
  count: 3,
  frames: null,
  requireCuda: false,
};

test('images have the same bits for any number of threads', async (t) => {
  const images = [];
  for (const threads of [1, 2, 3])
    images.push(
      (await sampleFrom(state, { ...options, computing: { ...computing, threads } })).images,
    );
  t.deepEqual(images[1], images[0]);
  t.deepEqual(images[2], images[0]);
});

test('image k does not depend on the count, also across batches', async (t) => {
  const few = await sampleFrom(state, options);
  const many = await sampleFrom(state, { ...options, count: 19 });
  t.deepEqual(many.images.slice(0, few.images.length), few.images);
});

test('another seed gives different pictures', async (t) => {
  const [a, b] = [
    await sampleFrom(state, options),
    await sampleFrom(state, { ...options, seed: 6 }),
  ];
  t.notDeepEqual(a.images, b.images);
});

test('frames are evenly spaced from x_T to the result', async (t) => {
  const { images, frames } = await sampleFrom(state, {
    ...options,
    frames: { moments: 5, images: 2 },
  });
  t.deepEqual(
    frames.map((frame) => frame.t),
    [20, 14, 9, 4, 0],
  );
  t.deepEqual(frames.at(-1)!.images, images.slice(0, 2 * each));
  const noise = new CounterRandom(5).normals(PURPOSE.sampleInit, 1, 0, each);
  t.deepEqual(frames[0]!.images.slice(each), noise);
});

test('ddim takes fewer steps', async (t) => {
  const sampling = { sampler: 'ddim', steps: 4, eta: 0, norm: 'running' } as const;
  const events: number[] = [];
  const { images } = await sampleFrom(state, {
    ...options,
    sampling,
    onEvent: (event) => {
      if (event.kind === 'progress') events.push(event.total);
    },
  });
  t.deepEqual(events, [4]);
  t.true(images.every(Number.isFinite));
});

test('with batch statistics an image depends on its batch', async (t) => {
  const sampling = { ...options.sampling, norm: 'batch' } as const;
  const two = await sampleFrom(state, { ...options, sampling, count: 2 });
  const three = await sampleFrom(state, { ...options, sampling, count: 3 });
  t.notDeepEqual(three.images.slice(0, two.images.length), two.images);
});

test('an interruption throws Interrupted, and returns nothing', async (t) => {
  const signal = AbortSignal.abort();
  await t.throwsAsync(sampleFrom(state, { ...options, signal }), { instanceOf: Interrupted });
});

test('a file of weights gives the images of the same weights in memory, and weights of another model are refused', async (t) => {
  const folder = await temporaryFolder(t);
  const weights = join(folder, 'model.safetensors');
  await writeSafetensors(weights, state);
  t.deepEqual(
    (await sample({ ...options, weights })).images,
    (await sampleFrom(state, options)).images,
  );
  const other = { ...model, widths: [8, 24] };
  await t.throwsAsync(sample({ ...options, weights, model: other }), { instanceOf: UsageError });
});
