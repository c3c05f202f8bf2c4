import test from 'ava';
import { completeModel } from '../../src/config/network-settings.js';
import type { NetworkDevice } from '../../src/contracts/device.js';
import type { Sampler } from '../../src/contracts/sampler.js';
import type { Condition } from '../../src/diffusion/guidance.js';
import { CounterRandom, PURPOSE } from '../../src/diffusion/random.js';
import { type ReverseStep, ReverseWalk } from '../../src/diffusion/reverse-walk.js';
import { makeTrajectory, type SamplerOptions } from '../../src/diffusion/sampler.js';
import { makeSchedule } from '../../src/diffusion/schedule.js';
import { Arithmetic } from '../../src/engine/arithmetic.js';
import { WasmNetwork } from '../../src/engine/network/wasm-network.js';
import { batches, ImageRange } from '../../src/generate/image-range.js';
import { ImageMaker } from '../../src/generate/make-images.js';
import { OverlappedGenerator } from '../../src/generate/overlapped-generator.js';
import { initialState } from '../../src/network/initial-state.js';
import { buildNetwork } from '../../src/network/network.js';
import { PooledSampler } from '../../src/sample/pooled-sampler.js';
import { SplitSampler } from '../../src/sample/split-sampler.js';
import { createTensorflowArithmetic } from '../../src/tensorflow/arithmetic.js';
import { createTensorflowNetwork } from '../../src/tensorflow/network-device.js';
import { ReversePool } from '../../src/wasm/reverse-pool.js';
import { WasmGenerator } from '../../src/wasm/wasm-generator.js';
import { WasmSampler } from '../../src/wasm/wasm-sampler.js';
import { close } from '../helpers/kernels.js';
import { tensorflowTest } from '../helpers/tensorflow.js';

const [SEED, SIZE, EACH] = [3, 8, 8 * 8 * 3];

const modelOf = (numClasses: number | 'timestep') =>
  completeModel({
    ...{ kind: 'unet2d', size: SIZE, widths: [8, 16], layers: 1, groups: 4, headDim: 8 },
    numClasses,
  });

const schedule = makeSchedule({
  ...{ schedule: 'linear', timesteps: 40, betaStart: 1e-4, betaEnd: 0.1 },
});

/** Everything around a sampler of a network of four classes, the last of which stands for none. */
const settings = (how: SamplerOptions, numClasses: number | 'timestep' = 4) => ({
  ...{ architecture: modelOf(numClasses), size: SIZE, timesteps: 40, threads: 2 },
  trajectory: makeTrajectory(schedule, how),
  ...({ norm: 'running', seed: SEED } as const),
});

const weightsOf = (numClasses: number | 'timestep' = 4) =>
  initialState(buildNetwork(modelOf(numClasses)), new CounterRandom(SEED));

const GUIDED: Condition = { labels: [2, 0, 1], guidance: 3, none: 3 };

async function draw(sampler: Sampler, images: readonly number[], steps: number) {
  await sampler.start(Uint32Array.from(images));
  await sampler.advance(0, steps);
  const x = sampler.read();
  await sampler.dispose();
  return x;
}

async function whole(
  how: SamplerOptions,
  images: readonly number[],
  condition: Condition | null,
  numClasses: number | 'timestep' = 4,
): Promise<Float32Array> {
  const options = { ...settings(how, numClasses), condition, batch: images.length };
  const sampler = WasmSampler.create(options);
  await sampler.unet.importState(weightsOf(numClasses));
  return draw(sampler, images, options.trajectory.timesteps.length);
}

async function split(
  how: SamplerOptions,
  images: readonly number[],
  condition: Condition,
  open: (batch: number) => Promise<NetworkDevice>,
  arithmetic: ReverseStep,
): Promise<Float32Array> {
  const unet = await open(images.length * (condition.guidance === 1 ? 1 : 2));
  await unet.importState(weightsOf());
  const { trajectory, norm } = settings(how);
  const random = new CounterRandom(SEED);
  const rest = { trajectory, norm, random, each: EACH, condition };
  const sampler = new SplitSampler({ unet, arithmetic, ...rest });
  return draw(sampler, images, trajectory.timesteps.length);
}

const net = (batch: number) => ({
  ...{ architecture: modelOf(4), size: SIZE, timesteps: 40, threads: 2, training: false, batch },
});

const SAMPLERS = [
  { sampler: 'ancestral' },
  { sampler: 'ddim', steps: 5, eta: 0.5 },
  { sampler: 'euler', steps: 4, karras: true },
  { sampler: 'heun', steps: 3 },
  { sampler: 'dpm++2m', steps: 5, dynamicThreshold: 0.99 },
  { sampler: 'dpm++sde', steps: 4 },
  { sampler: 'unipc', steps: 5 },
] as const;

for (const how of SAMPLERS) {
  const name = JSON.stringify(how);
  test(`${name}, guided, has the same bits in two parts and in one program`, async (t) => {
    const expected = await whole(how, [4, 5, 6], GUIDED);
    const open = async (batch: number) => WasmNetwork.create(net(batch)).network;
    t.deepEqual(await split(how, [4, 5, 6], GUIDED, open, new Arithmetic()), expected);
  });

  tensorflowTest(`${name}, guided, draws the same images on TensorFlow`, async (t) => {
    const arithmetic = await createTensorflowArithmetic();
    const open = (batch: number) => createTensorflowNetwork(net(batch));
    const got = await split(how, [4, 5, 6], GUIDED, open, arithmetic);
    close(t, got, await whole(how, [4, 5, 6], GUIDED), { atol: 5e-4 });
  });
}

