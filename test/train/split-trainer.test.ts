import test, { type ExecutionContext } from 'ava';
import { completeModel } from '../../src/config/network-settings.js';
import type { NetworkDevice } from '../../src/contracts/device.js';
import type { Preprocessing } from '../../src/contracts/preprocessing.js';
import type { TrainBatch, Trainer } from '../../src/contracts/trainer.js';
import { CounterRandom } from '../../src/diffusion/random.js';
import { makeSchedule } from '../../src/diffusion/schedule.js';
import { WasmNetwork } from '../../src/engine/network/wasm-network.js';
import { initialState } from '../../src/network/initial-state.js';
import { buildNetwork } from '../../src/network/network.js';
import { createTensorflowArithmetic } from '../../src/tensorflow/arithmetic.js';
import { createTensorflowNetwork } from '../../src/tensorflow/network-device.js';
import { TensorflowPreprocessing } from '../../src/tensorflow/preprocessing.js';
import { SplitTrainer } from '../../src/train/split-trainer.js';
import { WasmPreprocessing } from '../../src/wasm/wasm-preprocessing.js';
import { WasmTrainer } from '../../src/wasm/wasm-trainer.js';
import { close } from '../helpers/kernels.js';
import { tensorflowTest } from '../helpers/tensorflow.js';

const SEED = 11;
const SHAPE = { batch: 3, size: 8, channels: 3 } as const;
const architecture = {
  kind: 'simple',
  widths: [8, 12],
  channels: 3,
  timeDim: 8,
  norm: 'separate',
} as const;
const linear = { schedule: 'linear', timesteps: 300, betaStart: 1e-4, betaEnd: 0.02 } as const;
const schedule = makeSchedule(linear);
const net = { ...SHAPE, architecture, timesteps: 300, threads: 2 };
const weights = initialState(buildNetwork(architecture), new CounterRandom(SEED));

const pixels = (salt: number) =>
  Uint8Array.from({ length: 3 * 8 * 8 * 3 }, (_, i) => (i * 37 + salt * 101) % 256);

const batch = (step: number): TrainBatch => ({
  step,
  pixels: pixels(step),
  flips: Uint32Array.of(0, 1, step % 2),
  t: Int32Array.of(0, 150 + step, 299),
  lr: 1e-3,
});

/** A network that is told classes, of which the last stands for none. */
const told = completeModel({
  ...{ kind: 'unet2d', size: 8, widths: [8, 16], channels: 3, layers: 1, groups: 4, headDim: 8 },
  ...{ numClasses: 4 },
});
const toldNet = { ...net, architecture: told };

async function runTold(trainer: Trainer, labels: readonly number[]) {
  await trainer.unet.importState(initialState(buildNetwork(told), new CounterRandom(SEED)));
  const losses: number[] = [];
  for (let step = 0; step < 3; step++)
    losses.push((await trainer.step({ ...batch(step), labels: Int32Array.from(labels) })).loss);
  const images = Uint32Array.of(4, 5, 9);
  const held = { images, pixels: pixels(9), t: Int32Array.of(3, 140, 250) };
  const { epsilon } = await trainer.evaluate({ ...held, labels: Int32Array.of(2, 0, 1) });
  const result = { losses, epsilon: epsilon.slice() };
  await trainer.dispose();
  return result;
}

const wasmPreprocessing = () =>
  new WasmPreprocessing({ ...SHAPE, schedule, seed: SEED, threads: 2 });

async function tensorflowPreprocessing(): Promise<Preprocessing> {
  const shape = { height: 8, width: 8, channels: 3 };
  const arithmetic = await createTensorflowArithmetic();
  return new TensorflowPreprocessing(arithmetic, schedule, new CounterRandom(SEED), shape);
}

/** Three steps, then images that are kept aside: losses and ε̂. */
async function run(trainer: Trainer) {
  await trainer.unet.importState(weights);
  const losses: number[] = [];
  for (let step = 0; step < 3; step++) losses.push((await trainer.step(batch(step))).loss);
  const images = Uint32Array.of(4, 5, 9);
  const held = { images, pixels: pixels(9), t: Int32Array.of(3, 140, 250) };
  const { epsilon, noise } = await trainer.evaluate(held);
  const result = { losses, epsilon: epsilon.slice(), noise: noise.slice() };
  await trainer.dispose();
  return result;
}

const whole = () => run(WasmTrainer.create({ ...net, schedule, seed: SEED }));

test('training on the engine has the same bits in two parts and in one program', async (t) => {
  const unet = WasmNetwork.create(net).network;
  t.deepEqual(await run(new SplitTrainer(unet, wasmPreprocessing(), 0)), await whole());
});

async function agrees(t: ExecutionContext, unet: NetworkDevice, preprocessing: Preprocessing) {
  const expected = await whole();
  const got = await run(new SplitTrainer(unet, preprocessing, 0));
  close(t, got.losses, expected.losses, { rtol: 1e-4, what: 'losses' });
  close(t, got.epsilon, expected.epsilon, { atol: 1e-3, what: 'ε̂' });
  t.deepEqual(got.noise, expected.noise);
}

tensorflowTest(
  'training matches with the U-Net on TensorFlow and preprocessing on the engine',
  async (t) => {
    await agrees(t, await createTensorflowNetwork(net), wasmPreprocessing());
  },
);

tensorflowTest('training matches with U-Net and preprocessing on TensorFlow', async (t) => {
  await agrees(t, await createTensorflowNetwork(net), await tensorflowPreprocessing());
});

tensorflowTest(
  'training matches with the U-Net on the engine and preprocessing on TensorFlow',
  async (t) => {
    await agrees(t, WasmNetwork.create(net).network, await tensorflowPreprocessing());
  },
);

test('labels reach the network in training and evaluation, in two parts and in one program', async (t) => {
  const whole = (labels: number[]) =>
    runTold(WasmTrainer.create({ ...toldNet, schedule, seed: SEED }), labels);
  const unet = WasmNetwork.create(toldNet).network;
  const expected = await whole([0, 3, 2]);
  const split = new SplitTrainer(unet, wasmPreprocessing(), 0);
  t.deepEqual(await runTold(split, [0, 3, 2]), expected);
  t.notDeepEqual((await whole([0, 1, 2])).losses, expected.losses);
});

tensorflowTest('labels reach the network on TensorFlow', async (t) => {
  const unet = await createTensorflowNetwork(toldNet);
  const got = await runTold(new SplitTrainer(unet, wasmPreprocessing(), 0), [0, 3, 2]);
  const whole = WasmTrainer.create({ ...toldNet, schedule, seed: SEED });
  const expected = await runTold(whole, [0, 3, 2]);
  close(t, got.losses, expected.losses, { rtol: 1e-4, what: 'losses' });
  close(t, got.epsilon, expected.epsilon, { atol: 1e-3, what: 'ε̂' });
});
