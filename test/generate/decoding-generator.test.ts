import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import sharp from 'sharp';
import type { LatentGenerator } from '../../src/contracts/generator.js';
import { CounterRandom } from '../../src/diffusion/random.js';
import { EngineError, Interrupted, RunError, UsageError } from '../../src/errors.js';
import { DecodingGenerator } from '../../src/generate/decoding-generator.js';
import { generate } from '../../src/generate/generate.js';
import type { GenerateOptions } from '../../src/generate/options.js';
import { findAutoencoder } from '../../src/io/autoencoder.js';
import { readHeader, writeSafetensors } from '../../src/io/safetensors.js';
import { readWeights } from '../../src/io/weights.js';
import { initialState } from '../../src/network/initial-state.js';
import { buildNetwork } from '../../src/network/network.js';
import { toImages } from '../../src/sample/images.js';
import { sampleFrom } from '../../src/sample/sample.js';
import { type AutoencoderFixtureName, autoencoderFolder } from '../helpers/autoencoder-fixture.js';
import { fakeAutoencoder } from '../helpers/fake-autoencoder.js';
import { temporaryFolder } from '../helpers/folder.js';
import { hashes, optionsIn, model as pixels } from '../helpers/generate.js';
import { ownCache } from '../helpers/own-cache.js';
import { workerHere } from '../helpers/queue-worker.js';
import { redisTest, startRedis } from '../helpers/redis.js';
import { tensorflowTest } from '../helpers/tensorflow.js';

/** Files that go to workers. */
ownCache();

const SIZE = 16;
const EACH = SIZE * SIZE * 3;
const modelOf = (channels: number) => ({ ...pixels, size: 4, widths: [8, 8], channels }) as const;
const name = (k: number) => `${String(k).padStart(6, '0')}.png`;

/** A folder with a model of latents, and options to draw into one of its folders. */
async function opened(t: ExecutionContext, name: AutoencoderFixtureName = 'tiny_16') {
  const folder = await temporaryFolder(t);
  const autoencoder = findAutoencoder(await autoencoderFolder(t, name));
  const model = modelOf(autoencoder.config.latentChannels);
  const state = initialState(buildNetwork(model), new CounterRandom(1));
  await writeSafetensors(join(folder, 'model.safetensors'), state);
  const options = (out: string, changes: Partial<GenerateOptions> = {}) =>
    optionsIn(folder, out, { model, autoencoder, ...changes });
  return { folder, options };
}

/** The pixels that `sample` draws for the same options. */
async function sampled(options: GenerateOptions): Promise<Uint8Array> {
  const state = await readWeights(options.weights);
  const drawn = await sampleFrom(state, { ...options, frames: null, onEvent: () => {} });
  return toImages(drawn.images, { size: SIZE, channels: 3 }).data;
}

async function pixelsIn(folder: string, count: number): Promise<Uint8Array> {
  const all = Array.from({ length: count }, (_, k) =>
    sharp(join(folder, name(k)))
      .raw()
      .toBuffer(),
  );
  return new Uint8Array(Buffer.concat(await Promise.all(all)));
}

test('pictures are the same files for any workers, batch and shard, and those of sample', async (t) => {
  const { folder, options } = await opened(t);
  const make = (out: string, changes: Partial<GenerateOptions>) =>
    generate(options(out, { count: 20, ...changes }));
  for (const workers of [1, 2])
    for (const batch of [3, 7]) await make(`${workers}-${batch}`, { workers, batch });
  for (const index of [1, 2]) await make('shards', { shard: { index, of: 2 }, batch: 5 });
  await make('whole', { batch: null });
  const first = await hashes(join(folder, '1-3'));
  t.is(Object.keys(first).length, 20);
  for (const out of ['1-7', '2-3', '2-7', 'shards', 'whole'])
    t.deepEqual(await hashes(join(folder, out)), first, out);
  const expected = await sampled(options('', { count: 20 }));
  t.deepEqual(await pixelsIn(join(folder, '1-3'), 20), expected);
});

test('one file of all has the shape of the pictures', async (t) => {
  const { folder, options } = await opened(t);
  await generate(options('out', { format: 'safetensors', count: 5 }));
  const { tensors } = await readHeader(join(folder, 'out', 'images.safetensors'));
  t.deepEqual(
    [...tensors.values()].map(({ dtype, shape }) => ({ dtype, shape })),
    [{ dtype: 'U8', shape: [5, SIZE, SIZE, 3] }],
  );
});

test('another call continues a folder, but not with another autoencoder or none', async (t) => {
  const { options } = await opened(t);
  const notes: string[] = [];
  const onEvent: GenerateOptions['onEvent'] = (event) => {
    if (event.kind === 'note') notes.push(event.text);
  };
  await generate(options('out', { count: 3, onEvent }));
  t.regex(
    notes[0]!,
    /2 workers\), decoded to pictures of 16x16x3 by AutoencoderTiny on wasm \(.*2 threads\), batches of/,
  );
  t.like(await generate(options('out', { count: 5 })), { made: 2, kept: 3 });
  const other = findAutoencoder(await autoencoderFolder(t, 'tiny_16', { scaling_factor: 1.25 }));
  await t.throwsAsync(generate(options('out', { autoencoder: other })), {
    instanceOf: UsageError,
    message:
      /^--autoencoder: the images in .*out were drawn with the autoencoder of SHA-256 [0-9a-f]{12}…, got the autoencoder of SHA-256 [0-9a-f]{12}…; give another --out$/,
  });
});

