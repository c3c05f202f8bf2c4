import type { ExecutionContext } from 'ava';
import { CounterRandom, PURPOSE } from '../../src/diffusion/random.js';
import { GraphBuilder } from '../../src/network/builder.js';
import type { Graph } from '../../src/network/graph.js';
import type { StateDict } from '../../src/network/state.js';
import { createTensorflowGraph } from '../../src/tensorflow/network-device.js';
import { close } from '../helpers/kernels.js';
import { tensorflowTest } from '../helpers/tensorflow.js';

const [SIZE, BATCH, RATE, SEED] = [8, 4, 0.3, 2 ** 40 + 5];
const COUNT = BATCH * SIZE * SIZE;
const random = new CounterRandom(1);
const INPUT = { xt: random.normals(PURPOSE.bench, 0, 0, COUNT), t: new Int32Array(BATCH) };
const NOISE = random.normals(PURPOSE.bench, 1, 0, COUNT);

/** The image through two dropouts, then doubled. */
const GRAPH: Graph = (() => {
  const g = new GraphBuilder(SIZE, 1);
  const last = g.declare.conv('last', 1, 1, 1);
  const once = g.dropout(RATE, g.image());
  return g.build(g.conv(last, g.dropout(0.5, once)));
})();

const DOUBLE: StateDict = new Map([
  ['last.weight', { dtype: 'F32', shape: [1, 1, 1, 1], data: Float32Array.of(2) }],
  ['last.bias', { dtype: 'F32', shape: [1], data: Float32Array.of(0) }],
]);

async function open(t: ExecutionContext, { eager = false, seed = SEED } = {}) {
  const network = await createTensorflowGraph(GRAPH, { batch: BATCH, timesteps: 1, seed, eager });
  t.teardown(() => network.dispose());
  await network.importState(DOUBLE);
  return network;
}

/** What the network makes of the image in a step, by the definition of the masks. */
function expected(step: number, seed = SEED): Float32Array {
  const masks = new CounterRandom(seed);
  const first = masks.words(PURPOSE.dropout, step, COUNT, 0);
  const second = masks.words(PURPOSE.dropout, step, COUNT, 1);
  return INPUT.xt.map((x, i) => {
    const kept = first[i]! >= Math.floor(RATE * 2 ** 32) && second[i]! >= 2 ** 31;
    return kept ? (2 * x) / (1 - RATE) / 0.5 : 0;
  });
}

for (const eager of [false, true])
  tensorflowTest(`masks depend only on seed and step, ${eager ? 'eager' : 'graph'}`, async (t) => {
    const network = await open(t, { eager });
    const epsilon = async () => (await network.gradients(INPUT, NOISE)).epsilon;
    close(t, await epsilon(), expected(0), { rtol: 1e-6 });
    close(t, await epsilon(), expected(0), { rtol: 1e-6, what: 'the same step again' });
    await network.trainStep(INPUT, NOISE, 0);
    close(t, await epsilon(), expected(1), { rtol: 1e-6, what: 'the next step' });
    await network.importOptimizer({ ...(await network.exportOptimizer()), step: 70 });
    close(t, await epsilon(), expected(70), { rtol: 1e-6, what: 'a resumed run' });
    const other = await open(t, { eager, seed: 6 });
    const { epsilon: of } = await other.gradients(INPUT, NOISE);
    close(t, of, expected(0, 6), { rtol: 1e-6, what: 'another seed' });
  });

tensorflowTest('dropout drops its share of values and of their gradients', async (t) => {
  const kept = expected(0).filter((v) => v !== 0).length / COUNT;
  t.true(Math.abs(kept - 0.35) < 0.1, `${kept} of the values are kept`);
  const network = await open(t);
  const { epsilon, gradients } = await network.gradients(INPUT, NOISE);
  // d|ε̂ − ε|/dw of what the last layer reads, ε̂/2.
  const slope = epsilon.reduce((sum, v, i) => sum + (Math.sign(v - NOISE[i]!) * v) / 2, 0) / COUNT;
  close(t, gradients.get('last.weight')!.data as Float32Array, [slope], { rtol: 1e-5 });
});

tensorflowTest('nothing is dropped in prediction', async (t) => {
  const network = await open(t);
  const doubled = INPUT.xt.map((x) => 2 * x);
  for (const norm of ['running', 'batch'] as const)
    close(t, await network.predict(INPUT, norm), doubled, { rtol: 1e-6, what: norm });
});
