import test from 'ava';
import type { NetworkDevice } from '../../src/contracts/device.js';
import { CounterRandom, PURPOSE } from '../../src/diffusion/random.js';
import { WasmNetwork } from '../../src/engine/network/wasm-network.js';
import {
  buildDecoder,
  buildEncoder,
  isOfHalf,
  readAutoencoderConfig,
} from '../../src/network/autoencoder.js';
import {
  type AutoencoderKlConfig,
  writeKlConfig,
} from '../../src/network/autoencoder-kl-config.js';
import { buildWholeAutoencoder, posteriorState } from '../../src/network/autoencoder-whole.js';
import type { Graph } from '../../src/network/graph.js';
import { initialState } from '../../src/network/initial-state.js';
import { latentsOf } from '../../src/network/latents.js';
import { stateShapes } from '../../src/network/parameters.js';
import type { StateDict, Tensor } from '../../src/network/state.js';
import { createTensorflowGraph } from '../../src/tensorflow/network-device.js';
import { largest } from '../helpers/agree.js';
import { bits, close } from '../helpers/kernels.js';
import { tensorflowTest } from '../helpers/tensorflow.js';

const SIZE = 8;
const BATCH = 3;

/** Odd widths and latents, levels of different widths, attention in the middle. */
const CONFIG: AutoencoderKlConfig = {
  ...{ kind: 'kl', channels: 3, latentChannels: 3, widths: [6, 9, 12], layers: 2, groups: 3 },
  ...{ midAttention: true, quantConv: true, postQuantConv: true, scale: 1, shift: 0 },
};
const WHOLE = buildWholeAutoencoder(CONFIG, SIZE);

const random = new CounterRandom(5);
const pictures = random
  .uniform(PURPOSE.bench, 0, BATCH * SIZE * SIZE * 3, -1, 1)
  .map(Math.fround) as Float32Array;
const input = { xt: pictures, t: new Int32Array(BATCH) };
const options = { graph: WHOLE, batch: BATCH, timesteps: 1, loss: 'l2' } as const;

const values = ({ data }: Tensor): Float32Array => Float32Array.from(data as Float32Array);

async function gradientsOf(device: NetworkDevice) {
  await device.importState(initialState(WHOLE, random));
  return device.gradients(input, pictures);
}

test("the whole has the layers of diffusers' class, whose log variances it does without", (t) => {
  const state = posteriorState(initialState(WHOLE, random));
  const halves = new Map([
    ...stateShapes(buildEncoder(CONFIG, SIZE)),
    ...stateShapes(buildDecoder(CONFIG, SIZE / 4)),
  ]);
  t.deepEqual(new Set(state.keys()), new Set(halves.keys()));
  for (const [name, { shape }] of state) t.deepEqual(shape, halves.get(name), name);
  t.deepEqual(stateShapes(WHOLE).get('quant_conv.weight'), [3, 6, 1, 1]);
  const [weight, bias] = [state.get('quant_conv.weight')!, state.get('quant_conv.bias')!];
  t.deepEqual([...values(weight).subarray(18)], Array(18).fill(0));
  t.deepEqual([...values(bias).subarray(3)], Array(3).fill(-30));
});

test('a config is read as it was written', (t) => {
  const config = { ...CONFIG, scale: 0.25, shift: -1.5 };
  t.deepEqual(readAutoencoderConfig('config', writeKlConfig(config, 64)), config);
});

test('the whole computes what the halves do, one after the other', async (t) => {
  const state = posteriorState(initialState(WHOLE, random));
  const predict = async (graph: Graph, xt: Float32Array, weights: StateDict) => {
    const { network } = WasmNetwork.create({
      ...{ graph, batch: BATCH, timesteps: 1, threads: 2, training: false, strict: true },
    });
    t.teardown(() => network.dispose());
    await network.importState(weights);
    return network.predict({ xt, t: input.t }, 'running');
  };
  const half = (name: 'encoder' | 'decoder') =>
    new Map([...state].filter(([tensor]) => isOfHalf(name, tensor)));
  const encoded = await predict(buildEncoder(CONFIG, SIZE), pictures, half('encoder'));
  const latents = new Float32Array(encoded.length / 2);
  latentsOf(CONFIG, encoded, latents);
  for (let pixel = 0; pixel < encoded.length; pixel += 6)
    t.deepEqual([...encoded.subarray(pixel + 3, pixel + 6)], Array(3).fill(-30));
  const expected = await predict(buildDecoder(CONFIG, SIZE / 4), latents, half('decoder'));
  const got = await predict(WHOLE, pictures, initialState(WHOLE, random));
  close(t, got, expected, { atol: 1e-6 });
});

test('gradients of the whole are slopes of its loss', async (t) => {
  const { network } = WasmNetwork.create({ ...options, threads: 2 });
  t.teardown(() => network.dispose());
  const state = initialState(WHOLE, random);
  const { gradients } = await gradientsOf(network);
  const loss = async (changed: StateDict) => {
    await network.importState(changed);
    return (await network.gradients(input, pictures)).loss;
  };
  let walked = 0;
  for (const [name, tensor] of gradients) {
    // Along the gradient itself, in which the loss has its largest slope.
    const gradient = values(tensor);
    const length = Math.hypot(...gradient);
    if (length < 1e-4) continue;
    const moved = (by: number): StateDict => {
      const from = state.get(name)!;
      const data = values(from).map((v, i) => v + (by * gradient[i]!) / length);
      return new Map([...state, [name, { ...from, data } as Tensor]]);
    };
    const h = 2e-3;
    const slope = ((await loss(moved(h))) - (await loss(moved(-h)))) / (2 * h);
    t.true(Math.abs(slope - length) < 0.02 * length + 2e-4, `${name}: ${slope}, ${length}`);
    walked++;
  }
  t.true(walked > 60, `${walked} tensors of ${gradients.size}`);
});

test('the bits of gradients are the same by any number of threads', async (t) => {
  const runs = [];
  for (const threads of [1, 2, 3]) {
    const { network } = WasmNetwork.create({ ...options, threads });
    t.teardown(() => network.dispose());
    const { epsilon, gradients } = await gradientsOf(network);
    runs.push([epsilon, ...[...gradients.values()].map(values)].map(bits));
  }
  t.deepEqual(runs[1], runs[0]);
  t.deepEqual(runs[2], runs[0]);
});

tensorflowTest('both devices compute the same output and gradients', async (t) => {
  const { network } = WasmNetwork.create({ ...options, threads: 2 });
  t.teardown(() => network.dispose());
  const { graph, ...rest } = options;
  const other = await createTensorflowGraph(graph, rest);
  t.teardown(() => other.dispose());
  const [got, expected] = [await gradientsOf(network), await gradientsOf(other)];
  close(t, got.epsilon, expected.epsilon, { atol: 1e-5, what: 'output' });
  for (const [name, tensor] of expected.gradients) {
    const atol = 1e-6 + 1e-4 * largest(values(tensor));
    close(t, values(got.gradients.get(name)!), values(tensor), { atol, what: name });
  }
});
