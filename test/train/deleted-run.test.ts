import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { readRunIn } from '../../src/config/read.js';
import { UsageError } from '../../src/errors.js';
import { readMetrics } from '../../src/io/metrics.js';
import type { TrainEvent, TrainOptions } from '../../src/train/options.js';
import { train } from '../../src/train/train.js';
import { flockTest } from '../helpers/flock.js';
import { prepared } from '../helpers/run.js';

/** A run of 7 steps that something befalls after the fourth. Resolves to its warnings. */
async function trainThrough(
  t: ExecutionContext,
  options: TrainOptions,
  befall: () => void,
): Promise<string[]> {
  const warnings: string[] = [];
  const onEvent = (event: TrainEvent) => {
    if (event.kind === 'step' && event.step === 4) befall();
    if (event.kind === 'warning') warnings.push(event.text);
  };
  const result = await train({ ...options, onEvent });
  t.is(result.steps, 7);
  return warnings;
}

/** The run opens, is complete, and can be gone on with. */
async function isSound(t: ExecutionContext, options: TrainOptions): Promise<void> {
  await readRunIn(options.out);
  const lines = await readMetrics(join(options.out, 'metrics.jsonl'));
  t.deepEqual(
    lines.map(({ step }) => step),
    [1, 2, 3, 4, 5, 6, 7],
  );
  const config = { ...options.config, training: { ...options.config.training, steps: 8 } };
  t.is((await train({ ...options, config, resume: true })).steps, 8);
}

const WARNING = /config\.json was deleted while the run trained; it is written again$/;

test('a run that is deleted while it trains is rewritten with its complete log', async (t) => {
  const { options } = await prepared(t, { sampleEvery: 5 });
  const warnings = await trainThrough(t, options, () => rmSync(options.out, { recursive: true }));
  t.is(warnings.length, 1);
  t.regex(warnings[0]!, WARNING);
  t.true(existsSync(join(options.out, 'samples', 'step-5.png')));
  await isSound(t, options);
});

test('a run that is moved while it trains continues under its old name', async (t) => {
  const { options } = await prepared(t, { saveEvery: 2 });
  const moved = `${options.out}-moved`;
  const warnings = await trainThrough(t, options, () => renameSync(options.out, moved));
  t.is(warnings.length, 1);
  t.is(readFileSync(join(moved, 'checkpoints', 'latest'), 'utf8'), 'step-2\n');
  t.is(readFileSync(join(options.out, 'checkpoints', 'latest'), 'utf8'), 'step-7\n');
  await readRunIn(options.out);
  await readRunIn(moved);
});

test('a deleted config.json is rewritten', async (t) => {
  const { options } = await prepared(t);
  const path = join(options.out, 'config.json');
  let before = '';
  const warnings = await trainThrough(t, options, () => {
    before = readFileSync(path, 'utf8');
    rmSync(path);
  });
  t.is(warnings.length, 1);
  t.is(readFileSync(path, 'utf8'), before);
  await isSound(t, options);
});

flockTest(
  'a run whose folder another run has taken fails without changing the other',
  async (t) => {
    const { options } = await prepared(t);
    const lock = join(options.out, '.haze-run.lock');
    const befall = () => {
      rmSync(options.out, { recursive: true });
      mkdirSync(options.out);
      writeFileSync(lock, '7 elsewhere\n');
      const other = spawn('flock', [lock, 'sh', '-c', 'read line']);
      t.teardown(() => other.stdin.end());
      // The event has to end with the lock taken.
      while (spawnSync('flock', ['-n', lock, 'true']).status === 0);
    };
    await t.throwsAsync(trainThrough(t, options, befall), {
      instanceOf: UsageError,
      message: /got one that process 7 on elsewhere is training$/,
    });
    t.false(existsSync(join(options.out, 'config.json')));
  },
);
