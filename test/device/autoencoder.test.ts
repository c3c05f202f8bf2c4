import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { Piscina } from 'piscina';
import { COMPUTING_DEFAULTS } from '../../src/config/computing.js';
import type { ComputingConfig } from '../../src/config/config.js';
import type { Autoencoder } from '../../src/contracts/autoencoder.js';
import type { NetworkDevice } from '../../src/contracts/device.js';
import { openAutoencoder } from '../../src/device/open-autoencoder.js';
import { WasmNetwork } from '../../src/engine/network/wasm-network.js';
import { EngineError, RunError, ShapeError, UsageError } from '../../src/errors.js';
import { findAutoencoder } from '../../src/io/autoencoder.js';
import { inHalves, writeSafetensors } from '../../src/io/safetensors.js';
import { buildDecoder, buildEncoder } from '../../src/network/autoencoder.js';
import { decoderInput } from '../../src/network/latents.js';
import { createTensorflowGraph } from '../../src/tensorflow/network-device.js';
import { largest } from '../helpers/agree.js';
import {
  AUTOENCODER_FIXTURES,
  type AutoencoderFixtureName,
  autoencoderFolder,
  readAutoencoderFixture,
} from '../helpers/autoencoder-fixture.js';
import { bits, close } from '../helpers/kernels.js';
import { tensorflowTest } from '../helpers/tensorflow.js';

/** A fixture, opened for the size of its pictures. */
async function opened(
  t: ExecutionContext,
  name: AutoencoderFixtureName,
  computing: Partial<ComputingConfig> = {},
): Promise<Autoencoder> {
  const { latentSize } = await readAutoencoderFixture(name);
  return openedFolder(t, await autoencoderFolder(t, name), latentSize, computing);
}

async function openedFolder(
  t: ExecutionContext,
  folder: string,
  latentSize: number,
  computing: Partial<ComputingConfig> = {},
): Promise<Autoencoder> {
  const autoencoder = await openAutoencoder(findAutoencoder(folder), latentSize, {
    computing: { ...COMPUTING_DEFAULTS, threads: 2, ...computing },
    requireCuda: false,
  });
  t.teardown(() => autoencoder.dispose());
  return autoencoder;
}

async function matches(
  t: ExecutionContext,
  name: AutoencoderFixtureName,
  computing: Partial<ComputingConfig>,
): Promise<void> {
  const fixture = await readAutoencoderFixture(name);
  const autoencoder = await opened(t, name, computing);
  t.is(autoencoder.size, fixture.size);
  t.is(autoencoder.channels, fixture.config.channels);
  t.is(autoencoder.latentChannels, fixture.config.latentChannels);
  const latents = await autoencoder.encode(fixture.pictures);
  close(t, latents, fixture.latents, { atol: 1e-5, what: 'latents' });
  const pictures = await autoencoder.decode(fixture.drawn);
  close(t, pictures, fixture.decoded, { atol: 1e-5, what: 'pictures' });
}

for (const name of AUTOENCODER_FIXTURES) {
  for (const strict of [false, true])
    test(`${name}, ${strict ? 'strict' : 'relaxed'} SIMD: latents and pictures match PyTorch's`, async (t) => {
      await matches(t, name, { strict });
    });

  for (const eager of [false, true])
    tensorflowTest(
      `${name}, TensorFlow, ${eager ? 'eager' : 'graph'}: latents and pictures match PyTorch's`,
      async (t) => {
        await matches(t, name, { device: 'tensorflow', eager });
      },
    );

  test(`${name}: the bits are the same for any number of threads, and for a picture alone`, async (t) => {
    const { pictures, drawn, count } = await readAutoencoderFixture(name);
    const results = [];
    for (const threads of [1, 2, 3]) {
      const autoencoder = await opened(t, name, { threads });
      const encoded = await autoencoder.encode(pictures);
      const decoded = await autoencoder.decode(drawn);
      results.push([bits(encoded), bits(decoded)]);
      const last = (all: Float32Array) => all.slice((all.length / count) * (count - 1));
      t.deepEqual(bits(await autoencoder.encode(last(pictures))), bits(last(encoded)));
      t.deepEqual(bits(await autoencoder.decode(last(drawn))), bits(last(decoded)));
      await autoencoder.dispose();
    }
    t.deepEqual(results[1], results[0]);
    t.deepEqual(results[2], results[0]);
  });
}

