import type { ExecutionContext } from 'ava';
import { ADAM, type NetworkDevice, type NetworkOptions } from '../../src/contracts/device.js';
import { CounterRandom, PURPOSE } from '../../src/diffusion/random.js';
import { WasmNetwork } from '../../src/engine/network/wasm-network.js';
import { type DitConfig, ditDefaults } from '../../src/network/dit-config.js';
import { initialState } from '../../src/network/initial-state.js';
import { buildNetwork } from '../../src/network/network.js';
import { createTensorflowNetwork } from '../../src/tensorflow/network-device.js';
import { agree } from '../helpers/agree.js';
import { close } from '../helpers/kernels.js';
import { tensorflowTest } from '../helpers/tensorflow.js';

const TIMESTEPS = 1000;
const RATE = 1e-3;

const options = (
  { widths, ...rest }: Partial<DitConfig> & Pick<DitConfig, 'widths'>,
  other: Pick<NetworkOptions, 'size' | 'batch' | 'loss'>,
): NetworkOptions => ({
  architecture: { ...ditDefaults({ widths }), widths, ...rest },
  timesteps: TIMESTEPS,
  seed: 5,
  optimizer: { ...ADAM, decay: 0.01, clip: 1 },
  ...other,
});

/** Networks that all differ: patches, heads, widths that no vector divides, images in a batch. */
const CASES: Readonly<Record<string, NetworkOptions>> = {
  'with classes and dropout': options(
    { widths: [32], depth: 2, headDim: 8, numClasses: 11, dropout: 0.2 },
    { size: 8, batch: 4, loss: 'l2' },
  ),
  'of grey images, with odd patches and heads': options(
    { channels: 1, widths: [20], depth: 3, headDim: 5, patch: 3, eps: 1e-3 },
    { size: 9, batch: 3, loss: 'huber' },
  ),
  'of patches of one pixel': options(
    { widths: [12], depth: 1, patch: 1 },
    { size: 5, batch: 2, loss: 'l1' },
  ),
  'of one patch': options(
    { widths: [64], depth: 1, patch: 4, numClasses: 3 },
    { size: 4, batch: 5, loss: 'l2' },
  ),
};

const random = new CounterRandom(7);

/** A training step's inputs: noise for images is as good as images. */
function inputs({ architecture, size, batch }: NetworkOptions, step: number) {
  const count = batch * size * size * architecture.channels;
  const [xt, noise] = [0, 1].map((i) => random.normals(PURPOSE.bench, step, i, count));
  const t = Int32Array.from({ length: batch }, (_, i) => (step * 61 + i * 383) % TIMESTEPS);
  const classes = (architecture as DitConfig).numClasses;
  const labels = Int32Array.from({ length: batch }, (_, i) => (3 * i + step) % (classes ?? 1));
  return { input: { xt: xt!, t, ...(classes !== null && { labels }) }, noise: noise! };
}

/** The network on each device, with the same weights. */
async function devices(t: ExecutionContext, of: NetworkOptions): Promise<NetworkDevice[]> {
  const all = [
    WasmNetwork.create({ ...of, threads: 2 }).network,
    await createTensorflowNetwork(of),
    await createTensorflowNetwork({ ...of, eager: true }),
  ];
  const weights = initialState(buildNetwork(of.architecture, of.size), random);
  for (const network of all) {
    t.teardown(() => network.dispose());
    await network.importState(weights);
  }
  return all;
}

for (const [what, of] of Object.entries(CASES)) {
  tensorflowTest(`the devices agree on a transformer ${what}`, async (t) => {
    const [wasm, ...others] = (await devices(t, of)) as [NetworkDevice, ...NetworkDevice[]];
    const { input, noise } = inputs(of, 0);
    const predicted = await wasm.predict(input, 'running');
    const expected = await wasm.gradients(input, noise);
    for (const network of others) {
      close(t, await network.predict(input, 'running'), predicted, { atol: 2e-5 });
      const got = await network.gradients(input, noise);
      close(t, [got.loss], [expected.loss], { rtol: 5e-6, what: 'loss' });
      close(t, got.epsilon, expected.epsilon, { atol: 2e-5, what: 'ε̂' });
      agree(t, got.gradients, expected.gradients, 1e-4);
    }
  });

  tensorflowTest(`a transformer ${what} learns the same on every device`, async (t) => {
    const runs = [];
    for (const network of await devices(t, of)) {
      const losses: number[] = [];
      for (let step = 0; step < 5; step++) {
        const { input, noise } = inputs(of, step);
        losses.push(await network.trainStep(input, noise, RATE));
      }
      runs.push(losses);
    }
    for (const losses of runs.slice(1)) close(t, losses, runs[0]!, { rtol: 1e-4, what: 'losses' });
  });
}

tensorflowTest('a run of a transformer moves between devices', async (t) => {
  const of = CASES['with classes and dropout']!;
  const all = await devices(t, of);
  const [alone] = await devices(t, of);
  let from: NetworkDevice | undefined;
  for (const [step, network] of [...all, ...all].entries()) {
    if (from) {
      await network.importState(await from.exportState());
      await network.importOptimizer(await from.exportOptimizer());
    }
    const { input, noise } = inputs(of, step);
    const loss = await network.trainStep(input, noise, RATE);
    close(t, [loss], [await alone!.trainStep(input, noise, RATE)], { rtol: 1e-4, what: `${step}` });
    from = network;
  }
});