for (const name of ['tiny_16', 'kl_plain_grey_16'] as const)
  redisTest(
    `workers of a queue decode what they draw with ${name}, to the files of a local run`,
    async (t) => {
      const { folder, options } = await opened(t, name);
      const server = await startRedis(t);
      const worker = await workerHere(t, server);
      const queued = (out: string, changes: Partial<GenerateOptions>) =>
        generate(options(out, { ...changes, queue: server.url }));
      for (const format of ['png', 'safetensors'] as const) {
        await generate(options(`local-${format}`, { format, count: 10 }));
        await queued(format, { format, count: 10, batch: 4 });
        const expected = await hashes(join(folder, `local-${format}`));
        t.true(Object.keys(expected).length > 0);
        t.deepEqual(await hashes(join(folder, format)), expected, format);
      }
      t.is(await worker.stop(), 20);
      t.true(
        worker.notes.some((text) => /decoded to pictures of \d+x\d+x\d by Autoencoder/.test(text)),
        worker.notes.join('\n'),
      );
      // The network's weights, and the decoder's.
      t.is((await readdir(worker.cache.folder)).length, 2);
    },
  );

redisTest(
  'a folder of decoded pictures is continued by workers, also those of another autoencoder',
  async (t) => {
    const { folder, options } = await opened(t);
    const server = await startRedis(t);
    await workerHere(t, server);
    const autoencoder = findAutoencoder(
      await autoencoderFolder(t, 'tiny_16', { scaling_factor: 1.25 }),
    );
    await generate(options('local', { count: 9 }));
    await generate(options('out', { count: 4 }));
    const queue = server.url;
    const [rest, others] = await Promise.all([
      generate(options('out', { count: 9, queue, batch: 2 })),
      generate(options('other', { count: 9, queue, batch: 2, autoencoder })),
    ]);
    t.like(rest, { made: 5, kept: 4 });
    t.like(others, { made: 9, kept: 0 });
    t.deepEqual(await hashes(join(folder, 'out')), await hashes(join(folder, 'local')));
    await generate(options('other-local', { count: 9, autoencoder }));
    t.deepEqual(await hashes(join(folder, 'other')), await hashes(join(folder, 'other-local')));
  },
);

test('a stop ends it at once, and the same call draws the rest', async (t) => {
  const { folder, options } = await opened(t);
  const stop = new AbortController();
  const drawing = generate(
    options('out', {
      count: 400,
      signal: stop.signal,
      onEvent: (event) => event.kind === 'progress' && event.done > 0 && stop.abort(),
    }),
  );
  await t.throwsAsync(drawing, { instanceOf: Interrupted });
  const made = (await readdir(join(folder, 'out'))).filter((file) => file.endsWith('.png'));
  t.true(made.length > 0 && made.length < 400, `${made.length}`);
  await generate(options('out', { count: made.length + 1 }));
  await generate(options('again', { count: made.length + 1, workers: 1 }));
  const all = await hashes(join(folder, 'again'));
  for (const [file, hash] of Object.entries(await hashes(join(folder, 'out'))))
    t.true(all[file] === undefined || all[file] === hash, file);
});

test('lanes decode one after the other, and a failed picture fails its lane alone', async (t) => {
  const autoencoder = fakeAutoencoder(2, 1);
  let [open, most] = [0, 0];
  const decode = async (latents: Float32Array) => {
    most = Math.max(most, ++open);
    await new Promise((resolve) => setTimeout(resolve, 5));
    open--;
    if (latents[0] === 9) throw new EngineError('a worker was lost');
    return autoencoder.decode(latents);
  };
  let disposed = 0;
  const dispose = async () => void disposed++;
  const latents: LatentGenerator = {
    ...{ device: 'wasm', description: 'a fake', build: 'relaxed', lanes: 3, batch: 2, steps: 1 },
    draw: async (lane, images) => new Float32Array(images.length * 16).fill([0.25, 9, 3e38][lane]!),
    ...{ stepsDone: (lane) => lane, dispose },
  };
  const generator = new DecodingGenerator(latents, { ...autoencoder, decode, dispose });
  const make = (lane: number) => generator.make(lane, Uint32Array.of(4, 7));
  const [good, lost, wild, again] = await Promise.allSettled([make(0), make(1), make(2), make(0)]);
  t.is(most, 1);
  const bytes = new Uint8Array(32).fill(191);
  for (const drawn of [good, again]) t.deepEqual(drawn, { status: 'fulfilled', value: bytes });
  t.true(lost!.status === 'rejected' && lost.reason instanceof EngineError);
  t.true(wild!.status === 'rejected' && wild.reason instanceof RunError);
  t.is(generator.stepsDone(2), 2);
  await generator.dispose();
  t.is(disposed, 2);
});

/** Levels by which the most different pixels differ. */
const apart = (a: Uint8Array, b: Uint8Array) =>
  a.reduce((most, level, i) => Math.max(most, Math.abs(level - b[i]!)), 0);

for (const arithmetic of ['wasm', 'tensorflow'] as const)
  tensorflowTest(
    `on tensorflow with ${arithmetic} arithmetic pictures are those of wasm`,
    async (t) => {
      const { folder, options } = await opened(t);
      const expected = await sampled(options('', { count: 7 }));
      const computing = { ...options('').computing, device: 'tensorflow', arithmetic } as const;
      for (const batch of [2, 7]) {
        await generate(options(`${batch}`, { count: 7, computing, batch }));
        const drawn = await pixelsIn(join(folder, `${batch}`), 7);
        t.is(drawn.length, 7 * EACH);
        t.true(apart(drawn, expected) <= 1, `batches of ${batch}`);
      }
    },
  );
