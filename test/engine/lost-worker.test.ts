import test, { type ExecutionContext } from 'ava';
import type { Piscina } from 'piscina';
import type { Engine } from '../../src/engine/engine.js';
import { plus } from '../../src/engine/pointer.js';
import { type Call, call, type Phase } from '../../src/engine/program.js';
import { EngineError } from '../../src/errors.js';
import { busy, engineOf, FREE, trap } from '../helpers/engine.js';

/*
 * None of these runs may hang: the workers that are left spin or sleep at a barrier that nobody will complete.
 */

const poolOf = (engine: Engine): Piscina =>
  (engine as unknown as { workers: { pool: Piscina } }).workers.pool;
const note = call('copyChannels', [FREE, 8, plus(FREE, 64), 8, 8, false], 64);

async function fails(t: ExecutionContext, run: Promise<unknown>, message: RegExp) {
  const error = await t.throwsAsync(run, { instanceOf: EngineError });
  t.regex(error!.message, message);
  t.is(error!.exitCode, 1);
  t.true(error!.cause instanceof Error);
}

const load = (engine: Engine, ...phases: Phase[]) => engine.load([{ name: 'test', phases }]);

test('A kernel that traps ends the run with an error naming worker and kernel', async (t) => {
  for (const threads of [1, 3]) {
    const engine = engineOf(t, threads);
    const program = load(engine, [note], [note, trap], [note]);
    const message = new RegExp(
      `^worker ${threads - 1} stopped while running reluBackward: .*out of bounds`,
    );
    await fails(t, engine.run(program), message);
    await fails(t, engine.run(program), message);
  }
});

test('A kernel that traps wakes the workers that sleep at the barrier', async (t) => {
  const engine = engineOf(t, 3);
  await fails(
    t,
    engine.run(load(engine, [busy, trap])),
    /^worker 2 stopped while running reluBackward/,
  );
});

test('A kernel that does not exist is refused by name', async (t) => {
  const engine = engineOf(t, 2);
  // A program comes as JSON, which no compiler has seen.
  const missing = JSON.parse('{ "kernel": "nonesuch", "args": [], "items": 2 }') as Call;
  await fails(
    t,
    engine.run(load(engine, [note], [missing])),
    /^worker [01] stopped while running nonesuch: no kernel is called nonesuch$/,
  );
});

/** Runs once, so that all workers are up, and again; in the middle of which `strike` comes. */
async function interrupted(
  engine: Engine,
  phases: Phase[],
  steps: number,
  strike: () => unknown,
): Promise<unknown> {
  const program = load(engine, ...phases);
  await engine.run(program);
  const run = engine.run(program, 0, steps);
  setTimeout(strike, 100);
  return run;
}

for (const victim of [0, 1, 2])
  test(`A worker that is lost between barriers ends the run (thread ${victim})`, async (t) => {
    const engine = engineOf(t, 3);
    const strike = () => poolOf(engine).threads[victim]!.terminate();
    const run = interrupted(engine, [[note], [note]], 1e9, strike);
    await fails(t, run, /^worker [012] stopped while running copyChannels: worker exited/);
  });

for (const victim of [0, 1])
  test(`A worker that is lost while others sleep at the barrier ends the run (thread ${victim})`, async (t) => {
    const engine = engineOf(t, 2);
    const strike = () => poolOf(engine).threads[victim]!.terminate();
    const run = interrupted(engine, [[note], [busy], [note]], 1e9, strike);
    await fails(t, run, /^worker [01] stopped while running copyChannels: worker exited/);
  });

test('Destroying an engine during a run ends the run with an error', async (t) => {
  const engine = engineOf(t, 2);
  const run = interrupted(engine, [[note], [note]], 1e9, () => engine.destroy());
  await t.throwsAsync(run, { instanceOf: EngineError, message: /shut down/ });
});

test('Destroying an engine waits until the replacement of a lost worker has started', async (t) => {
  const engine = engineOf(t, 2);
  const pool = poolOf(engine);
  const [lost, other] = pool.threads;
  const run = interrupted(engine, [[note], [note]], 1e9, () => lost!.terminate());
  await t.throwsAsync(run, { instanceOf: EngineError });
  const replacement = pool.threads.find((worker) => worker !== lost && worker !== other);
  let said = false;
  replacement!.once('message', () => {
    said = true;
  });
  await engine.destroy();
  t.true(said);
});
