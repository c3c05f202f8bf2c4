import type { ExecutionContext } from 'ava';
import { CounterRandom, PURPOSE } from '../../src/diffusion/random.js';
import { ShapeError } from '../../src/errors.js';
import { GraphBuilder } from '../../src/network/builder.js';
import type { Graph, Value } from '../../src/network/graph.js';
import { initialState } from '../../src/network/initial-state.js';
import type { F32Tensor, StateDict } from '../../src/network/state.js';
import { createTensorflowGraph, type GraphOptions } from '../../src/tensorflow/network-device.js';
import { close } from '../helpers/kernels.js';
import { tensorflowTest } from '../helpers/tensorflow.js';

const [SIZE, CHANNELS, BATCH] = [6, 3, 2];
const random = new CounterRandom(3);
const draw = (n: number) =>
  random.normals(PURPOSE.bench, n, 0, BATCH * SIZE * SIZE * CHANNELS).map((v) => 0.5 * v);
const INPUT = { xt: draw(1), t: Int32Array.of(3, 7) };
const NOISE = draw(2);

async function open(t: ExecutionContext, graph: Graph, options: Partial<GraphOptions> = {}) {
  const all = { batch: BATCH, timesteps: 10, loss: 'l2', ...options } as const;
  const network = await createTensorflowGraph(graph, all);
  t.teardown(() => network.dispose());
  return network;
}

/** A state whose every value is arbitrary: norms that do something too. */
const arbitrary = (graph: Graph): StateDict =>
  new Map(
    [...initialState(graph, random)].map(([name, tensor], i): [string, F32Tensor] => {
      const noise = random.normals(PURPOSE.bench, 10, i, tensor.data.length);
      const data = Float32Array.from(tensor.data as Float32Array, (v, j) => v + 0.2 * noise[j]!);
      return [name, { dtype: 'F32', shape: tensor.shape, data }];
    }),
  );

/** A network with this in the middle of two convolutions. */
function around(middle: (g: GraphBuilder, x: Value) => Value): Graph {
  const g = new GraphBuilder(SIZE, CHANNELS);
  const first = g.declare.conv('first', CHANNELS, 8, 3);
  const x = middle(g, g.conv(first, g.image()));
  return g.build(g.conv(g.declare.conv('last', x.channels, CHANNELS, 1), x));
}

const time = (g: GraphBuilder, channels: number, parts = [channels]): Value => {
  const sinusoid = g.sinusoid('time', 4, { order: 'cos-sin', shift: 0, divide: 'after' });
  return g.linear(g.declare.linear('time', 4, channels), sinusoid, parts);
};

const GRAPHS: Readonly<Record<string, Graph>> = {
  'group norm and SiLU': around((g, x) => g.silu(g.norm(g.declare.groupNorm('norm', 8, 4), x))),
  'a group norm of a vector': around((g, x) =>
    g.add(x, g.norm(g.declare.groupNorm('norm', 8, 2), time(g, 8))),
  ),
  'film by the time': around((g, x) => g.film(x, time(g, 16, [8, 8]))),
  'a sum of images and one of vectors, divided': around((g, x) => {
    const t = time(g, 8);
    return g.add(g.add(x, g.add(t, g.silu(t), 2), 0.7), g.silu(x), 1.5);
  }),
  'a value that is used three times': around((g, x) => g.add(g.add(x, g.silu(x)), x)),
  'a GELU': around((g, x) => g.gelu(g.scale(x, 3, 0))),
  'patches with positions, in an adaptive norm and a gate by parts of one vector': around(
    (g, x) => {
      const by = time(g, 24, [8, 8, 8]);
      const tokens = g.linear(g.declare.patchLinear('patches', 8, 2, 8), g.patches(x, 2));
      const h = g.positions(tokens);
      const y = g.gate(h, g.gelu(g.adaNorm(h, by, { shift: 2, scale: 0, eps: 1e-3 })), by, 1);
      return g.pixels(g.linear(g.declare.linear('pixels', 8, 32), y), 2);
    },
  ),
  'uneven concatenation': around((g, x) =>
    g.concat(x, g.conv(g.declare.conv('narrow', 8, 3, 3), g.silu(x))),
  ),
  'average pooling and repetition': around((g, x) =>
    g.upsample(g.silu(g.downsample(g.scale(x, 3, -1)))),
  ),
  '3x3 of stride 2, padded all around': around((g, x) =>
    g.upsample(g.conv(g.declare.conv('half', 8, 5, 3, { stride: 2, padding: [1, 1] }), x)),
  ),
  '3x3 of stride 2, padded after': around((g, x) =>
    g.upsample(g.conv(g.declare.conv('half', 8, 5, 3, { stride: 2, padding: [0, 1] }), x)),
  ),
  'a 4x4 convolution down and its transpose up': around((g, x) => {
    const how = { stride: 2, padding: [1, 1] } as const;
    const down = g.silu(g.conv(g.declare.conv('down', 8, 5, 4, how), x));
    return g.conv(g.declare.convTranspose('up', 5, 8, 4, how), down);
  }),
  'a dropout, with the masks of one step': around((g, x) => g.dropout(0.4, g.silu(x))),
  'attention with one head': around((g, x) => attend(g, x, 1, 8)),
  'attention with heads that are narrower than the image': around((g, x) => attend(g, x, 2, 3)),
  'a convolution that is used at two sizes': around((g, x) => {
    const conv = g.declare.conv('shared', 8, 8, 3);
    return g.add(g.conv(conv, x), g.upsample(g.silu(g.conv(conv, g.downsample(x)))));
  }),
};

