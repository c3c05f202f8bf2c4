import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { RunError } from '../../src/errors.js';
import { readMetrics } from '../../src/io/metrics.js';
import { encodePng } from '../../src/io/pictures.js';
import type { TrainEvent, TrainOptions } from '../../src/train/options.js';
import { train } from '../../src/train/train.js';
import { temporaryFolder } from '../helpers/folder.js';
import { newRun, tinyRun } from '../helpers/run.js';

/** A run on 24 pictures that are read anew for each batch, three steps an epoch. */
async function streamed(
  t: ExecutionContext,
  fraction: number | null,
): Promise<{ photos: string; options: TrainOptions }> {
  const folder = await temporaryFolder(t);
  const photos = join(folder, 'photos');
  mkdirSync(photos);
  for (let k = 0; k < 24; k++) {
    const data = Uint8Array.from({ length: 256 }, (_, i) => (i * (k + 3)) % 256);
    const picture = { data, count: 1, width: 16, height: 16, channels: 1 } as const;
    writeFileSync(join(photos, `${k}.png`), await encodePng(picture));
  }
  const { data, ...config } = tinyRun(photos);
  const heldOut = fraction === null ? null : { fraction };
  const options = newRun({ ...config, data: { ...data, heldOut } }, join(folder, 'run'));
  return { photos, options: { ...options, dataBudget: 1 } };
}

/** Trains, and moves the pictures away after a step. @returns the error's lines */
async function losing(t: ExecutionContext, options: TrainOptions, photos: string, after: number) {
  const onEvent = (event: TrainEvent) => {
    if (event.kind === 'step' && event.step === after) renameSync(photos, `${photos}-away`);
  };
  const error = await t.throwsAsync(train({ ...options, onEvent }), { instanceOf: RunError });
  renameSync(`${photos}-away`, photos);
  return error.message.split('\n');
}

const weights = (out: string) =>
  readFileSync(join(out, 'checkpoints', 'step-7', 'model.safetensors'));

test('a run whose pictures disappear saves its last step, and resumes to the same bits', async (t) => {
  const { photos, options } = await streamed(t, null);
  const whole = `${options.out}-whole`;
  await train({ ...options, out: whole });
  const [why, saved, how] = await losing(t, options, photos, 3);
  t.regex(why!, /photos.*\.png: .*; it could be read when the run began$/);
  t.regex(how!, /--resume/);
  const step = Number(/step-(\d)$/.exec(saved!)![1]);
  t.true(step >= 3 && step < 7, saved);
  const taken = (await readMetrics(join(options.out, 'metrics.jsonl'))).map((line) => line.step);
  t.is(Math.max(...taken), step);
  await train({ ...options, resume: true });
  t.deepEqual(weights(options.out), weights(whole));
});

test('pictures that are held out and disappear lose no step either', async (t) => {
  const { photos, options } = await streamed(t, 0.1);
  const [, saved] = await losing(t, options, photos, 7);
  t.regex(saved!, /^Saved .*step-7$/);
  const { steps, heldOutLoss } = await train({ ...options, resume: true });
  t.is(steps, 7);
  t.is(typeof heldOutLoss, 'number');
});
