import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { COMPUTING_DEFAULTS } from '../../src/config/computing.js';
import type { ComputingConfig, ModelConfig } from '../../src/config/config.js';
import { openAutoencoder } from '../../src/device/open-autoencoder.js';
import { CounterRandom } from '../../src/diffusion/random.js';
import { Interrupted, RunError, UsageError } from '../../src/errors.js';
import { findAutoencoder } from '../../src/io/autoencoder.js';
import { readSafetensors, writeSafetensors } from '../../src/io/safetensors.js';
import { initialState } from '../../src/network/initial-state.js';
import { buildNetwork } from '../../src/network/network.js';
import { decodeSamples, latentRedrawing } from '../../src/sample/decode.js';
import type { SampleEvent, SampleOptions } from '../../src/sample/options.js';
import { sample, sampleFrom } from '../../src/sample/sample.js';
import { autoencoderFolder } from '../helpers/autoencoder-fixture.js';
import { fakeAutoencoder } from '../helpers/fake-autoencoder.js';
import { temporaryFolder } from '../helpers/folder.js';
import { close } from '../helpers/kernels.js';
import { tinyRun } from '../helpers/run.js';
import { tensorflowTest } from '../helpers/tensorflow.js';

/** Sides of the latents and of the pictures, and values of a picture. */
const [LATENTS, SIZE] = [4, 16];
const EACH = SIZE * SIZE * 3;

const { diffusion } = tinyRun('');
const model: ModelConfig = {
  ...{ kind: 'simple', size: LATENTS, widths: [8, 8], channels: 5, timeDim: 8, norm: 'separate' },
};
const state = initialState(buildNetwork(model), new CounterRandom(1));

async function optionsOf(
  t: ExecutionContext,
  computing: Partial<ComputingConfig> = {},
): Promise<Omit<SampleOptions, 'weights'>> {
  return {
    ...{ model, diffusion, computing: { ...COMPUTING_DEFAULTS, threads: 2, ...computing } },
    autoencoder: findAutoencoder(await autoencoderFolder(t, 'tiny_16')),
    sampling: { sampler: 'ddim', steps: 4, eta: 0.5, norm: 'running' },
    ...{ seed: 5, count: 3, frames: null, requireCuda: false },
  };
}

