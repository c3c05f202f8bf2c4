import test, { type ExecutionContext } from 'ava';
import { readSafetensors } from '../../../src/io/safetensors.js';
import { GraphBuilder } from '../../../src/network/builder.js';
import type { Graph } from '../../../src/network/graph.js';
import { matrixLayers } from '../../../src/network/matrix-layers.js';
import type { F32Tensor, StateDict } from '../../../src/network/state.js';
import { toChannelsLast } from '../../../src/parity/fixture.js';
import { close } from '../../helpers/kernels.js';
import { openGraph } from '../../helpers/networks.js';
import { tensorflowTest } from '../../helpers/tensorflow.js';

/* test/fixtures/make_muon.py: four steps of Muon beside AdamW in PyTorch. */

const { tensors, metadata } = await readSafetensors(
  new URL('../../../../test/fixtures/muon.safetensors', import.meta.url).pathname,
);
const tensor = (key: string) => tensors.get(key) as F32Tensor;
const group = (prefix: string): StateDict =>
  new Map(
    [...tensors].flatMap(([key, value]) =>
      key.startsWith(`${prefix}/`) ? [[key.slice(prefix.length + 1), value]] : [],
    ),
  );
const RATES = tensor('lr').data;
const RATIO = tensor('muon_lr').data[0]! / RATES[0]!;
const [BATCH, CHANNELS, SIZE] = tensor('x').shape as [number, 3, number];
const image = (key: string) => toChannelsLast(tensor(key).data, CHANNELS, SIZE * SIZE);

const LAYERS = [
  ['first', 3, 10, 3],
  ['tall1', 10, 24, 1],
  ['wide3', 24, 6, 3],
  ['tall3', 6, 72, 3],
  ['wide1', 72, 8, 1],
  ['last', 8, 3, 3],
] as const;

function chain(): Graph {
  const g = new GraphBuilder(SIZE, CHANNELS);
  const layers = LAYERS.map(([name, inputs, outputs, kernel]) =>
    g.declare.conv(name, inputs, outputs, kernel),
  );
  const [first, ...others] = layers;
  return g.build(others.reduce((h, layer) => g.conv(layer, g.silu(h)), g.conv(first!, g.image())));
}

const MATRICES = ['tall1', 'wide3', 'tall3', 'wide1'].map((name) => `${name}.weight`);

async function againstPyTorch(t: ExecutionContext, device: 'wasm' | 'tensorflow'): Promise<void> {
  const graph = chain();
  t.deepEqual(
    [...matrixLayers(graph)].map((name) => `${name}.weight`).sort(),
    [...MATRICES].sort(),
  );
  const clip = Number(metadata.clip);
  const adamw = { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, decay: 1e-2 };
  const optimizer = { ...adamw, clip, muon: { momentum: 0.95, ratio: RATIO } };
  const network = await openGraph(t, device, graph, {
    ...{ batch: BATCH, timesteps: 1, loss: 'l2', optimizer },
  });
  await network.importState(group('state0'));
  const input = { xt: image('x'), t: new Int32Array(BATCH) };
  const target = image('target');
  const { gradients } = await network.gradients(input, target);
  same(t, 'gradient', gradients, group('grad'), { relative: 1e-5 });
  // Each step moves a matrix by singular values of about 0.02 to 0.04. The iteration makes small ones, with the gradient's own
  // rounding, up to 480 times as large; the steps that follow start from there.
  const tolerances = [5e-6, 2e-5];
  for (const [step, lr] of RATES.entries()) {
    const loss = await network.trainStep(input, target, lr);
    close(t, [loss], [tensor('losses').data[step]!], { rtol: 1e-5, what: `loss ${step}` });
    if (step === 0)
      same(t, 'step 1', await network.exportState(), group('state1'), { absolute: tolerances[0]! });
  }
  same(t, 'step 4', await network.exportState(), group('stateN'), { absolute: tolerances[1]! });
  const { m, v, step } = await network.exportOptimizer();
  t.is(step, RATES.length);
  same(t, 'momentum', m, group('momentum'), { relative: 1e-4 });
  same(t, 'first moment', m, group('m'), { relative: 1e-4 });
  same(t, 'second moment', v, group('v'), { relative: 1e-4 });
}

/** @param relative to the largest of a tensor */
function same(
  t: ExecutionContext,
  what: string,
  got: StateDict,
  expected: StateDict,
  { relative = 0, absolute = 0 },
): void {
  t.true(expected.size > 0, what);
  for (const [name, { data }] of expected) {
    const values = Array.from(data, Number);
    const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const atol = Math.max(absolute, relative * largest);
    close(t, got.get(name)!.data as Float32Array, values, { atol, what: `${what}: ${name}` });
  }
}

test('the steps in the fixture are far larger than the tolerance', (t) => {
  for (const name of MATRICES) {
    const [before, after] = [group('state0'), group('stateN')].map(
      (state) => (state.get(name) as F32Tensor).data,
    );
    const moved = before!.reduce(
      (most, value, i) => Math.max(most, Math.abs(value - after![i]!)),
      0,
    );
    t.true(moved > 0.01, `${name}: ${moved}`);
  }
});

test('Muon on the engine matches PyTorch: tall and wide matrices, 3x3 and 1x1 convolutions', (t) =>
  againstPyTorch(t, 'wasm'));

tensorflowTest('Muon on TensorFlow matches PyTorch', (t) => againstPyTorch(t, 'tensorflow'));
