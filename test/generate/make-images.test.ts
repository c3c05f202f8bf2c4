import test, { type ExecutionContext } from 'ava';
import type { Piscina } from 'piscina';
import { makeTrajectory } from '../../src/diffusion/sampler.js';
import { makeSchedule } from '../../src/diffusion/schedule.js';
import { EngineError, UsageError } from '../../src/errors.js';
import { batches, ImageRange } from '../../src/generate/image-range.js';
import { ImageMaker } from '../../src/generate/make-images.js';
import { WasmGenerator, type WasmGeneratorOptions } from '../../src/wasm/wasm-generator.js';
import { model, weightsOf } from '../helpers/generate.js';

const poolOf = (generator: WasmGenerator): Piscina =>
  (generator as unknown as { engine: { workers: { pool: Piscina } } }).engine.workers.pool;

/**
 * The workers that have started, of a generator whose workers all have: Node may abort when one is ended before. A new one says
 * so with its first message.
 */
function startedOf(generator: WasmGenerator): () => Piscina['threads'] {
  const pool = poolOf(generator);
  const seen = new Set(pool.threads);
  const started = new Set(pool.threads);
  return () => {
    for (const thread of pool.threads) {
      if (!seen.has(thread)) thread.once('message', () => started.add(thread));
      seen.add(thread);
    }
    return pool.threads.filter((thread) => started.has(thread));
  };
}

function optionsFor(steps: number): WasmGeneratorOptions {
  const schedule = makeSchedule({
    timesteps: 100,
    schedule: 'linear',
    betaStart: 1e-4,
    betaEnd: 0.1,
  });
  return {
    architecture: model,
    size: model.size,
    timesteps: 100,
    batch: 2,
    workers: 2,
    strict: false,
    trajectory: makeTrajectory(schedule, { sampler: 'ddim', steps }),
    norm: 'running',
    seed: 3,
  };
}

async function open(t: ExecutionContext, steps: number): Promise<WasmGenerator> {
  const generator = await WasmGenerator.create(optionsFor(steps), weightsOf(1));
  t.teardown(() => generator.dispose());
  return generator;
}

/** Images by number; `onMidway` is told now and then how many lanes are in the middle of a batch. */
async function make(
  generator: WasmGenerator,
  onMidway?: (lanes: number) => void,
  notes: string[] = [],
  count = 8,
): Promise<Map<number, Uint8Array>> {
  const images = new Map<number, Uint8Array>();
  const maker = new ImageMaker(generator, (text) => notes.push(text));
  const midway = (lane: number) => {
    const steps = generator.stepsDone(lane);
    return steps > 0 && steps < generator.steps / 2;
  };
  const timer = setInterval(() => onMidway?.([0, 1].filter(midway).length), 1);
  try {
    await maker.run(batches(new ImageRange(0, count), 2, 'running'), async ({ index, pixels }) => {
      images.set(index, pixels.slice());
    });
    return images;
  } finally {
    clearInterval(timer);
  }
}

test('A lost worker is replaced, its batch is drawn again, and the images are the same', async (t) => {
  const expected = await make(await open(t, 100));
  const generator = await open(t, 100);
  const notes: string[] = [];
  const started = startedOf(generator);
  let killed: unknown;
  let images = new Map<number, Uint8Array>();
  // On a busy machine a worker may have finished its batch before it is ended: then another one is.
  const kill = (lanes: number) => {
    const [worker] = started();
    if (!worker || lanes < 2 || notes.length > 0 || worker === killed) return;
    killed = worker;
    void worker.terminate();
  };
  while (notes.length === 0) images = await make(generator, kill, notes);
  t.is(notes.length, 1);
  t.regex(
    notes[0]!,
    /^worker [01] stopped while running \w+: worker exited.*; images \d to \d are drawn again$/,
  );
  t.is(images.size, 8);
  for (const [index, pixels] of expected)
    t.is(Buffer.compare(images.get(index)!, pixels), 0, `image ${index}`);
  t.is(poolOf(generator).threads.length, 2);
});

test('Repeated loss of workers ends the run with an error that says so', async (t) => {
  const generator = await open(t, 100);
  const killed = new Set<unknown>();
  const started = startedOf(generator);
  const kill = (lanes: number) => {
    const threads = started();
    if (lanes === 0) return;
    for (const thread of threads) {
      if (!killed.has(thread)) void thread.terminate();
      killed.add(thread);
    }
  };
  const error = await t.throwsAsync(make(generator, kill, [], 1e6), { instanceOf: EngineError });
  t.regex(
    error!.message,
    /^images \d to \d: abandoned after 3 attempts: worker \d stopped|all workers are lost/,
  );
  t.is(error!.exitCode, 1);
});

test('A receiver that fails ends the run with its error', async (t) => {
  const generator = await open(t, 10);
  const maker = new ImageMaker(generator, () => {});
  const run = maker.run(batches(new ImageRange(0, 40), 2, 'running'), async ({ index }) => {
    if (index === 5) throw new RangeError('no room');
  });
  await t.throwsAsync(run, { instanceOf: RangeError, message: 'no room' });
});

test('A stopped run ends at once, without an error', async (t) => {
  const generator = await open(t, 100);
  const maker = new ImageMaker(generator, () => {});
  const run = maker.run(batches(new ImageRange(0, 1e6), 2, 'running'), async () => {});
  setTimeout(() => maker.stop(), 20);
  await t.notThrowsAsync(run);
});

test('Progress counts the finished part of unfinished batches', async (t) => {
  const generator = await open(t, 100);
  const seen: number[] = [];
  // A busy machine may not let this process look while a batch is unfinished.
  while (!seen.some((done) => done % 1 > 0 && done < 8)) {
    const maker = new ImageMaker(generator, () => {});
    const timer = setInterval(() => seen.push(maker.done), 1);
    await maker.run(batches(new ImageRange(0, 8), 2, 'running'), async () => {});
    clearInterval(timer);
    t.is(maker.done, 8);
  }
  t.true(seen.every((done) => done >= 0 && done <= 8));
});

test('A plan that does not fit names the largest batch that does', async (t) => {
  const create = WasmGenerator.create({ ...optionsFor(4), batch: 60_000 }, weightsOf(1));
  await t.throwsAsync(create, {
    instanceOf: UsageError,
    message: /needs .* GiB.*the largest batch that fits with 2 workers is \d+$/,
  });
});