test('a guided step uses m_none + W·(m_class − m_none) from two passes over the same images', async (t) => {
  const how = { sampler: 'ddim', steps: 4, eta: 0.5 } as const;
  const images = [4, 5, 6];
  const { network } = WasmNetwork.create(net(3));
  t.teardown(() => network.dispose());
  await network.importState(weightsOf());
  const { trajectory } = settings(how);
  const random = new CounterRandom(SEED);
  const draws = (purpose: (typeof PURPOSE)['sampleInit' | 'sampleNoise'], stream: number) =>
    Float32Array.from(images.flatMap((k) => [...random.normals(purpose, k, stream, EACH)]));
  const walk = new ReverseWalk(trajectory, new Arithmetic(), draws(PURPOSE.sampleInit, 0), EACH);
  for (const [step, time] of trajectory.timesteps.entries()) {
    const t = new Int32Array(3).fill(time);
    // Images 4, 5 and 6 take the labels 2, 0, 1 from their number on.
    const ofClass = await network.predict(
      { xt: walk.x, t, labels: Int32Array.of(0, 1, 2) },
      'running',
    );
    const ofNone = await network.predict(
      { xt: walk.x, t, labels: Int32Array.of(3, 3, 3) },
      'running',
    );
    const m = ofNone.map((none, i) => none + 3 * (ofClass[i]! - none));
    walk.step(step, m, draws(PURPOSE.sampleNoise, trajectory.streams[step]!));
  }
  close(t, await whole(how, images, GUIDED), walk.x, { atol: 1e-5 });
});

test('a guidance of 1 uses the class alone, and other values change the images', async (t) => {
  const how = { sampler: 'ddim', steps: 4 } as const;
  const plain = await whole(how, [0, 1], { ...GUIDED, guidance: 1 });
  t.deepEqual(await whole(how, [0, 1], { labels: GUIDED.labels, guidance: 1, none: null }), plain);
  const nearly = await whole(how, [0, 1], { ...GUIDED, guidance: 1.0001 });
  close(t, nearly, plain, { atol: 1e-3 });
  t.notDeepEqual(await whole(how, [0, 1], GUIDED), plain);
  const none = { ...GUIDED, labels: [3], guidance: 1 };
  close(t, await whole(how, [0, 1], { ...GUIDED, guidance: 0 }), await whole(how, [0, 1], none), {
    atol: 1e-6,
  });
});

for (const classes of [4, 'timestep'] as const)
  test(`an image does not depend on others in its batch, guided or not: classes ${classes}`, async (t) => {
    const how = { sampler: 'ddim', steps: 4, eta: 0.5 } as const;
    for (const condition of [GUIDED, { ...GUIDED, guidance: 1 }]) {
      const four = await whole(how, [4, 5, 6, 7], condition, classes);
      t.deepEqual(await whole(how, [6], condition, classes), four.slice(2 * EACH, 3 * EACH));
      t.notDeepEqual(
        await whole(how, [6], { ...condition, labels: [1] }, classes),
        four.slice(2 * EACH, 3 * EACH),
      );
      const generator = await WasmGenerator.create(
        { ...settings(how, classes), condition, batch: 2, workers: 2, strict: false },
        weightsOf(classes),
      );
      t.teardown(() => generator.dispose());
      const pairs = await Promise.all([
        generator.make(0, Uint32Array.of(4, 5)),
        generator.make(1, Uint32Array.of(6, 7)),
      ]);
      const expected = new Arithmetic().toBytes(four);
      t.deepEqual(Buffer.concat(pairs), Buffer.from(expected));
    }
  });

test('with its arithmetic on a pool, a guided batch has the same bits', async (t) => {
  const how = { sampler: 'ddim', steps: 4, eta: 0.5 } as const;
  const { network: unet } = WasmNetwork.create(net(6));
  await unet.importState(weightsOf());
  const { trajectory, norm } = settings(how);
  const shape = { batch: 3, each: EACH, lanes: 1, workers: 2 };
  const pool = ReversePool.create({ trajectory, seed: SEED, ...shape, strict: false });
  const sampler = new PooledSampler({ unet, pool, trajectory, norm, condition: GUIDED });
  t.is(sampler.batch, 3);
  t.deepEqual(await draw(sampler, [4, 5, 6], 4), await whole(how, [4, 5, 6], GUIDED));
});

test('with a device, the pool draws guided images with the same bits', async (t) => {
  const how = { sampler: 'ddim', steps: 4, eta: 0.5 } as const;
  const { network } = WasmNetwork.create(net(4));
  await network.importState(weightsOf());
  const { trajectory, norm } = settings(how);
  const shape = { batch: 2, each: EACH, lanes: 2, workers: 2 };
  const pool = ReversePool.create({ trajectory, seed: SEED, ...shape, strict: false });
  const options = { lanes: 2, trajectory, norm, condition: GUIDED };
  const generator = new OverlappedGenerator(network, pool, options);
  t.teardown(() => generator.dispose());
  t.is(generator.batch, 2);
  const pixels = new Uint8Array(5 * EACH);
  const work = batches(new ImageRange(0, 5), 2, 'running');
  await new ImageMaker(generator, () => {}).run(work, async (image) =>
    pixels.set(image.pixels, image.index * EACH),
  );
  const expected = new Arithmetic().toBytes(await whole(how, [0, 1, 2, 3, 4], GUIDED));
  t.deepEqual(Buffer.from(pixels), Buffer.from(expected));
});
