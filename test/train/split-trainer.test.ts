import test, { type ExecutionContext } from 'ava';
import { completeModel } from '../../src/config/network-settings.js';
import type { NetworkDevice } from '../../src/contracts/device.js';
import type { Preprocessing } from '../../src/contracts/preprocessing.js';
import type { PixelImages, TrainBatch, Trainer } from '../../src/contracts/trainer.js';
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

const batch = (step: number): TrainBatch & PixelImages => ({
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

test('a batch that is announced is prepared beside the step before it, with the same bits', async (t) => {
  const unet = WasmNetwork.create(net).network;
  const trainer = new SplitTrainer(unet, wasmPreprocessing(), 0);
  const batches = [batch(0), batch(1), batch(2)];
  const { step } = trainer;
  // Announces each but the first; between two steps other images pass through the same memory.
  trainer.step = async (asked) => {
    if (asked.step < 2) trainer.prepare(batches[asked.step + 1]!);
    const result = await step.call(trainer, batches[asked.step]!);
    await trainer.evaluate({
      images: Uint32Array.of(1, 2, 3),
      pixels: pixels(7),
      t: Int32Array.of(1, 2, 3),
    });
    return result;
  };
  t.deepEqual(await run(trainer), await whole());
});

/** A device and a preprocessing that record when they begin and end. */
function recording(parts = 1) {
  const log: string[] = [];
  const unet = {
    trainStep: async () => {
      log.push('step');
      // As TensorFlow does: nothing else happens on this thread.
      return 1;
    },
    imageLosses: () => new Float64Array(3 / parts),
    dispose: async () => {},
  } as unknown as NetworkDevice;
  const preprocessing = (apart: boolean): Preprocessing => ({
    ...{ apart, memoryBytes: 0, evaluate: () => Promise.reject(new Error('unused')) },
    train: async ({ step, first, pixels }) => {
      log.push(`begin ${step}.${first}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
      if (pixels?.[0] === 255) throw new Error(`no images for ${step}`);
      log.push(`end ${step}.${first}`);
      const none = new Float32Array();
      return { xt: none, noise: none, mixture: { t: none } as never };
    },
    dispose: async () => {
      log.push('dispose');
    },
  });
  return { log, unet, preprocessing };
}

test('an announced batch is begun before the network is, and the next part of a step too', async (t) => {
  const { log, unet, preprocessing } = recording();
  const trainer = new SplitTrainer(unet, preprocessing(true), 0);
  const [first, second, third] = [batch(0), batch(1), batch(2)];
  trainer.prepare(second);
  await trainer.step(first);
  t.deepEqual(log.splice(0), ['begin 0.0', 'end 0.0', 'begin 1.0', 'step']);
  // Another batch than the announced one waits for the memory, and is prepared in its place.
  await trainer.step(third);
  t.deepEqual(log.splice(0), ['end 1.0', 'begin 2.0', 'end 2.0', 'step']);
  trainer.prepare(second);
  await trainer.step(first);
  log.length = 0;
  await trainer.dispose();
  t.deepEqual(log, ['end 1.0', 'dispose']);

  const parts = recording(3);
  const accumulating = new SplitTrainer(parts.unet, parts.preprocessing(true), 0, 3);
  await accumulating.step(first);
  const expected = ['begin 0.0', 'end 0.0', 'begin 0.1', 'step', 'end 0.1', 'begin 0.2', 'step'];
  t.deepEqual(parts.log, [...expected, 'end 0.2', 'step']);
});

test('preprocessing on the calling thread is not begun ahead, and a failure is thrown by its own step', async (t) => {
  const same = recording();
  const trainer = new SplitTrainer(same.unet, same.preprocessing(false), 0);
  trainer.prepare(batch(1));
  await trainer.step(batch(0));
  t.deepEqual(same.log, ['begin 0.0', 'end 0.0', 'step']);

  const failing = recording();
  const apart = new SplitTrainer(failing.unet, failing.preprocessing(true), 0);
  const broken = { ...batch(1), pixels: pixels(1).fill(255) };
  apart.prepare(broken);
  t.is((await apart.step(batch(0))).loss, 1);
  await t.throwsAsync(() => apart.step(broken), { message: 'no images for 1' });
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
