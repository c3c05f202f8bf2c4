import type { ExecutionContext } from 'ava';
import { ADAM, type Optimizer } from '../../src/contracts/device.js';
import { CounterRandom, PURPOSE } from '../../src/diffusion/random.js';
import { GraphBuilder } from '../../src/network/builder.js';
import type { Graph } from '../../src/network/graph.js';
import { initialState } from '../../src/network/initial-state.js';
import type { StateDict } from '../../src/network/state.js';
import { createTensorflowGraph } from '../../src/tensorflow/network-device.js';
import { close } from '../helpers/kernels.js';
import { tensorflowTest } from '../helpers/tensorflow.js';

const [SIZE, CHANNELS, BATCH] = [4, 3, 2];
const random = new CounterRandom(5);
const draw = (n: number) => random.normals(PURPOSE.bench, n, 0, BATCH * SIZE * SIZE * CHANNELS);
const INPUT = { xt: draw(1), t: Int32Array.of(3, 7) };
const NOISE = draw(2);

const g = new GraphBuilder(SIZE, CHANNELS);
const hidden = g.silu(g.conv(g.declare.conv('first', CHANNELS, 4, 3), g.image()));
const GRAPH: Graph = g.build(g.conv(g.declare.conv('last', 4, CHANNELS, 3), hidden));
const START = initialState(GRAPH, random);

async function open(t: ExecutionContext, optimizer: Optimizer, eager: boolean) {
  const options = { batch: BATCH, timesteps: 10, loss: 'l2', optimizer, eager } as const;
  const network = await createTensorflowGraph(GRAPH, options);
  t.teardown(() => network.dispose());
  await network.importState(START);
  return network;
}

const f64 = (state: StateDict) =>
  new Map([...state].map(([name, { data }]) => [name, Float64Array.from(data, Number)]));

/** Steps in f64 on the device's own gradients. */
class Exact {
  readonly #optimizer: Optimizer;
  readonly values = f64(START);
  readonly #m = f64(new Map());
  readonly #v = f64(new Map());
  #steps = 0;

  constructor(optimizer: Optimizer) {
    this.#optimizer = optimizer;
  }

  step(gradients: StateDict, lr: number): void {
    const { beta1, beta2, epsilon, decay, clip } = this.#optimizer;
    const all = f64(gradients);
    const norm = Math.hypot(...[...all.values()].flatMap((g) => [...g]));
    const factor = clip === null ? 1 : Math.min(1, clip / (norm + 1e-6));
    this.#steps++;
    for (const [name, g] of all) {
      const zeros = () => new Float64Array(g.length);
      const [m, v] = [this.#m.get(name) ?? zeros(), this.#v.get(name) ?? zeros()];
      this.#m.set(name, m);
      this.#v.set(name, v);
      const value = this.values.get(name)!;
      g.forEach((raw, i) => {
        const gradient = raw * factor;
        m[i] = beta1 * m[i]! + (1 - beta1) * gradient;
        v[i] = beta2 * v[i]! + (1 - beta2) * gradient ** 2;
        const [mHat, vHat] = [m[i] / (1 - beta1 ** this.#steps), v[i] / (1 - beta2 ** this.#steps)];
        value[i] = value[i]! * (1 - lr * decay) - (lr * mHat) / (Math.sqrt(vHat) + epsilon);
      });
    }
  }
}

const OPTIMIZERS: Readonly<Record<string, Optimizer>> = {
  Adam: ADAM,
  'decay, other betas and a large epsilon': {
    ...{ beta1: 0.5, beta2: 0.9, epsilon: 1e-2, decay: 0.3, clip: null },
  },
  'a clip that holds': { ...ADAM, epsilon: 1e-3, decay: 0.01, clip: 0.01 },
  'a clip that gradients are below': { ...ADAM, epsilon: 1e-3, clip: 1000 },
};

for (const [what, optimizer] of Object.entries(OPTIMIZERS))
  for (const eager of [false, true])
    tensorflowTest(
      `the optimizer follows its formula: ${what}, ${eager ? 'eager' : 'graph'}`,
      async (t) => {
        const network = await open(t, optimizer, eager);
        const exact = new Exact(optimizer);
        for (const lr of [1e-2, 1e-2, 3e-2]) {
          exact.step((await network.gradients(INPUT, NOISE)).gradients, lr);
          await network.trainStep(INPUT, NOISE, lr);
          // Values up to 0.5 in f32, three steps of sums.
          for (const [name, { data }] of await network.exportState())
            close(t, data as Float32Array, exact.values.get(name)!, { atol: 2e-6, what: name });
        }
      },
    );