/** Both halves of the Tiny, trained on its targets. */
async function gradientsMatch(
  t: ExecutionContext,
  open: (graph: ReturnType<typeof buildEncoder>, batch: number) => Promise<NetworkDevice>,
): Promise<void> {
  const f = await readAutoencoderFixture('tiny_16');
  const halves = {
    encoder: { graph: buildEncoder(f.config, f.size), xt: f.pictures },
    decoder: { graph: buildDecoder(f.config, f.latentSize), xt: decoderInput(f.config, f.drawn) },
  };
  for (const half of ['encoder', 'decoder'] as const) {
    const { graph, xt } = halves[half];
    const network = await open(graph, f.count);
    t.teardown(() => network.dispose());
    await network.importState(f.state);
    const got = await network.gradients({ xt, t: new Int32Array(f.count) }, f.targets![half]);
    close(t, [got.loss], [f.losses![half]], { rtol: 1e-6, what: `loss of the ${half}` });
    t.true(got.gradients.size > 10);
    for (const [name, { data }] of got.gradients) {
      const expected = f.gradients.get(name)!.data as Float32Array;
      const atol = 1e-6 + 1e-4 * largest(expected);
      close(t, data as Float32Array, expected, { atol, what: name });
    }
  }
}

for (const threads of [1, 2, 3])
  test(`gradients through convolutions without bias match PyTorch's, with ${threads} threads`, (t) =>
    gradientsMatch(
      t,
      async (graph, batch) =>
        WasmNetwork.create({ graph, batch, timesteps: 1, loss: 'l2', threads }).network,
    ));

for (const eager of [false, true])
  tensorflowTest(
    `gradients through convolutions without bias match PyTorch's, on TensorFlow, ${eager ? 'eager' : 'graph'}`,
    (t) =>
      gradientsMatch(t, (graph, batch) =>
        createTensorflowGraph(graph, { batch, timesteps: 1, loss: 'l2', eager }),
      ),
  );

test('the size of the pictures follows from that of the latents', async (t) => {
  const folder = await autoencoderFolder(t, 'kl_plain_grey_16');
  const autoencoder = await openedFolder(t, folder, 3, { threads: 1 });
  t.is(autoencoder.size, 12);
  t.is((await autoencoder.decode(new Float32Array(3 * 3 * 4))).length, 12 * 12);
  t.is((await autoencoder.encode(new Float32Array(12 * 12))).length, 3 * 3 * 4);
});

test('the description names the class and the device before anything is opened', async (t) => {
  t.regex(
    (await opened(t, 'tiny_16', { threads: 3, strict: true, wide: false })).description,
    /^AutoencoderTiny on wasm \(strict SIMD, 3 threads\)$/,
  );
  t.regex((await opened(t, 'kl_odd_12')).description, /^AutoencoderKL on wasm /);
});

tensorflowTest('the description names TensorFlow', async (t) => {
  const { description } = await opened(t, 'tiny_16', { device: 'tensorflow' });
  t.regex(description, /^AutoencoderTiny on tensorflow \(libtensorflow .*, graph\)$/);
});

test('no pictures give no latents', async (t) => {
  const autoencoder = await opened(t, 'tiny_16');
  t.is((await autoencoder.encode(new Float32Array(0))).length, 0);
});

test('arrays of another length are refused', async (t) => {
  const autoencoder = await opened(t, 'tiny_16');
  await t.throwsAsync(autoencoder.encode(new Float32Array(769)), {
    instanceOf: ShapeError,
    message: 'autoencoder: pictures have 769 elements, expected a multiple of 16 x 16 x 3',
  });
  await t.throwsAsync(autoencoder.decode(new Float32Array(79)), {
    instanceOf: ShapeError,
    message: 'autoencoder: latents have 79 elements, expected a multiple of 4 x 4 x 5',
  });
});

test('after disposal, which may be repeated, nothing is computed', async (t) => {
  const { pictures } = await readAutoencoderFixture('tiny_16');
  const autoencoder = await opened(t, 'tiny_16');
  await autoencoder.encode(pictures);
  await autoencoder.dispose();
  await autoencoder.dispose();
  await t.throwsAsync(autoencoder.encode(pictures), { instanceOf: RunError });
});