test('images and frames are the pictures of the latents that the network draws', async (t) => {
  const options = { ...(await optionsOf(t)), frames: { moments: 3, images: 2 } };
  const events: SampleEvent[] = [];
  const onEvent = (event: SampleEvent) => void events.push(event);
  const pictures = await sampleFrom(state, { ...options, onEvent });
  const latents = await sampleFrom(state, { ...options, autoencoder: null });
  t.is(latents.images.length, 3 * LATENTS ** 2 * 5);
  const autoencoder = await openAutoencoder(options.autoencoder!, LATENTS, options);
  t.teardown(() => autoencoder.dispose());
  t.deepEqual(pictures.images, await autoencoder.decode(latents.images));
  t.is(pictures.images.length, 3 * EACH);
  for (const [i, { t: time, images }] of latents.frames.entries())
    t.deepEqual(pictures.frames[i], { t: time, images: await autoencoder.decode(images) });
  t.deepEqual(pictures.frames.at(-1)!.images, pictures.images.slice(0, 2 * EACH));
  const notes = events.flatMap((event) => (event.kind === 'note' ? [event.text] : []));
  t.regex(notes.at(-1)!, /^decoded to pictures of 16x16x3 by AutoencoderTiny on wasm \(/);
  t.deepEqual(
    events.flatMap((event) => (event.kind === 'decoding' ? [[event.done, event.total]] : [])),
    Array.from({ length: 9 }, (_, i) => [i + 1, 9]),
  );
});

test('pictures have the same bits for any number of threads, and for any count', async (t) => {
  const options = await optionsOf(t);
  const draw = async (threads: number, count: number) => {
    const computing = { ...options.computing, threads };
    return (await sampleFrom(state, { ...options, computing, count })).images;
  };
  const expected = await draw(1, 3);
  for (const threads of [2, 3]) t.deepEqual(await draw(threads, 3), expected);
  t.deepEqual((await draw(2, 18)).slice(0, 3 * EACH), expected);
});

for (const arithmetic of ['wasm', 'tensorflow'] as const)
  tensorflowTest(
    `on tensorflow with ${arithmetic} arithmetic pictures are those of wasm`,
    async (t) => {
      const expected = await sampleFrom(state, await optionsOf(t));
      const options = await optionsOf(t, { device: 'tensorflow', arithmetic });
      close(t, (await sampleFrom(state, options)).images, expected.images, { atol: 1e-4 });
    },
  );

test('a picture is redrawn as latents, and what a mask keeps of it stays as it is', async (t) => {
  const options = { ...(await optionsOf(t)), frames: { moments: 2, images: 1 } };
  const picture = Float32Array.from({ length: EACH }, (_, i) => (i % 51) / 25.5 - 1);
  const mask = Uint8Array.from({ length: EACH }, (_, i) => (i % (SIZE * 3) < 21 ? 0 : 1));
  const redrawn = await sampleFrom(state, {
    ...options,
    redrawing: { picture, mask, strength: 0.5, resample: 1 },
  });
  for (let i = 0; i < redrawn.images.length; i++) {
    const isKept = mask[i % EACH] === 0;
    t.is(redrawn.images[i] === picture[i % EACH], isKept, `value ${i}`);
  }
  t.deepEqual(redrawn.frames.at(-1)!.images, redrawn.images.slice(0, EACH));
  const whole = { picture, mask: null, strength: 0.25, resample: 1 };
  const autoencoder = await openAutoencoder(options.autoencoder!, LATENTS, options);
  t.teardown(() => autoencoder.dispose());
  const redrawing = { ...whole, picture: await autoencoder.encode(picture) };
  const latents = await sampleFrom(state, { ...options, autoencoder: null, redrawing });
  t.deepEqual(
    (await sampleFrom(state, { ...options, redrawing: whole })).images,
    await autoencoder.decode(latents.images),
  );
});

test('a latent is drawn anew if any of its pixels is', async (t) => {
  const autoencoder = fakeAutoencoder(2, 3);
  const picture = Float32Array.from({ length: 48 }, (_, i) => i / 48);
  const mask = new Uint8Array(48);
  // Of the pixel in row 1, column 2.
  mask.fill(1, 18, 21);
  const redrawing = { picture, mask, strength: 1, resample: 2 };
  const latents = await latentRedrawing(redrawing, autoencoder);
  t.deepEqual(latents.picture, await autoencoder.encode(picture));
  t.deepEqual(
    [...latents.mask!],
    Array.from({ length: 48 }, (_, i) => (i >= 12 && i < 24 ? 1 : 0)),
  );
  t.like(latents, { strength: 1, resample: 2 });
  t.is((await latentRedrawing({ ...redrawing, mask: null }, autoencoder)).mask, null);
});

test('decoding is interrupted between pictures, and pictures that are not finite are refused', async (t) => {
  const autoencoder = fakeAutoencoder(2, 1);
  const drawn = { images: new Float32Array(3 * 16), frames: [] };
  const stop = new AbortController();
  let decoded = 0;
  const onEvent = (event: SampleEvent) => {
    if (event.kind !== 'decoding') return;
    decoded = event.done;
    if (decoded === 2) stop.abort();
  };
  await t.throwsAsync(decodeSamples(drawn, autoencoder, { signal: stop.signal, onEvent }), {
    instanceOf: Interrupted,
  });
  t.is(decoded, 2);
  drawn.images[20] = 3e38;
  await t.throwsAsync(decodeSamples(drawn, autoencoder, {}), {
    instanceOf: RunError,
    message:
      /^image 1: expected finite values, got Infinity: the autoencoder's weights are out of range$/,
  });
});

test('a decoder of other weights is refused before anything is drawn', async (t) => {
  const options = await optionsOf(t);
  const { weights: file } = options.autoencoder!;
  const { tensors } = await readSafetensors(file);
  await writeSafetensors(file, new Map([...tensors].filter(([name]) => !/decoder/.test(name))));
  const weights = join(await temporaryFolder(t), 'model.safetensors');
  await writeSafetensors(weights, state);
  const onEvent = ({ kind }: SampleEvent) => t.not(kind, 'progress');
  await t.throwsAsync(sample({ ...options, weights, onEvent }), {
    instanceOf: UsageError,
    message: /decoder\.layers\.\S+: expected a tensor with this name, got none$/,
  });
});
