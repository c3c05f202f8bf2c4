import test, { type ExecutionContext } from 'ava';
import { CounterRandom, PURPOSE } from '../../../src/diffusion/random.js';
import { initialState } from '../../../src/network/initial-state.js';
import { buildNetwork } from '../../../src/network/network.js';
import type { StateDict } from '../../../src/network/state.js';
import { close } from '../../helpers/kernels.js';
import { openGraph } from '../../helpers/networks.js';
import { tensorflowTest } from '../../helpers/tensorflow.js';
import { sameState } from '../../helpers/unet.js';

const random = new CounterRandom(4);
const [SIZE, BATCH] = [8, 4];
const GRAPH = buildNetwork(
  { kind: 'simple', widths: [8, 16], channels: 3, timeDim: 8, norm: 'separate' },
  SIZE,
);
const draw = (n: number) => random.normals(PURPOSE.bench, n, 0, BATCH * SIZE * SIZE * 3);
const INPUT = { xt: draw(1), t: Int32Array.of(3, 7, 1, 9) };
const NOISE = draw(2);
const START = initialState(GRAPH, random);
const DECAYS = [0.5, 0.9];

const floats = (state: StateDict) =>
  [...state].filter(([, { dtype }]) => dtype === 'F32') as [string, { data: Float32Array }][];

async function open(t: ExecutionContext, device: 'wasm' | 'tensorflow') {
  const options = { batch: BATCH, timesteps: 10, loss: 'l2', ema: DECAYS } as const;
  const network = await openGraph(t, device, GRAPH, options);
  await network.importState(START);
  return network;
}

/** Averages follow weights and running statistics; an exchange makes predictions take them, and another undoes it. */
async function averages(t: ExecutionContext, device: 'wasm' | 'tensorflow'): Promise<void> {
  const network = await open(t, device);
  const expected = DECAYS.map(
    () => new Map(floats(START).map(([name, { data }]) => [name, Float64Array.from(data)])),
  );
  for (let k = 1; k <= 4; k++) {
    await network.trainStep(INPUT, NOISE, 1e-2);
    for (const [name, { data }] of floats(await network.exportState()))
      for (const [i, decay] of DECAYS.entries()) {
        const d = Math.min(decay, (1 + k) / (10 + k));
        const average = expected[i]!.get(name)!;
        data.forEach((value, j) => {
          average[j] = d * average[j]! + (1 - d) * value;
        });
      }
  }
  // Values of about 1 in f32, four steps.
  for (const [i, wanted] of expected.entries())
    for (const [name, { data }] of floats(await network.exportAverage(i)))
      close(t, data, wanted.get(name)!, { atol: 5e-7, what: `${i} ${name}` });

  const [raw, average] = [await network.exportState(), await network.exportAverage(1)];
  const before = await network.predict(INPUT, 'running');
  await network.exchangeAverage(1);
  sameState(t, await network.exportState(), average);
  const averaged = await network.predict(INPUT, 'running');
  await network.exchangeAverage(1);
  sameState(t, await network.exportState(), raw);
  sameState(t, await network.exportAverage(1), average);
  t.deepEqual(await network.predict(INPUT, 'running'), before);
  t.notDeepEqual(averaged, before);
  await network.importState(average);
  t.deepEqual(await network.predict(INPUT, 'running'), averaged);
}

test('averages of weights follow the formula on the engine', (t) => averages(t, 'wasm'));
tensorflowTest('averages of weights follow the formula on TensorFlow', (t) =>
  averages(t, 'tensorflow'),
);

test('a network without averages exports none', async (t) => {
  const network = await openGraph(t, 'wasm', GRAPH, { batch: 1, timesteps: 10 });
  await t.throwsAsync(network.exportAverage(0), { message: /planned without average 0/ });
});
