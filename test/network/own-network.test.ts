import test from 'ava';
import type { NetworkDevice } from '../../src/contracts/device.js';
import { CounterRandom, PURPOSE } from '../../src/diffusion/random.js';
import { WasmNetwork } from '../../src/engine/network/wasm-network.js';
import { GraphBuilder } from '../../src/network/builder.js';
import { attentionCosts, networkCost } from '../../src/network/cost.js';
import { type Graph, inputValues, outputValues } from '../../src/network/graph.js';
import { initialState } from '../../src/network/initial-state.js';
import { countParameters, stateShapes } from '../../src/network/parameters.js';
import type { StateDict, Tensor } from '../../src/network/state.js';
import { createTensorflowGraph } from '../../src/tensorflow/network-device.js';
import { bits, close } from '../helpers/kernels.js';
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

/**
 * The pieces of a transformer on images, in unusual places: patches of a trained value, numbers of channels that are padded, modulated
 * values that are read by others or by nothing else, and a gate whose base needs no gradient.
 */
function tokenNetwork(): Graph {
  const g = new GraphBuilder(SIZE, 3);
  const { declare } = g;
  const first = declare.conv('first', 3, 5, 3);
  const embed = declare.patchLinear('embed', 5, 2, 12);
  const byTime = declare.linear('byTime', 8, 36);
  const [narrow, wide] = [declare.linear('narrow', 12, 20), declare.linear('wide', 20, 12)];
  const byImage = declare.linear('byImage', 8, 9);
  const project = declare.linear('project', 12, 12);

  const t = g.sinusoid('time', 8, { order: 'cos-sin', shift: 1, divide: 'after' });
  const image = g.image();
  const x = g.positions(g.linear(embed, g.patches(g.conv(first, image), 2)));
  const by = g.linear(byTime, t, [12, 12, 12]);
  const hidden = g.gelu(g.linear(narrow, g.adaNorm(x, by, { shift: 2, scale: 0, eps: 1e-3 })));
  const y = g.gate(x, g.linear(wide, hidden), by, 1);
  const pixels = g.pixels(g.linear(project, g.gelu(y)), 2);
  const last = g.linear(byImage, t, [3, 3, 3]);
  const normal = g.adaNorm(pixels, last, { shift: 0, scale: 1, eps: 1e-6 });
  return g.build(g.gate(image, normal, last, 2));
}

/** Images of many channels, with an output of another size and other channels, and a layer without a bias, which is used twice. */
function map(): Graph {
  const g = new GraphBuilder(SIZE, 20);
  const first = g.declare.conv('first', 20, 16, 3, { stride: 2, padding: [0, 1], bias: false });
  const shared = g.declare.conv('shared', 16, 16, 3, { bias: false });
  const last = g.declare.conv('last', 16, 12, 3);
  const x = g.silu(g.conv(first, g.image()));
  return g.buildMap(g.conv(last, g.silu(g.conv(shared, g.silu(g.conv(shared, x))))));
}

const random = new CounterRandom(11);
const normals = (index: number, each: number) =>
  random.normals(PURPOSE.bench, index, 0, BATCH * each);
const batchOf = (graph: Graph) => ({
  input: { xt: normals(0, inputValues(graph)), t: Int32Array.of(0, 7, 99, 42) },
  noise: normals(1, outputValues(graph)),
});

const of = (graph: Graph) => ({ graph, batch: BATCH, timesteps: 100, loss: 'l2' }) as const;
const CASES = {
  'a custom network': of(tinyNetwork()),
  'a custom transformer': of(tokenNetwork()),
  'a map of many channels': of(map()),
};

/** A gradient's values. */
const values = ({ data }: Tensor): Float32Array => Float32Array.from(data as Float32Array);

async function gradientsOf(device: NetworkDevice, graph: Graph) {
  await device.importState(initialState(graph, random));
  const { input, noise } = batchOf(graph);
  return device.gradients(input, noise);
}

test('Parameters, shapes and costs of a custom network follow from its graph', (t) => {
  const { graph } = CASES['a custom network'];
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

test('A layer on patches has the weight of a convolution', (t) => {
  const { graph } = CASES['a custom transformer'];
  t.deepEqual(stateShapes(graph).get('embed.weight'), [12, 5, 2, 2]);
});

for (const [name, options] of Object.entries(CASES)) {
  const batch = batchOf(options.graph);

  for (const strict of [true, false])
    test(`On the engine, ${name} learns (${strict ? 'strict' : 'relaxed'})`, async (t) => {
      const { network } = WasmNetwork.create({ ...options, threads: 2, strict });
      t.teardown(() => network.dispose());
      await network.importState(initialState(options.graph, random));
      const losses = [];
      for (let i = 0; i < 40; i++)
        losses.push(await network.trainStep(batch.input, batch.noise, 3e-3));
      t.true(losses.at(-1)! < 0.9 * losses[0]!, `${losses[0]} to ${losses.at(-1)}`);
    });

  test(`The same bits by any number of threads: ${name}`, async (t) => {
    const runs = [];
    for (const threads of [1, 3]) {
      const { network } = WasmNetwork.create({ ...options, threads });
      t.teardown(() => network.dispose());
      const { epsilon, gradients } = await gradientsOf(network, options.graph);
      runs.push([epsilon, ...[...gradients.values()].map(values)].map(bits));
    }
    t.deepEqual(runs[1], runs[0]);
  });

  test(`Gradients are slopes of the loss: ${name}`, async (t) => {
    const { network } = WasmNetwork.create({ ...options, threads: 1 });
    t.teardown(() => network.dispose());
    const state = initialState(options.graph, random);
    const { gradients } = await gradientsOf(network, options.graph);
    const loss = async (change: StateDict) => {
      await network.importState(change);
      return (await network.gradients(batch.input, batch.noise)).loss;
    };
    for (const [name, { data }] of gradients) {
      // Along the gradient itself, in which the loss has its largest slope.
      const gradient = Float32Array.from(data as Float32Array);
      const length = Math.hypot(...gradient);
      if (length < 1e-4) continue;
      const moved = (by: number): StateDict => {
        const tensor = state.get(name)!;
        const from = tensor.data as Float32Array;
        const to = from.map((v, i) => v + (by * gradient[i]!) / length);
        return new Map([...state, [name, { ...tensor, data: to } as Tensor]]);
      };
      const h = 2e-3;
      const slope = ((await loss(moved(h))) - (await loss(moved(-h)))) / (2 * h);
      t.true(Math.abs(slope - length) < 0.02 * length + 2e-4, `${name}: ${slope}, ${length}`);
    }
  });

  tensorflowTest(`Both devices compute the same output and gradients: ${name}`, async (t) => {
    const { network } = WasmNetwork.create({ ...options, threads: 2 });
    t.teardown(() => network.dispose());
    const { graph, ...rest } = options;
    const other = await createTensorflowGraph(graph, rest);
    t.teardown(() => other.dispose());
    const [got, expected] = [await gradientsOf(network, graph), await gradientsOf(other, graph)];
    close(t, got.epsilon, expected.epsilon, { atol: 1e-5, what: 'output' });
    for (const [name, tensor] of expected.gradients) {
      const largest = values(tensor).reduce((most, v) => Math.max(most, Math.abs(v)), 0);
      const mine = values(got.gradients.get(name)!);
      close(t, mine, values(tensor), { atol: 1e-6 + 1e-4 * largest, what: name });
    }
  });
}