function attend(g: GraphBuilder, x: Value, heads: number, dim: number): Value {
  const [q, k, v] = ['q', 'k', 'v'].map((name) =>
    g.linear(g.declare.linear(name, 8, heads * dim), x),
  ) as [Value, Value, Value];
  const out = g.declare.linear('out', heads * dim, 8);
  return g.add(x, g.linear(out, g.attention('attention', q, k, v, heads, dim)));
}

/**
 * Moves all parameters a little way along a direction, both ways: the loss must change by the gradient times that. f32
 * losses near 1 are uncertain by 1e-7, so that over 2·10⁻² the slope is by 1e-5; its own curvature adds 1e-4 of it.
 */
async function slopes(t: ExecutionContext, graph: Graph, eager: boolean): Promise<void> {
  const network = await open(t, graph, { eager });
  const state = arbitrary(graph);
  await network.importState(state);
  const { gradients } = await network.gradients(INPUT, NOISE);
  t.deepEqual([...gradients.keys()].sort(), [...state.keys()].sort());
  for (const [name, { data, shape }] of gradients) {
    const direction = random.normals(PURPOSE.bench, 20, 0, data.length);
    const length = Math.hypot(...direction);
    const slope = (data as Float32Array).reduce((sum, v, i) => sum + v * direction[i]!, 0) / length;
    const lossAt = async (distance: number) => {
      const start = state.get(name)!.data as Float32Array;
      const moved = start.map((v, i) => v + (distance * direction[i]!) / length);
      await network.importState(new Map(state).set(name, { dtype: 'F32', shape, data: moved }));
      return (await network.gradients(INPUT, NOISE)).loss;
    };
    const step = 1e-2;
    const measured = ((await lossAt(step)) - (await lossAt(-step))) / (2 * step);
    close(t, [slope], [measured], { atol: 1e-4, rtol: 1e-3, what: name });
  }
}

for (const [what, graph] of Object.entries(GRAPHS)) {
  tensorflowTest(`gradients match finite differences of the loss: ${what}`, (t) =>
    slopes(t, graph, true),
  );

  tensorflowTest(`a graph and eager execution give the same result: ${what}`, async (t) => {
    const [graphed, eager] = [await open(t, graph), await open(t, graph, { eager: true })];
    const state = arbitrary(graph);
    for (const network of [graphed, eager]) await network.importState(state);
    const expected = await eager.gradients(INPUT, NOISE);
    const got = await graphed.gradients(INPUT, NOISE);
    close(t, got.epsilon, expected.epsilon, { atol: 1e-6, what: 'output' });
    for (const [name, { data }] of expected.gradients)
      close(t, got.gradients.get(name)!.data as Float32Array, data as Float32Array, {
        ...{ atol: 1e-6, rtol: 1e-5, what: name },
      });
  });
}

const labelled = around((g, x) => g.add(x, g.embedding(g.declare.embedding('classes', 5, 8))));

tensorflowTest('each class has an embedding, whose gradient sums over its images', async (t) => {
  const network = await open(t, labelled, { eager: true });
  await network.importState(arbitrary(labelled));
  const gradient = async (...labels: number[]) => {
    const input = { ...INPUT, labels: Int32Array.from(labels) };
    const { gradients } = await network.gradients(input, NOISE);
    const rows = gradients.get('classes.weight')!.data as Float32Array;
    return Array.from({ length: 5 }, (_, i) => rows.subarray(8 * i, 8 * i + 8));
  };
  const apart = await gradient(1, 4);
  for (const row of [0, 2, 3]) t.true(apart[row]!.every((v) => v === 0));
  for (const row of [1, 4]) t.true(apart[row]!.every((v) => v !== 0));
  const together = await gradient(2, 2);
  for (const row of [0, 1, 3, 4]) t.true(together[row]!.every((v) => v === 0));
  t.true(together[2]!.every((v) => v !== 0));
});

tensorflowTest("a class's gradient matches finite differences of the loss", async (t) => {
  const network = await open(t, labelled, { eager: true });
  const state = arbitrary(labelled);
  const input = { ...INPUT, labels: Int32Array.of(2, 0) };
  await network.importState(state);
  const { gradients } = await network.gradients(input, NOISE);
  const rows = state.get('classes.weight') as F32Tensor;
  const lossAt = async (distance: number) => {
    const data = rows.data.map((v, i) => v + (i === 2 * 8 + 3 ? distance : 0));
    await network.importState(new Map(state).set('classes.weight', { ...rows, data }));
    return (await network.gradients(input, NOISE)).loss;
  };
  const measured = ((await lossAt(0.01)) - (await lossAt(-0.01))) / 0.02;
  const slope = gradients.get('classes.weight')!.data[2 * 8 + 3] as number;
  close(t, [slope], [measured], { atol: 1e-5, rtol: 1e-3 });
});

tensorflowTest('missing, unexpected and invalid labels are refused', async (t) => {
  const refused = async (graph: Graph, labels: Int32Array | undefined, message: RegExp) => {
    const network = await open(t, graph, { eager: true, training: false });
    const predicting = () => network.predict({ ...INPUT, ...(labels && { labels }) }, 'running');
    await t.throwsAsync(predicting, { instanceOf: ShapeError, message });
  };
  await refused(labelled, undefined, /labels: expected one per image, got none/);
  await refused(labelled, Int32Array.of(1), /labels has 1 elements, expected 2/);
  await refused(labelled, Int32Array.of(0, 5), /labels\[1\] is 5, expected .* from 0 to 4/);
  await refused(labelled, Int32Array.of(-1, 0), /labels\[0\] is -1/);
  await refused(
    around((_, x) => x),
    Int32Array.of(0, 0),
    /expected none/,
  );
});
