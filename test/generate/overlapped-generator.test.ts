import test, { type ExecutionContext } from 'ava';
import type { NetworkDevice, NetworkInput } from '../../src/contracts/device.js';
import { CounterRandom } from '../../src/diffusion/random.js';
import { makeTrajectory } from '../../src/diffusion/sampler.js';
import { makeSchedule } from '../../src/diffusion/schedule.js';
import { Arithmetic } from '../../src/engine/arithmetic.js';
import { batches, ImageRange } from '../../src/generate/image-range.js';
import { ImageMaker } from '../../src/generate/make-images.js';
import { OverlappedGenerator } from '../../src/generate/overlapped-generator.js';
import { SplitSampler } from '../../src/sample/split-sampler.js';
import { ReversePool } from '../../src/wasm/reverse-pool.js';

const [EACH, STEPS, SEED] = [16 * 16 * 3, 6, 2];
const schedule = makeSchedule({
  schedule: 'linear',
  timesteps: STEPS,
  betaStart: 1e-3,
  betaEnd: 0.2,
});
const trajectory = makeTrajectory(schedule, { sampler: 'ancestral' });

/** A U-Net that looks at each element alone; `onPass` comes before a pass, in the calling thread. */
function fakeUnet(batch: number, onPass: (input: NetworkInput) => void = () => {}): NetworkDevice {
  const unet: Pick<NetworkDevice, 'name' | 'description' | 'batch' | 'predict' | 'dispose'> = {
    ...{ name: 'tensorflow', description: 'fake', batch },
    predict: async (input) => {
      onPass(input);
      return input.xt.map((x, i) => Math.sin(3 * x + input.t[0]! + (i % EACH)));
    },
    dispose: async () => {},
  };
  return unet as NetworkDevice;
}

function open(t: ExecutionContext, unet: NetworkDevice, lanes: number, workers = 2) {
  const { batch } = unet;
  const shape = { batch, each: EACH, lanes, workers };
  const pool = ReversePool.create({ trajectory, seed: SEED, ...shape, strict: false });
  const generator = new OverlappedGenerator(unet, pool, { lanes, trajectory, norm: 'running' });
  t.teardown(() => generator.dispose());
  return generator;
}

async function make(generator: OverlappedGenerator, count: number): Promise<Uint8Array> {
  const pixels = new Uint8Array(count * EACH);
  const maker = new ImageMaker(generator, () => {});
  const work = batches(new ImageRange(0, count), generator.batch, 'running');
  await maker.run(work, async (image) => pixels.set(image.pixels, image.index * EACH));
  return pixels;
}

/** What `sample` makes of the same device. */
async function sampled(count: number): Promise<Uint8Array> {
  const arithmetic = new Arithmetic();
  const random = new CounterRandom(SEED);
  const shape = { trajectory, norm: 'running', random, each: EACH } as const;
  const sampler = new SplitSampler({ unet: fakeUnet(count), arithmetic, ...shape });
  await sampler.start(Uint32Array.from({ length: count }, (_, k) => k));
  await sampler.advance(0, STEPS);
  return arithmetic.toBytes(sampler.read());
}

test('Images equal those of the sampler for any lanes, workers and batches', async (t) => {
  const expected = await sampled(11);
  for (const [lanes, workers, batch] of [
    [1, 1, 11],
    [1, 2, 4],
    [2, 1, 3],
    [2, 2, 5],
    [2, 4, 1],
  ] as const) {
    const got = await make(open(t, fakeUnet(batch), lanes, workers), 11);
    t.is(Buffer.compare(got, expected), 0, `${lanes} lanes, ${workers} workers, batch ${batch}`);
  }
});

test('While the device blocks the calling thread, the pool takes the step of another batch', async (t) => {
  // So many values that a step takes milliseconds.
  const each = 1 << 21;
  const pool = ReversePool.create({
    ...{ trajectory, seed: SEED, batch: 1, each, lanes: 2, workers: 2, strict: false },
  });
  const { engine, plan } = pool as unknown as PoolInside;
  const last = [0, 1].map((i) => engine.floats(plan.lanes[i]![0]!.x, each).subarray(each - 1));
  const seen = [Number.NaN, Number.NaN];
  let lane = 0;
  pool.read = (of) => {
    lane = of;
  };
  let during = 0;
  const unet = fakeUnet(1);
  unet.predict = async () => {
    const other = 1 - lane;
    if (last[other]![0] === seen[other] && changes(last[other]!)) during++;
    seen[lane] = last[lane]![0]!;
    return new Float32Array(each).fill(0.5);
  };
  const generator = new OverlappedGenerator(unet, pool, { lanes: 2, trajectory, norm: 'running' });
  t.teardown(() => generator.dispose());
  const one = (lane: number) => generator.make(lane, Uint32Array.of(lane));
  for (let round = 0; round < 3; round++) await Promise.all([one(0), one(1)]);
  // Not all are seen: fast kernels may end before a pass begins. Where the pool waited for the device, none would be.
  t.true(during > 0, `${during} steps of the other lane ended during a pass`);
});

interface PoolInside {
  readonly engine: { floats(at: number, length: number): Float32Array };
  readonly plan: { readonly lanes: readonly (readonly { readonly x: number }[])[] };
}

/** Holds this thread, as TensorFlow does, until a value in shared memory is another; false if it stays. */
function changes(value: Float32Array): boolean {
  const [before] = value;
  // Sleeps leave the cores to the pool; their number, and not a clock, ends the wait, so that a halted machine does not.
  for (let look = 0; look < 2000; look++) {
    if (value[0] !== before) return true;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
  }
  return false;
}

test('The device receives one batch at a time, and each batch at every timestep', async (t) => {
  let busy = 0;
  const timesteps: number[] = [];
  const unet = fakeUnet(1);
  const predict = unet.predict.bind(unet);
  unet.predict = async (input, norm) => {
    t.is(busy++, 0);
    timesteps.push(input.t[0]!);
    const epsilon = await predict(input, norm);
    await new Promise((resolve) => setTimeout(resolve, 2));
    busy--;
    return epsilon;
  };
  await make(open(t, unet, 2), 2);
  t.deepEqual(timesteps.sort(), [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]);
});

test('A device that fails ends the run with its error', async (t) => {
  let passes = 0;
  const unet = fakeUnet(2, () => {
    if (++passes === 5) throw new RangeError('out of memory on the device');
  });
  await t.throwsAsync(make(open(t, unet, 2), 8), { message: 'out of memory on the device' });
});

test('Disposing of a generator ends the work in progress', async (t) => {
  const generator = open(
    t,
    fakeUnet(1, () => void generator.dispose()),
    2,
  );
  await t.throwsAsync(Promise.all([0, 1].map((lane) => generator.make(lane, Uint32Array.of(1)))));
});
