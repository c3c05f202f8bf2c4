import test, { type ExecutionContext } from 'ava';
import { buildNetwork } from '../../src/network/network.js';
import { planConvolutions } from '../../src/tensorflow/algorithm.js';
import { loadTensorflow } from '../../src/tensorflow/load.js';
import { createTensorflowNetwork } from '../../src/tensorflow/network-device.js';
import { values } from '../helpers/kernels.js';
import { tensorflowTest } from '../helpers/tensorflow.js';
import { readUnetFixture } from '../helpers/unet-fixture.js';

const network = (widths: readonly number[], size: number) => ({
  architecture: { kind: 'simple', widths, channels: 3, timeDim: 32, norm: 'separate' } as const,
  size,
  batch: 4,
  timesteps: 300,
});

/** TensorFlow's own convolutions, and convolutions as products, of every tile. */
const NETWORKS = { narrow: network([8, 16, 24], 16), wide: network([128, 128], 8) };

/** Fresh inputs for a step, as training has them. */
function inputs({ batch, size }: { batch: number; size: number }, step: number) {
  const length = batch * size ** 2 * 3;
  const t = Int32Array.from({ length: batch }, (_, i) => (step * 7 + i) % 300);
  return { input: { xt: values(length, 2 * step + 1), t }, noise: values(length, 2 * step + 2) };
}

/** Runs 300 times; after the first 50, tensors stay the same and memory grows by less than 64 MB. */
async function staysLevel(t: ExecutionContext, run: (step: number) => Promise<unknown>) {
  const { tf, backend } = await loadTensorflow();
  const tensors = () => [tf.memory().numTensors, backend.getNumOfTFTensors()];
  for (let step = 0; step < 50; step++) await run(step);
  const before = { tensors: tensors(), rss: process.memoryUsage.rss() };
  for (let step = 50; step < 300; step++) await run(step);
  t.deepEqual(tensors(), before.tensors);
  const grown = (process.memoryUsage.rss() - before.rss) / 2 ** 20;
  t.log(`grew by ${grown.toFixed(1)} MB`);
  t.true(grown < 64, `resident memory grew by ${grown.toFixed(1)} MB`);
}

test('the wide network has convolutions of every tile, the narrow one none', (t) => {
  const tiles = ({ architecture, size, batch }: (typeof NETWORKS)['wide']) =>
    (['training', 'prediction'] as const).flatMap((use) =>
      [
        ...planConvolutions(
          { graph: buildNetwork(architecture, size), batch },
          use,
          false,
        ).values(),
      ].flatMap((algorithm) => ('lowered' in algorithm ? [algorithm.lowered.tile] : [])),
    );
  t.deepEqual(tiles(NETWORKS.narrow), []);
  t.deepEqual([...new Set(tiles(NETWORKS.wide))].sort(), [0, 2, 4]);
});

for (const eager of [false, true]) {
  const mode = eager ? 'eager' : 'graph';
  for (const [width, shape] of Object.entries(NETWORKS)) {
    const what = `${width}, ${mode}`;
    tensorflowTest(`${what}: 300 training steps keep no tensors and little memory`, async (t) => {
      const unet = await createTensorflowNetwork({ ...shape, eager });
      await staysLevel(t, (step) => {
        const { input, noise } = inputs(shape, step);
        return unet.trainStep(input, noise, 1e-3 / (1 + step));
      });
      await unet.dispose();
    });

    tensorflowTest(`${what}: 300 predictions keep no tensors and little memory`, async (t) => {
      const unet = await createTensorflowNetwork({ ...shape, eager });
      const mode = (step: number) => (step % 2 === 0 ? 'running' : 'batch');
      await staysLevel(t, (step) => unet.predict(inputs(shape, step).input, mode(step)));
      await unet.dispose();
    });
  }

  tensorflowTest(`${mode}: a device that is disposed leaves no tensors`, async (t) => {
    const { tf, backend } = await loadTensorflow();
    const fixture = await readUnetFixture('unet_rgb_16');
    const before = [tf.memory().numTensors, backend.getNumOfTFTensors()];
    const unet = await createTensorflowNetwork({ ...fixture, timesteps: 300, eager });
    await unet.importState(fixture.state0);
    await unet.trainStep(fixture.input, fixture.noise, 1e-3);
    await unet.exportState();
    await unet.importOptimizer(await unet.exportOptimizer());
    await unet.dispose();
    await unet.dispose();
    t.deepEqual([tf.memory().numTensors, backend.getNumOfTFTensors()], before);
  });
}
