import test, { type ExecutionContext } from 'ava';
import type { Piscina } from 'piscina';
import { CounterRandom, PURPOSE } from '../../src/diffusion/random.js';
import { makeTrajectory, type SamplerOptions } from '../../src/diffusion/sampler.js';
import { makeSchedule } from '../../src/diffusion/schedule.js';
import { Arithmetic } from '../../src/engine/arithmetic.js';
import { EngineError, UsageError } from '../../src/errors.js';
import { ReversePool, type ReversePoolOptions } from '../../src/wasm/reverse-pool.js';

const SEED = 11;
const STEPS = 4;
const schedule = makeSchedule({
  schedule: 'linear',
  timesteps: 40,
  betaStart: 1e-3,
  betaEnd: 0.2,
});

/** Images large enough that four workers share out a batch of five. */
const [BATCH, EACH] = [5, 60_000];
const images = Uint32Array.of(3, 4, 9, 1, 9);

function open(t: ExecutionContext, options: Partial<ReversePoolOptions> = {}): ReversePool {
  const pool = ReversePool.create({
    trajectory: makeTrajectory(schedule, { sampler: 'ancestral', steps: STEPS }),
    ...{ seed: SEED, batch: BATCH, each: EACH, lanes: 1, workers: 1, strict: false },
    ...options,
  });
  t.teardown(() => pool.destroy());
  return pool;
}

/** Stands for the U-Net: values that differ by element and step. */
const epsilonOf = (step: number) =>
  Float32Array.from({ length: BATCH * EACH }, (_, i) => ((i * 7 + step * 13) % 101) / 50 - 1);

function contents(pool: ReversePool, lane: number): Float32Array {
  const out = new Float32Array(BATCH * EACH);
  pool.read(lane, out);
  return out;
}

interface Walk {
  /** x_T, then x after each step. */
  readonly moments: readonly Float32Array[];
  readonly pixels: Uint8Array;
}

/** A trajectory on the pool. */
async function walk(pool: ReversePool, lane = 0): Promise<Walk> {
  await pool.start(lane, images);
  const moments = [contents(pool, lane)];
  for (let step = 0; step < STEPS; step++) {
    await pool.step(lane, step, epsilonOf(step));
    moments.push(contents(pool, lane));
  }
  return { moments, pixels: await pool.pixels(lane, images.subarray(0, 3)) };
}

/** The same on this thread. */
function expected(options: SamplerOptions): Walk {
  const trajectory = makeTrajectory(schedule, options);
  const { kernel, streams, coefficients, width, history, threshold } = trajectory;
  const none = () => new Float32Array(BATCH * EACH);
  const memory = { history: Array.from({ length: history }, none), threshold, each: EACH };
  const [arithmetic, random] = [new Arithmetic(), new CounterRandom(SEED)];
  const normals = (purpose: 9 | 10, t: number) => {
    const out = new Float32Array(BATCH * EACH);
    for (const [i, k] of images.entries()) out.set(random.normals(purpose, k, t, EACH), i * EACH);
    return out;
  };
  let x = normals(PURPOSE.sampleInit, 0);
  const moments = [x];
  for (let step = 0; step < STEPS; step++) {
    const row = coefficients.slice(step * width, (step + 1) * width);
    const z = normals(PURPOSE.sampleNoise, streams[step]!);
    x = arithmetic.reverseStep(kernel, x, epsilonOf(step), z, row, memory);
    moments.push(x);
  }
  return { moments, pixels: arithmetic.toBytes(x.slice(0, 3 * EACH)) };
}

/** Whether all moments have the same bits. */
function same(t: ExecutionContext, got: Walk, want: Walk, message = ''): void {
  t.is(got.moments.length, want.moments.length);
  const equal = (a: Float32Array | Uint8Array, b: Float32Array | Uint8Array) =>
    Buffer.compare(Buffer.from(a.buffer), Buffer.from(b.buffer)) === 0;
  for (const [i, moment] of got.moments.entries())
    t.true(equal(moment, want.moments[i]!), `${message} moment ${i}`);
  t.true(equal(got.pixels, want.pixels), `${message} pixels`);
}

for (const options of [
  { sampler: 'ancestral', steps: STEPS },
  { sampler: 'ddim', steps: STEPS, eta: 0.5 },
  { sampler: 'ddim', steps: STEPS, eta: 0 },
  { sampler: 'dpm++3m', steps: STEPS },
  { sampler: 'dpm++sde', steps: STEPS, dynamicThreshold: 0.9 },
  { sampler: 'unipc', steps: STEPS, order: 3, lowerOrderFinal: false },
] as const)
  test(`Noise, steps and bytes equal those of one thread for any workers: ${JSON.stringify(options)}`, async (t) => {
    const trajectory = makeTrajectory(schedule, options);
    const want = expected(options);
    for (const workers of [1, 2, 4])
      same(t, await walk(open(t, { trajectory, workers })), want, `${workers} workers`);
  });

test('Concurrent lanes do not disturb each other', async (t) => {
  const pool = open(t, { lanes: 3, workers: 2 });
  const want = expected({ sampler: 'ancestral', steps: STEPS });
  const got = await Promise.all([0, 1, 2].map((lane) => walk(pool, lane)));
  for (const lane of got) same(t, lane, want);
});

test('A lost worker fails only its lane, which can be retried', async (t) => {
  const pool = open(t, { lanes: 2, workers: 2 });
  const want = await walk(pool);
  let failed = 0;
  // A worker that dies between two tasks fails nobody.
  while (failed === 0) {
    const [first] = (pool as unknown as { engine: { workers: { pool: Piscina } } }).engine.workers
      .pool.threads;
    const lanes = [0, 1].map((lane) => walk(pool, lane));
    setTimeout(() => first!.terminate(), 3);
    for (const end of await Promise.allSettled(lanes))
      if (end.status === 'fulfilled') same(t, end.value, want);
      else {
        failed++;
        t.true(end.reason instanceof EngineError);
        t.regex(end.reason.message, /^worker \d stopped while running \w+: worker exited/);
      }
  }
  t.is(failed, 1);
  same(t, await walk(pool), want);
});

test('Batches that do not fit are refused before anything is allocated', (t) => {
  const error = t.throws(() => open(t, { batch: 20_000, lanes: 2 }), { instanceOf: UsageError });
  t.regex(error!.message, /this needs .* GiB, available are 4\.00 GiB; give a smaller --batch/);
});
