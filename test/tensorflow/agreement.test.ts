import type { Loss, NetworkDevice } from '../../src/contracts/device.js';
import { CounterRandom, PURPOSE } from '../../src/diffusion/random.js';
import { WasmNetwork } from '../../src/engine/network/wasm-network.js';
import { initialState } from '../../src/network/initial-state.js';
import { buildNetwork } from '../../src/network/network.js';
import type { SimpleConfig } from '../../src/network/simple.js';
import { planConvolutions } from '../../src/tensorflow/algorithm.js';
import { createTensorflowNetwork } from '../../src/tensorflow/network-device.js';
import { agree } from '../helpers/agree.js';
import { close } from '../helpers/kernels.js';
import { tensorflowTest } from '../helpers/tensorflow.js';

const LOSSES: readonly Loss[] = ['l1', 'l2', 'huber'];

interface Case extends SimpleConfig {
  readonly size: number;
  readonly batch: number;
  readonly loss: Loss;
}

/** Networks that all differ: depth, widths that no vector divides, sides, images in a batch. */
const NETWORKS = [
  { kind: 'simple', widths: [8, 16], timeDim: 32, size: 16, batch: 4 },
  { kind: 'simple', widths: [5, 7, 11], timeDim: 4, size: 12, batch: 3 },
  { kind: 'simple', widths: [3, 9, 6, 4], timeDim: 10, size: 8, batch: 5 },
  { kind: 'simple', widths: [16, 16, 16], timeDim: 8, size: 8, batch: 1 },
] as const;

/** Every choice of the architecture and loss with every other. */
const CASES: readonly Case[] = LOSSES.flatMap((loss, i) =>
  ([1, 3] as const).flatMap((channels, j) =>
    (['separate', 'shared'] as const).map((norm, k) => {
      const network = NETWORKS[(i + 2 * j + k) % NETWORKS.length]!;
      return { ...network, channels, norm, loss };
    }),
  ),
);

/** Wide enough for the algorithms that large networks get. */
const WIDE: Case = {
  kind: 'simple',
  widths: [64, 128],
  channels: 3,
  timeDim: 8,
  norm: 'separate',
  size: 16,
  batch: 4,
  loss: 'l1',
};

const random = new CounterRandom(7);

/** A training step's inputs: noise for images is as good as images. */
function inputs({ size, batch, channels }: Case, step: number) {
  const count = batch * size * size * channels;
  const xt = random.normals(PURPOSE.bench, step, 0, count);
  const noise = random.normals(PURPOSE.bench, step, 1, count);
  const t = Int32Array.from({ length: batch }, (_, i) => (step * 61 + i * 83) % 300);
  return { input: { xt, t }, noise };
}

async function devices(of: Case): Promise<NetworkDevice[]> {
  const options = {
    architecture: of,
    size: of.size,
    batch: of.batch,
    timesteps: 300,
    loss: of.loss,
  };
  return [
    WasmNetwork.create({ ...options, threads: 2 }).network,
    await createTensorflowNetwork(options),
    await createTensorflowNetwork({ ...options, eager: true }),
  ];
}

for (const of of [...CASES, WIDE]) {
  const { widths, channels, timeDim, norm, loss, size } = of;
  const what = `widths ${widths}, ${size}x${size}x${channels}, time ${timeDim}, ${norm} norms, ${loss}`;
  tensorflowTest(`the devices agree: ${what}`, async (t) => {
    const all = await devices(of);
    const [wasm, ...others] = all as [NetworkDevice, ...NetworkDevice[]];
    const weights = initialState(buildNetwork(of), random);
    for (const unet of all) await unet.importState(weights);
    const first = inputs(of, 0);
    const expected = await wasm.gradients(first.input, first.noise);
    const moved = await wasm.exportState();
    const running = await wasm.predict(first.input, 'running');
    const batch = await wasm.predict(first.input, 'batch');
    for (const unet of others) {
      const got = await unet.gradients(first.input, first.noise);
      close(t, [got.loss], [expected.loss], { rtol: 5e-6, what: 'loss' });
      close(t, got.epsilon, expected.epsilon, { atol: 2e-5, what: 'ε̂' });
      agree(t, got.gradients, expected.gradients, 1e-4);
      agree(t, await unet.exportState(), moved, 1e-5);
      close(t, await unet.predict(first.input, 'running'), running, { atol: 2e-5 });
      close(t, await unet.predict(first.input, 'batch'), batch, { atol: 2e-5 });
    }
    for (const unet of all) await unet.dispose();
  });
}

tensorflowTest('the wide case has convolutions computed as products', (t) => {
  const graph = buildNetwork(WIDE, WIDE.size);
  for (const use of ['prediction', 'training'] as const) {
    const plan = planConvolutions({ graph, batch: WIDE.batch }, use, false);
    t.true([...plan.values()].some((algorithm) => 'lowered' in algorithm));
  }
});

tensorflowTest('prediction uses the current weights after every kind of change', async (t) => {
  const weights = initialState(buildNetwork(WIDE), random);
  const { input, noise } = inputs(WIDE, 0);
  for (const unet of (await devices(WIDE)).slice(1)) {
    const options = { architecture: WIDE, ...WIDE, timesteps: 300, training: false };
    const fresh = await createTensorflowNetwork(options);
    const same = async (what: string) => {
      await fresh.importState(await unet.exportState());
      const expected = await fresh.predict(input, 'running');
      close(t, await unet.predict(input, 'running'), expected, { atol: 1e-6, what });
    };
    await unet.importState(weights);
    await same('first weights');
    await unet.trainStep(input, noise, 1e-2);
    await same('after a step');
    await unet.importState(weights);
    await same('first weights again');
    await unet.dispose();
    await fresh.dispose();
  }
});

tensorflowTest(
  'a run moves between devices with weights, statistics and the state of Adam',
  async (t) => {
    const of: Case = { ...NETWORKS[0], channels: 3, norm: 'separate', loss: 'l1' };
    const [wasm, graph, eager] = (await devices(of)) as [
      NetworkDevice,
      NetworkDevice,
      NetworkDevice,
    ];
    const weights = initialState(buildNetwork(of), random);
    const step = (unet: NetworkDevice, n: number) => {
      const { input, noise } = inputs(of, n);
      return unet.trainStep(input, noise, 1e-3);
    };
    const move = async (from: NetworkDevice, to: NetworkDevice) => {
      await to.importState(await from.exportState());
      await to.importOptimizer(await from.exportOptimizer());
    };
    await wasm.importState(weights);
    const expected: number[] = [];
    for (let n = 0; n < 6; n++) expected.push(await step(wasm, n));

    await graph.importState(weights);
    const got = [await step(graph, 0), await step(graph, 1)];
    await move(graph, eager);
    got.push(await step(eager, 2));
    const fresh = WasmNetwork.create({
      architecture: of,
      ...of,
      timesteps: 300,
      threads: 1,
    }).network;
    await move(eager, fresh);
    got.push(await step(fresh, 3));
    await move(fresh, graph);
    got.push(await step(graph, 4), await step(graph, 5));

    close(t, got, expected, { rtol: 1e-4, what: 'losses' });
    t.is((await graph.exportOptimizer()).step, 6);
    t.is((await graph.exportState()).get('downs.0.bnorm1.num_batches_tracked')!.data[0], 6n);
    for (const unet of [wasm, graph, eager, fresh]) await unet.dispose();
  },
);
