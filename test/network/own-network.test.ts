import test from 'ava';
import type { NetworkDevice } from '../../src/contracts/device.js';
import { CounterRandom, PURPOSE } from '../../src/diffusion/random.js';
import { WasmNetwork } from '../../src/engine/network/wasm-network.js';
import { GraphBuilder } from '../../src/network/builder.js';
import { attentionCosts, networkCost } from '../../src/network/cost.js';
import type { Graph } from '../../src/network/graph.js';
import { initialState } from '../../src/network/initial-state.js';
import { countParameters, stateShapes } from '../../src/network/parameters.js';
import type { Tensor } from '../../src/network/state.js';
import { createTensorflowGraph } from '../../src/tensorflow/network-device.js';
import { close } from '../helpers/kernels.js';
import { tensorflowTest } from '../helpers/tensorflow.js';

const SIZE = 8;
const BATCH = 4;

/**
 * A network that no config describes, as somebody would write who adds one: a vector that is added to pixels, an activation by
 * itself, a layer that is used twice, a sum that is divided, and attention between two resolutions.
 */
function tinyNetwork(): Graph {
  const g = new GraphBuilder(SIZE, 3);
  const { declare } = g;
  const time = declare.linear('time', 8, 12);
  const first = declare.conv('first', 3, 12, 3);
  const shared = declare.conv('shared', 12, 12, 3);
  const mix = declare.linear('mix', 12, 12);
  const [inner, outer] = [declare.conv('inner', 12, 12, 3), declare.conv('outer', 12, 12, 3)];
  const [third, fourth] = [declare.conv('third', 12, 12, 3), declare.conv('fourth', 12, 12, 3)];
  const last = declare.conv('last', 24, 3, 3);

  const t = g.silu(
    g.linear(time, g.sinusoid('time', 8, { order: 'sin-cos', shift: 0, divide: 'after' })),
  );
  const x = g.silu(g.add(g.conv(first, g.image()), t));
  const low = g.downsample(x);
  const attended = g.attention('low', g.linear(mix, low), g.conv(shared, low), low, 3, 4);
  const high = g.add(g.upsample(attended), g.conv(shared, x), 2);
  // Residuals without norms: a gradient's place is taken over by what came before, and changed there.
  const y = g.conv(inner, high);
  const residual = g.add(y, g.conv(outer, g.silu(y)));
  const z = g.silu(g.conv(third, residual));
  const sum = g.add(z, g.conv(fourth, z));
  return g.build(g.conv(last, g.concat(sum, x)));
}

const random = new CounterRandom(11);
const normals = (index: number) => random.normals(PURPOSE.bench, index, 0, BATCH * SIZE * SIZE * 3);
const batch = {
  input: { xt: normals(0), t: Int32Array.of(0, 7, 99, 42) },
  noise: normals(1),
};

const options = { graph: tinyNetwork(), batch: BATCH, timesteps: 100, loss: 'l2' } as const;

/** A gradient's values. */
const values = ({ data }: Tensor): Float32Array => Float32Array.from(data as Float32Array);

async function gradientsOf(device: NetworkDevice) {
  await device.importState(initialState(options.graph, random));
  return device.gradients(batch.input, batch.noise);
}

test('Parameters, shapes and costs of a custom network follow from its graph', (t) => {
  const { graph } = options;
  t.is(
    countParameters(graph),
    8 * 12 + 12 + 9 * 3 * 12 + 12 + 5 * (9 * 144 + 12) + 144 + 12 + 9 * 24 * 3 + 3,
  );
  t.deepEqual(stateShapes(graph).get('shared.weight'), [12, 12, 3, 3]);
  t.deepEqual(
    attentionCosts(graph).map(({ name, forward }) => [name, forward]),
    [['low', 4 * 12 * 16 * 16]],
  );
  // `shared` is used on 4x4 and on 8x8 pixels.
  const products = 96 + 27 * 12 * 64 + 9 * 144 * (16 + 5 * 64) + 144 * 16 + 9 * 72 * 64;
  t.is(networkCost(graph).forward, 2 * products + 4 * 12 * 256);
});

for (const strict of [true, false])
  test(`A custom network learns on the engine (${strict ? 'strict' : 'relaxed'})`, async (t) => {
    const { network } = WasmNetwork.create({ ...options, threads: 2, strict });
    t.teardown(() => network.dispose());
    await network.importState(initialState(options.graph, random));
    const losses = [];
    for (let i = 0; i < 40; i++)
      losses.push(await network.trainStep(batch.input, batch.noise, 3e-3));
    t.true(losses.at(-1)! < 0.9 * losses[0]!, `${losses[0]} to ${losses.at(-1)}`);
  });

tensorflowTest(
  'Both devices compute the same output and gradients of a custom network',
  async (t) => {
    const { network } = WasmNetwork.create({ ...options, threads: 2 });
    t.teardown(() => network.dispose());
    const { graph, ...rest } = options;
    const other = await createTensorflowGraph(graph, rest);
    t.teardown(() => other.dispose());
    const [got, expected] = [await gradientsOf(network), await gradientsOf(other)];
    close(t, got.epsilon, expected.epsilon, { atol: 1e-5, what: 'output' });
    for (const [name, tensor] of expected.gradients) {
      const largest = values(tensor).reduce((most, v) => Math.max(most, Math.abs(v)), 0);
      const mine = values(got.gradients.get(name)!);
      close(t, mine, values(tensor), { atol: 1e-6 + 1e-4 * largest, what: name });
    }
  },
);
