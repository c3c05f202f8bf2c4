import test, { type ExecutionContext } from 'ava';
import { PRESETS } from '../../../src/config/presets.js';
import { ADAM, type Optimizer } from '../../../src/contracts/device.js';
import { CounterRandom, PURPOSE } from '../../../src/diffusion/random.js';
import { GraphBuilder } from '../../../src/network/builder.js';
import type { Graph } from '../../../src/network/graph.js';
import { initialState } from '../../../src/network/initial-state.js';
import { matrixLayers } from '../../../src/network/matrix-layers.js';
import { buildNetwork } from '../../../src/network/network.js';
import type { F32Tensor, StateDict } from '../../../src/network/state.js';
import { close } from '../../helpers/kernels.js';
import { muonReference } from '../../helpers/muon.js';
import { openGraph } from '../../helpers/networks.js';
import { tensorflowTest } from '../../helpers/tensorflow.js';
import { sameState } from '../../helpers/unet.js';

const random = new CounterRandom(6);
const [SIZE, BATCH] = [8, 2];

/**
 * Matrices of all kinds and forms: more inputs, more outputs, padded, more than a block of 64 columns, transposed, and small ones of one
 * shape, which TensorFlow updates at once.
 */
function shapes(): Graph {
  const g = new GraphBuilder(SIZE, 3);
  const embed = g.declare.linear('embed', 8, 12);
  const time = g.declare.linear('time', 12, 20);
  const again = g.declare.linear('again', 12, 20);
  const first = g.declare.conv('first', 3, 20, 3);
  const half = { stride: 2, padding: [1, 1] } as const;
  const down = g.declare.conv('down', 20, 84, 4, half);
  const wide = g.declare.conv('wide', 84, 136, 1);
  const narrow = g.declare.conv('narrow', 136, 12, 3);
  const twice = [1, 2].map((i) => ({
    shrink: g.declare.conv(`shrink${i}`, 12, 12, 4, half),
    raise: g.declare.convTranspose(`raise${i}`, 12, 12, 4, half),
  }));
  const up = g.declare.convTranspose('up', 12, 28, 4, half);
  const last = g.declare.conv('last', 28, 3, 3);
  const sinusoid = g.sinusoid('time', 8, { order: 'sin-cos', shift: 1, divide: 'before' });
  const embedded = g.silu(g.linear(embed, sinusoid));
  let h = g.add(g.conv(first, g.image()), g.silu(g.linear(time, embedded)));
  h = g.add(h, g.silu(g.linear(again, embedded)));
  h = g.silu(g.conv(narrow, g.silu(g.conv(wide, g.silu(g.conv(down, h))))));
  for (const { shrink, raise } of twice) h = g.add(h, g.conv(raise, g.silu(g.conv(shrink, h))));
  return g.build(g.conv(last, g.silu(g.conv(up, h))));
}

const GRAPH = shapes();
const PAIRS = ['time', 'again', 'shrink1', 'shrink2', 'raise1', 'raise2'];
const LAYERS = ['down', 'wide', 'narrow', 'up', ...PAIRS];
const MATRICES = LAYERS.map((name) => `${name}.weight`);
const START = initialState(GRAPH, random);
const draw = (n: number) => random.normals(PURPOSE.bench, n, 0, BATCH * SIZE * SIZE * 3);
const [INPUT, NOISE] = [{ xt: draw(1), t: Int32Array.of(3, 7) }, draw(2)];
const MUON = { momentum: 0.95, ratio: 20 };

test('Muon updates all matrices except the first and last convolution and the embeddings', (t) => {
  t.deepEqual([...matrixLayers(GRAPH)].sort(), [...LAYERS].sort());
  const others = (preset: keyof typeof PRESETS) => {
    const graph = buildNetwork(PRESETS[preset].model);
    const kinds = ['conv', 'convTranspose', 'linear'];
    const names = graph.layers.flatMap(({ kind, name }) => (kinds.includes(kind) ? [name] : []));
    return names.filter((name) => !matrixLayers(graph).has(name));
  };
  const embedding = ['time_embedding.linear_1', 'time_embedding.linear_2'];
  t.deepEqual(others('unet2d-32'), ['conv_in', ...embedding, 'conv_out']);
  t.deepEqual(others('tiny'), ['time_mlp.1', 'conv0', 'output']);
  const blocks = Array.from({ length: PRESETS['dit-32'].model.depth }, (_, i) => i);
  const embedders = blocks.flatMap((i) =>
    [1, 2].map((k) => `transformer_blocks.${i}.norm1.emb.timestep_embedder.linear_${k}`),
  );
  t.deepEqual(others('dit-32'), ['pos_embed.proj', ...embedders, 'proj_out_2']);
});

const f64 = (state: StateDict) =>
  new Map([...state].map(([name, { data }]) => [name, Float64Array.from(data, Number)]));

