import test, { type ExecutionContext } from 'ava';
import { ADAM } from '../../../src/contracts/device.js';
import { CounterRandom, PURPOSE } from '../../../src/diffusion/random.js';
import { GraphBuilder } from '../../../src/network/builder.js';
import { initialState } from '../../../src/network/initial-state.js';
import type { StateDict } from '../../../src/network/state.js';
import { close } from '../../helpers/kernels.js';
import { openGraph } from '../../helpers/networks.js';
import { tensorflowTest } from '../../helpers/tensorflow.js';

const random = new CounterRandom(8);
const [SIZE, IMAGES] = [8, 6];
const EACH = SIZE * SIZE * 3;
const g = new GraphBuilder(SIZE, 3);
const hidden = g.dropout(0.3, g.silu(g.conv(g.declare.conv('first', 3, 12, 3), g.image())));
const deep = g.dropout(0.2, g.silu(g.conv(g.declare.conv('middle', 12, 40, 3), hidden)));
const GRAPH = g.build(g.conv(g.declare.conv('last', 40, 3, 3), deep));
const START = initialState(GRAPH, random);
const [XT, TARGET] = [1, 2].map((n) => random.normals(PURPOSE.bench, n, 0, IMAGES * EACH));
const T = Int32Array.of(1, 5, 2, 9, 0, 7);
const WEIGHTS = Float32Array.of(0.5, 2, 0, 1, 0.25, 1.5);

type Device = 'wasm' | 'tensorflow';

/** Two steps of all images, in so many parts. */
async function steps(t: ExecutionContext, device: Device, of: number) {
  const batch = IMAGES / of;
  const optimizer = { ...ADAM, epsilon: 1e-3, clip: 0.1 };
  const options = { batch, timesteps: 10, loss: 'l2', optimizer, accumulate: of } as const;
  const network = await openGraph(t, device, GRAPH, { ...options, weighted: true });
  await network.importState(START);
  const losses: number[] = [];
  const own: number[] = [];
  for (let step = 0; step < 2; step++)
    for (let index = 0; index < of; index++) {
      const [from, to] = [index * batch, (index + 1) * batch];
      const input = {
        xt: XT!.subarray(from * EACH, to * EACH),
        t: T.subarray(from, to),
        weights: WEIGHTS.subarray(from, to),
      };
      const target = TARGET!.subarray(from * EACH, to * EACH);
      losses.push(await network.trainStep(input, target, 1e-2, { index, of }));
      own.push(...network.imageLosses());
    }
  return {
    losses,
    own,
    optimizer: await network.exportOptimizer(),
    state: await network.exportState(),
  };
}

const values = (state: StateDict) =>
  [...state.values()].flatMap(({ data }) => [...(data as Float32Array)]);

/** Dropouts drop the same values, and gradients are those of one batch. */
async function parts(t: ExecutionContext, device: Device): Promise<void> {
  const whole = await steps(t, device, 1);
  t.is(whole.optimizer.step, 2);
  close(t, [whole.losses[0]!], [whole.own.slice(0, 6).reduce((a, b) => a + b, 0) / 6], {
    rtol: 1e-6,
  });
  for (const of of [2, 3]) {
    const got = await steps(t, device, of);
    t.is(got.optimizer.step, 2);
    // f32, another order of sums over the images.
    close(t, got.own, whole.own, { rtol: 1e-4, what: `losses in ${of}` });
    const largest = Math.max(...values(whole.optimizer.m).map(Math.abs));
    close(t, values(got.optimizer.m), values(whole.optimizer.m), {
      atol: 1e-5 * largest,
      what: `m in ${of}`,
    });
    close(t, values(got.state), values(whole.state), { atol: 1e-6, what: `weights in ${of}` });
  }
}

test('an accumulated step equals the step of one batch, on the engine', (t) => parts(t, 'wasm'));
tensorflowTest('an accumulated step equals the step of one batch, on TensorFlow', (t) =>
  parts(t, 'tensorflow'),
);

/** The gradient of a weighted loss is the weighted mean of the gradients of each image's loss. */
async function weighted(t: ExecutionContext, device: Device): Promise<void> {
  const plain = new GraphBuilder(SIZE, 3);
  const first = plain.silu(plain.conv(plain.declare.conv('first', 3, 12, 3), plain.image()));
  const graph = plain.build(plain.conv(plain.declare.conv('last', 12, 3, 3), first));
  const start = initialState(graph, random);
  const options = { timesteps: 10, loss: 'huber' } as const;
  const all = await openGraph(t, device, graph, { ...options, batch: IMAGES, weighted: true });
  const one = await openGraph(t, device, graph, { ...options, batch: 1 });
  for (const network of [all, one]) await network.importState(start);
  const input = { xt: XT!, t: T, weights: WEIGHTS };
  const got = await all.gradients(input, TARGET!);
  const expected = new Float64Array(values(got.gradients).length);
  let loss = 0;
  for (let i = 0; i < IMAGES; i++) {
    const of = (array: Float32Array) => array.subarray(i * EACH, (i + 1) * EACH);
    const single = await one.gradients({ xt: of(XT!), t: T.subarray(i, i + 1) }, of(TARGET!));
    const weight = WEIGHTS[i]! / IMAGES;
    loss += weight * single.loss;
    values(single.gradients).forEach((v, j) => {
      expected[j]! += weight * v;
    });
  }
  close(t, [got.loss], [loss], { rtol: 1e-5 });
  const largest = Math.max(...expected.map(Math.abs));
  close(t, values(got.gradients), expected, { atol: 1e-5 * largest });
}

test('loss weights scale loss and gradients, on the engine', (t) => weighted(t, 'wasm'));
tensorflowTest('loss weights scale loss and gradients, on TensorFlow', (t) =>
  weighted(t, 'tensorflow'),
);

test('a step with an unplanned number of parts, or without its weights, is refused', async (t) => {
  const options = { batch: 1, timesteps: 10, accumulate: 2, weighted: true } as const;
  const network = await openGraph(t, 'wasm', GRAPH, options);
  const input = { xt: XT!.subarray(0, EACH), t: T.subarray(0, 1) };
  const target = TARGET!.subarray(0, EACH);
  const weights = Float32Array.of(1);
  await t.throwsAsync(network.trainStep({ ...input, weights }, target, 1), {
    message: /2 parts, got 1/,
  });
  await t.throwsAsync(network.gradients(input, target), { message: /planned for weights/ });
});
