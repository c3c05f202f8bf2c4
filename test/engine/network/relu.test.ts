import test from 'ava';
import { CounterRandom, PURPOSE } from '../../../src/diffusion/random.js';
import { WasmNetwork } from '../../../src/engine/network/wasm-network.js';
import { GraphBuilder } from '../../../src/network/builder.js';
import type { Graph, Value } from '../../../src/network/graph.js';
import { initialState } from '../../../src/network/initial-state.js';
import type { StateDict } from '../../../src/network/state.js';
import { values } from '../../helpers/kernels.js';

const SIZE = 6;
const CHANNELS = 3;
const BATCH = 2;
const WIDTH = 8;

/** Small enough that few ReLUs change sides, and large enough for the differences of f32 losses. */
const STEP = 1e-4;

/** Networks in which the ReLU after a convolution is read by anything but a batch norm. */
const CASES: Readonly<Record<string, (g: GraphBuilder, x: Value) => Value>> = {
  'by a convolution': (g, x) => {
    const [first, second] = [conv(g, 'first', CHANNELS), conv(g, 'second')];
    return g.relu(second(g.relu(first(x))));
  },
  'by a concatenation': (g, x) => {
    const [first, second] = [conv(g, 'first', CHANNELS), conv(g, 'second')];
    const a = g.relu(first(x));
    return g.concat(a, g.relu(second(a)));
  },
  'by a sum': (g, x) => {
    const [first, side, second] = [conv(g, 'first', CHANNELS), conv(g, 'side'), conv(g, 'second')];
    const a = g.relu(first(x));
    const b = g.relu(side(a));
    return g.add(b, second(a));
  },
  'by an upsampled convolution, and a norm': (g, x) => {
    const [first, second] = [conv(g, 'first', CHANNELS), conv(g, 'second')];
    const norm = g.declare.groupNorm('norm', WIDTH, 2);
    return g.downsample(g.norm(norm, g.relu(second(g.upsample(g.relu(first(x)))))));
  },
};

/** A convolution without bias, whose output is as often below zero as above. */
function conv(g: GraphBuilder, name: string, inputs = WIDTH): (x: Value) => Value {
  const layer = g.declare.conv(name, inputs, WIDTH, 3, { bias: false });
  return (x) => g.conv(layer, x);
}

function graphOf(make: (g: GraphBuilder, x: Value) => Value): Graph {
  const g = new GraphBuilder(SIZE, CHANNELS);
  const y = make(g, g.image());
  return g.build(g.conv(g.declare.conv('last', y.channels, CHANNELS, 3), y));
}

for (const [reader, make] of Object.entries(CASES))
  test(`a ReLU that is read ${reader} passes no gradient where it is zero`, async (t) => {
    const graph = graphOf(make);
    const { network } = WasmNetwork.create({
      ...{ graph, batch: BATCH, timesteps: 1, loss: 'l2', threads: 2 },
    });
    t.teardown(() => network.dispose());
    const random = new CounterRandom(3);
    const state = initialState(graph, random);
    const count = BATCH * SIZE * SIZE * CHANNELS;
    const input = { xt: values(count, 1), t: new Int32Array(BATCH) };
    const target = values(count, 2);

    /** The mean squared error after a step of `size` along `direction`. */
    const lossAt = async (direction: StateDict, size: number) => {
      const moved = [...state].map(([name, { shape, data }]) => {
        const along = direction.get(name)?.data;
        const next = Float32Array.from(
          data as Float32Array,
          (v, i) => v + size * Number(along?.[i] ?? 0),
        );
        return [name, { dtype: 'F32', shape, data: next }] as const;
      });
      await network.importState(new Map(moved));
      const y = await network.predict(input, 'running');
      return y.reduce((sum, v, i) => sum + (v - target[i]!) ** 2, 0) / count;
    };

    await network.importState(state);
    const { gradients } = await network.gradients(input, target);
    for (const [i, [name, { shape, data }]] of [...gradients].entries()) {
      const along = random.normals(PURPOSE.bench, 0, i, data.length);
      const direction: StateDict = new Map([[name, { dtype: 'F32', shape, data: along }]]);
      const expected =
        ((await lossAt(direction, STEP)) - (await lossAt(direction, -STEP))) / (2 * STEP);
      const got = along.reduce((sum, v, k) => sum + v * Number(data[k]), 0);
      t.true(
        Math.abs(got - expected) < 1e-3 + 0.02 * Math.abs(expected),
        `${name}: expected ${expected}, got ${got}`,
      );
    }
  });
