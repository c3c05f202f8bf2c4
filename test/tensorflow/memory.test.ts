import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import test, { type ExecutionContext } from 'ava';
import { ADAM, type NetworkOptions } from '../../src/contracts/device.js';
import { ditDefaults } from '../../src/network/dit-config.js';
import { buildNetwork } from '../../src/network/network.js';
import { countParameters } from '../../src/network/parameters.js';
import { planConvolutions } from '../../src/tensorflow/algorithm.js';
import { loadTensorflow } from '../../src/tensorflow/load.js';
import { estimateNetwork } from '../../src/tensorflow/memory.js';
import { createTensorflowNetwork } from '../../src/tensorflow/network-device.js';
import { values } from '../helpers/kernels.js';
import { readFixture } from '../helpers/network-fixture.js';
import { tensorflowTest } from '../helpers/tensorflow.js';

const network = (widths: readonly number[], size: number) => ({
  architecture: { kind: 'simple', widths, channels: 3, timeDim: 32, norm: 'separate' } as const,
  size,
  batch: 4,
  timesteps: 300,
});

/** The other network, with attention, scale and shift, dropout and what a step of it may ask for. */
const attending: NetworkOptions = {
  architecture: {
    kind: 'unet2d',
    channels: 3,
    widths: [8, 16],
    layers: 1,
    downAttention: [false, true],
    upAttention: [true, false],
    mid: true,
    midAttention: true,
    midScale: 1,
    headDim: 8,
    groups: 4,
    attentionGroups: null,
    eps: 1e-5,
    timeDim: 16,
    flipSinToCos: true,
    freqShift: 0,
    timeScaleShift: 'scale_shift',
    centerInput: false,
    downPadding: 1,
    downType: 'conv',
    upType: 'resnet',
    numClasses: null,
    dropout: 0.1,
  },
  size: 8,
  batch: 4,
  timesteps: 300,
  optimizer: { ...ADAM, decay: 0.01, clip: 1 },
};

/** TensorFlow's own convolutions, and convolutions as products, of every tile. */
const NETWORKS: Readonly<Record<'narrow' | 'wide' | 'attending', NetworkOptions>> = {
  narrow: network([8, 16, 24], 16),
  wide: network([128, 128], 8),
  attending,
};

/** A transformer. */
const transformer: NetworkOptions = {
  ...network([16], 8),
  architecture: { ...ditDefaults({ widths: [16] }), widths: [16], dropout: 0.1 },
};

/** Fresh inputs for a step, as training has them. */
function inputs({ batch, size }: { batch: number; size: number }, step: number) {
  const length = batch * size ** 2 * 3;
  const t = Int32Array.from({ length: batch }, (_, i) => (step * 7 + i) % 300);
  return { input: { xt: values(length, 2 * step + 1), t }, noise: values(length, 2 * step + 2) };
}

/** Collects garbage, which else lies about for as long as V8 likes. */
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Steps of a window, over which memory is looked at, and windows. */
const WINDOW = 50;
const WINDOWS = 5;

/**
 * Runs a window and then five more: tensors stay the same, and in some window memory grows by less than 12 MB. What leaks grows in
 * each; pages that the system takes its time with make memory rise and fall.
 */
async function staysLevel(t: ExecutionContext, run: (step: number) => Promise<unknown>) {
  const { tf, backend } = await loadTensorflow();
  const tensors = () => [tf.memory().numTensors, backend.getNumOfTFTensors()];
  for (let step = 0; step < WINDOW; step++) await run(step);
  const before = tensors();
  const look = () => {
    collect();
    return process.memoryUsage.rss();
  };
  const sizes = [look()];
  for (let step = WINDOW; step < WINDOW * (1 + WINDOWS); step++) {
    await run(step);
    if ((step + 1) % WINDOW === 0) sizes.push(look());
  }
  t.deepEqual(tensors(), before);
  const grown = sizes.slice(1).map((size, i) => (size - sizes[i]!) / 2 ** 20);
  const text = grown.map((mb) => mb.toFixed(1)).join(', ');
  t.log(`grew by ${text} MB`);
  t.true(Math.min(...grown) < 12, `resident memory grew by ${text} MB`);
}

test('the wide network has convolutions with every tile, and the narrow one has none', (t) => {
  const tiles = ({ architecture, size, batch }: NetworkOptions) =>
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

test('an estimate includes weights, and images in proportion to the batch', (t) => {
  for (const [name, of] of Object.entries({ ...NETWORKS, transformer })) {
    const weights = 4 * countParameters(buildNetwork(of.architecture));
    for (const [use, times] of [
      ['training', 4],
      ['prediction', 1],
    ] as const) {
      const at = (batch: number) => estimateNetwork({ ...of, batch }, use, true);
      t.is(at(2) - at(1), at(1) - times * weights, `${name}, ${use}: linear in the batch`);
    }
    t.true(estimateNetwork(of, 'training') > 2 * estimateNetwork(of, 'prediction'), name);
  }
});

test('training keeps a few values per output of a convolution', (t) => {
  const graph = buildNetwork(attending.architecture, attending.size);
  const convolutions = graph.nodes.filter(({ op }) => op === 'conv');
  const outputs = convolutions.reduce((sum, { out }) => sum + out.side ** 2 * out.channels, 0);
  const at = (batch: number) => estimateNetwork({ ...attending, batch }, 'training', true);
  const each = (at(2) - at(1)) / 4;
  t.true(each > 3 * outputs && each < 12 * outputs, `${each} of ${outputs} an image`);
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

  tensorflowTest(`${mode}: a disposed device leaves no tensors`, async (t) => {
    const { tf, backend } = await loadTensorflow();
    const fixture = await readFixture('unet_rgb_16');
    const before = [tf.memory().numTensors, backend.getNumOfTFTensors()];
    const unet = await createTensorflowNetwork({ ...fixture, eager });
    await unet.importState(fixture.state0);
    await unet.trainStep(fixture.input, fixture.target, 1e-3);
    await unet.exportState();
    await unet.importOptimizer(await unet.exportOptimizer());
    await unet.dispose();
    await unet.dispose();
    t.deepEqual([tf.memory().numTensors, backend.getNumOfTFTensors()], before);
  });
}