test('disposal while a half is being opened ends what waits for it', async (t) => {
  const { pictures } = await readAutoencoderFixture('tiny_16');
  const autoencoder = await opened(t, 'tiny_16');
  const encoding = autoencoder.encode(pictures);
  await autoencoder.dispose();
  await t.throwsAsync(encoding, { instanceOf: RunError, message: /disposed of/ });
});

test('pictures that are too large for the memory are refused', async (t) => {
  const folder = await autoencoderFolder(t, 'kl_odd_12');
  const autoencoder = await openedFolder(t, folder, 8192);
  await t.throwsAsync(autoencoder.decode(new Float32Array(0)), {
    instanceOf: UsageError,
    message: /^autoencoder: the decoder of pictures of 16384 x 16384: memory: this needs /,
  });
});

test('a half reads only its own weights, when it is needed', async (t) => {
  const { latentSize, pictures, drawn, state } = await readAutoencoderFixture('tiny_16');
  const folder = await autoencoderFolder(t, 'tiny_16');
  const weights = join(folder, 'diffusion_pytorch_model.safetensors');
  const encoder = [...state].filter(([name]) => name.startsWith('encoder.'));
  await writeSafetensors(weights, new Map(encoder));
  const autoencoder = await openedFolder(t, folder, latentSize);
  await autoencoder.encode(pictures);
  await t.throwsAsync(autoencoder.decode(drawn), {
    instanceOf: UsageError,
    message: `${weights}: decoder.layers.0.weight: expected a tensor with this name, got none`,
  });
});

test('weights of half precision are read', async (t) => {
  const { latentSize, drawn, decoded, state } = await readAutoencoderFixture('kl_plain_grey_16');
  const folder = await autoencoderFolder(t, 'kl_plain_grey_16');
  await writeSafetensors(join(folder, 'diffusion_pytorch_model.safetensors'), inHalves(state));
  const autoencoder = await openedFolder(t, folder, latentSize);
  close(t, await autoencoder.decode(drawn), decoded, { atol: 0.01 });
});

test('attention under its old names, as 1x1 convolutions or not, is read', async (t) => {
  const { latentSize, drawn, decoded, state } = await readAutoencoderFixture('kl_odd_12');
  for (const asConvolutions of [false, true]) {
    const folder = await autoencoderFolder(t, 'kl_odd_12');
    const old = [...state].map(([name, tensor]) => {
      const renamed = name
        .replace('.to_q.', '.query.')
        .replace('.to_k.', '.key.')
        .replace('.to_v.', '.value.')
        .replace('.to_out.0.', '.proj_attn.');
      const wider = asConvolutions && name !== renamed && name.endsWith('.weight');
      return [renamed, wider ? { ...tensor, shape: [...tensor.shape, 1, 1] } : tensor] as const;
    });
    t.true(old.some(([name]) => name === 'decoder.mid_block.attentions.0.proj_attn.weight'));
    await writeSafetensors(join(folder, 'diffusion_pytorch_model.safetensors'), new Map(old));
    const autoencoder = await openedFolder(t, folder, latentSize);
    close(t, await autoencoder.decode(drawn), decoded, { atol: 1e-5 });
  }
});

test.serial('after a lost worker another engine computes, if it is tried again', async (t) => {
  const { drawn, decoded } = await readAutoencoderFixture('tiny_16');
  const autoencoder = await opened(t, 'tiny_16');
  const { predict } = WasmNetwork.prototype;
  t.teardown(() => {
    WasmNetwork.prototype.predict = predict;
  });
  const used = new Set<WasmNetwork>();
  WasmNetwork.prototype.predict = function (...args) {
    used.add(this);
    return predict.apply(this, args);
  };
  await autoencoder.decode(drawn);
  const [network] = [...used] as [WasmNetwork];
  const { workers } = network.engine as unknown as { workers: { pool: Piscina } };
  setTimeout(() => workers.pool.threads[1]!.terminate(), 20);
  const lost = async () => {
    for (;;) await autoencoder.decode(drawn);
  };
  await t.throwsAsync(lost(), { instanceOf: EngineError });
  close(t, await autoencoder.decode(drawn), decoded, { atol: 1e-5, what: 'pictures' });
  t.is(used.size, 2);
});