/** Three steps on a device against f64 steps on its own gradients. */
async function againstReference(
  t: ExecutionContext,
  device: 'wasm' | 'tensorflow',
  optimizer: Optimizer,
): Promise<void> {
  const options = { batch: BATCH, timesteps: 10, loss: 'l2', optimizer } as const;
  const network = await openGraph(t, device, GRAPH, options);
  await network.importState(START);
  const momenta = new Map(
    MATRICES.map((name) => [name, new Float64Array(f64(START).get(name)!.length)]),
  );
  for (const lr of [1e-3, 1e-3, 2e-3]) {
    const before = f64(await network.exportState());
    const gradients = f64((await network.gradients(INPUT, NOISE)).gradients);
    const norm = Math.hypot(...[...gradients.values()].flatMap((g) => [...g]));
    const factor = optimizer.clip === null ? 1 : Math.min(1, optimizer.clip / (norm + 1e-6));
    await network.trainStep(INPUT, NOISE, lr);
    const after = await network.exportState();
    for (const name of MATRICES) {
      const expected = before.get(name)!;
      const gradient = gradients.get(name)!.map((g) => g * factor);
      const rate = lr * MUON.ratio;
      muonReference(GRAPH, name, expected, momenta.get(name)!, gradient, rate, MUON.momentum);
      // Each step moves singular values of about 1 by 0.02 to 0.04; the iteration makes small ones, with f32's errors, up to 480
      // times as large.
      close(t, after.get(name)!.data as Float32Array, expected, {
        atol: 2e-6,
        rtol: 1e-6,
        what: name,
      });
    }
  }
  const { m, v } = await network.exportOptimizer();
  for (const name of MATRICES) {
    const scale = Math.max(...momenta.get(name)!.map(Math.abs));
    close(t, m.get(name)!.data as Float32Array, momenta.get(name)!, {
      atol: 1e-5 * scale,
      what: name,
    });
    t.true((v.get(name)!.data as Float32Array).every((value) => value === 0));
  }
}

const OPTIMIZERS: Readonly<Record<string, Optimizer>> = {
  'without a clip': { ...ADAM, muon: MUON },
  'with decay and a clip that holds': { ...ADAM, decay: 0.1, clip: 1e-3, muon: MUON },
};

for (const [what, optimizer] of Object.entries(OPTIMIZERS)) {
  test(`Muon on the engine follows the formula, ${what}`, (t) =>
    againstReference(t, 'wasm', optimizer));
  tensorflowTest(`Muon on TensorFlow follows the formula, ${what}`, (t) =>
    againstReference(t, 'tensorflow', optimizer),
  );
}

test('a matrix large enough to be split among workers is updated by the formula', async (t) => {
  const g = new GraphBuilder(1, 1);
  const first = g.declare.conv('first', 1, 22_016, 1);
  const large = g.declare.conv('large', 22_016, 20, 1);
  const last = g.declare.conv('last', 20, 1, 1);
  const graph = g.build(g.conv(last, g.conv(large, g.conv(first, g.image()))));
  const optimizer = { ...ADAM, muon: MUON };
  const options = { batch: 1, timesteps: 2, loss: 'l2', optimizer, threads: 3 } as const;
  const network = await openGraph(t, 'wasm', graph, options);
  await network.importState(initialState(graph, random));
  const input = { xt: Float32Array.of(0.7), t: Int32Array.of(1) };
  const noise = Float32Array.of(-0.4);
  const name = 'large.weight';
  const expected = f64(await network.exportState()).get(name)!;
  const gradient = f64((await network.gradients(input, noise)).gradients).get(name)!;
  await network.trainStep(input, noise, 1e-3);
  const momentum = new Float64Array(expected.length);
  muonReference(graph, name, expected, momentum, gradient, 0.02, MUON.momentum);
  const got = (await network.exportState()).get(name)!.data as Float32Array;
  close(t, got, expected, { atol: 1e-6, what: name });
});

test('AdamW beside Muon updates the other parameters as it does alone', async (t) => {
  const states = [];
  for (const muon of [{}, { muon: MUON }]) {
    const optimizer = { ...ADAM, decay: 0.1, clip: 0.5, ...muon };
    const network = await openGraph(t, 'wasm', GRAPH, { batch: BATCH, timesteps: 10, optimizer });
    await network.importState(START);
    await network.trainStep(INPUT, NOISE, 1e-3);
    const state = await network.exportState();
    states.push(new Map([...state].filter(([name]) => !MATRICES.includes(name))));
  }
  t.true(states[0]!.size > 8);
  sameState(t, states[1]!, states[0]!);
});

test('a zero gradient changes no matrix', async (t) => {
  const optimizer = { ...ADAM, muon: MUON };
  const options = { batch: BATCH, timesteps: 10, loss: 'l2', optimizer } as const;
  const network = await openGraph(t, 'wasm', GRAPH, options);
  // With a last convolution of zero nothing comes back to the others.
  const none = (name: string) => ({
    ...(START.get(name) as F32Tensor),
    data: new Float32Array(3 * 28 * 9),
  });
  const zero: StateDict = new Map([...START, ['last.weight', none('last.weight')]]);
  await network.importState(zero);
  await network.trainStep(INPUT, NOISE, 1e-3);
  const after = await network.exportState();
  const only = (state: StateDict) =>
    new Map([...state].filter(([name]) => MATRICES.includes(name)));
  sameState(t, only(after), only(zero));
});

test('Muon’s step has the same bits for any number of threads', async (t) => {
  const states = [];
  for (const threads of [1, 2, 3]) {
    const optimizer = { ...ADAM, clip: 1, muon: MUON };
    const options = { batch: BATCH, timesteps: 10, optimizer, threads };
    const network = await openGraph(t, 'wasm', GRAPH, options);
    await network.importState(START);
    for (let i = 0; i < 2; i++) await network.trainStep(INPUT, NOISE, 1e-3);
    states.push(await network.exportState());
  }
  for (const state of states.slice(1)) sameState(t, state, states[0]!);
});
