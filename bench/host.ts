import os from 'node:os';
import type { NetworkDevice } from '../src/contracts/device.js';
import type { TrainBatch } from '../src/contracts/trainer.js';
import { makeTrajectory } from '../src/diffusion/sampler.js';
import { makeSchedule } from '../src/diffusion/schedule.js';
import { OverlappedGenerator } from '../src/generate/overlapped-generator.js';
import { PooledSampler } from '../src/sample/pooled-sampler.js';
import { SplitTrainer } from '../src/train/split-trainer.js';
import { ReversePool } from '../src/wasm/reverse-pool.js';
import { WasmPreprocessing } from '../src/wasm/wasm-preprocessing.js';

/*
 * What Haze adds to the steps of a GPU, on a machine without one: a stand-in for the network keeps the calling thread waiting for some milliseconds
 * a step, without using the processor, as TensorFlow does while a GPU computes. Everything else is the real one: batches and noise
 * on the pool, the copies to and from it, the reverse steps. What the binding of TensorFlow and the transfers to the GPU add is not
 * part of it. Images of 64x64.
 *
 *   node dist/bench/host.js [milliseconds of a step, 20] [images, 128] [steps, 50]
 */

const [step, images, steps] = [20, 128, 50].map((usual, i) => Number(process.argv[2 + i] ?? usual));
const [SIZE, CHANNELS] = [64, 3];
const each = SIZE * SIZE * CHANNELS;
const threads = os.availableParallelism();
const options = { schedule: 'linear', timesteps: 300, betaStart: 1e-4, betaEnd: 0.02 } as const;
const schedule = makeSchedule(options);
const trajectory = makeTrajectory(schedule, { sampler: 'ancestral' });
/** Steps before those that are measured. */
const WARMUP = 5;

const MOST = options.timesteps - WARMUP;
const whole = (n: number, most: number) => Number.isInteger(n) && n >= 1 && n <= most;
if (
  !(whole(step!, 10_000) && whole(images!, 4096) && whole(steps!, MOST)) ||
  process.argv.length > 5
) {
  process.stderr.write(
    `usage: node dist/bench/host.js [MS up to 10000] [IMAGES up to 4096] [STEPS up to ${MOST}]\n`,
  );
  process.exit(2);
}

/** The stand-in, and the time that was spent in it. */
class Device {
  readonly name = 'tensorflow';
  readonly description = 'stand-in';
  readonly batch = images!;
  inside = 0;
  readonly #output = new Float32Array(images! * each).fill(0.5);
  readonly #never = new Int32Array(new SharedArrayBuffer(4));

  predict = () => this.#compute(this.#output);
  trainStep = () => this.#compute(0.5);
  imageLosses = () => new Float64Array(this.batch);
  dispose = async () => {};

  async #compute<T>(result: T): Promise<T> {
    const begun = performance.now();
    Atomics.wait(this.#never, 0, 0, step);
    this.inside += performance.now() - begun;
    return result;
  }
}

const network = (device: Device) => device as unknown as NetworkDevice;

/** Prints the mean of what was measured since `begun`. */
function report(what: string, { inside }: Device, begun: number, count: number): void {
  const all = performance.now() - begun;
  const added = ((all - inside) / count).toFixed(2);
  const share = ((100 * inside) / all).toFixed(1);
  process.stdout.write(
    `${what.padEnd(10)} ${(all / count).toFixed(2)} ms a step, of which ${added} ms are Haze's: the device is busy for ${share} %\n`,
  );
}

async function train(): Promise<void> {
  const device = new Device();
  const preprocessing = { batch: images!, size: SIZE, channels: CHANNELS, schedule, seed: 0 };
  const trainer = new SplitTrainer(
    network(device),
    new WasmPreprocessing({ ...preprocessing, threads }),
    0,
  );
  const read = (step: number): TrainBatch => ({
    ...{ step, lr: 1e-3, pixels: new Uint8Array(images! * each) },
    ...{ flips: new Uint32Array(images!), t: new Int32Array(images!).fill(100) },
  });
  let begun = 0;
  let next = read(0);
  for (let i = 0; i < WARMUP + steps!; i++) {
    if (i === WARMUP) [begun, device.inside] = [performance.now(), 0];
    const batch = next;
    next = read(i + 1);
    trainer.prepare(next);
    await trainer.step(batch);
  }
  report('train', device, begun, steps!);
  await trainer.dispose();
}

const numbers = (first: number) => Uint32Array.from({ length: images! }, (_, i) => first + i);
const reverse = { trajectory, seed: 0, batch: images!, each, workers: threads, strict: false };

async function sample(): Promise<void> {
  const device = new Device();
  const pool = ReversePool.create({ ...reverse, lanes: 1 });
  const sampler = new PooledSampler({ unet: device, pool, trajectory, norm: 'running' });
  await sampler.start(numbers(0));
  await sampler.advance(0, WARMUP);
  device.inside = 0;
  const begun = performance.now();
  await sampler.advance(WARMUP, WARMUP + steps!);
  report('sample', device, begun, steps!);
  await sampler.dispose();
}

async function generate(): Promise<void> {
  const device = new Device();
  const pool = ReversePool.create({ ...reverse, lanes: 2 });
  const lanes = { lanes: 2, trajectory, norm: 'running' } as const;
  const generator = new OverlappedGenerator(network(device), pool, lanes);
  const begun = performance.now();
  await Promise.all([0, 1].map((lane) => generator.make(lane, numbers(lane * images!))));
  report('generate', device, begun, 2 * trajectory.timesteps.length);
  await generator.dispose();
}

process.stdout.write(
  `batches of ${images} images, ${threads} threads, ${step} ms a step in the device\n`,
);
await train();
await sample();
await generate();
