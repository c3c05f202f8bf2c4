import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { Args } from '../../src/config/args.js';
import { completeModel } from '../../src/config/network-settings.js';
import { readMinutes } from '../../src/config/training.js';
import { UsageError } from '../../src/errors.js';
import { stepsAt } from '../../src/train/length.js';
import type { TrainEvent } from '../../src/train/options.js';
import { train } from '../../src/train/train.js';
import { plural } from '../../src/units.js';
import { temporaryFolder } from '../helpers/folder.js';
import { newRun, prepared, tinyRun } from '../helpers/run.js';

const weights = (out: string, steps: number) =>
  readFileSync(join(out, 'checkpoints', `step-${steps}`, 'model.safetensors'));

test('a run of --minutes equals a run of the number of steps in its config, bit by bit', async (t) => {
  const { folder, options } = await prepared(t);
  const notes: string[] = [];
  const onEvent = (event: TrainEvent) => {
    if (event.kind === 'note') notes.push(event.text);
  };
  const { steps } = await train({ ...options, minutes: 0.002, onEvent });
  const config = JSON.parse(readFileSync(join(options.out, 'config.json'), 'utf8'));
  t.is(config.training.steps, steps);
  t.is(config.training.epochs, null);
  const length = `length  ${plural(steps, 'step')}, about 0.002 min at `;
  t.true(
    notes.some((text) => text.startsWith(length)),
    notes.join('\n'),
  );
  const out = join(folder, 'again');
  await train({
    ...options,
    out,
    config: { ...options.config, training: { ...options.config.training, steps } },
  });
  t.deepEqual(weights(options.out, steps), weights(out, steps));
});

test('minutes become steps by the time of steps and sample grids', (t) => {
  const config = tinyRun('bars', { batch: 4 });
  t.is(stepsAt(100, 1, config), 600);
  t.is(stepsAt(100, 2.5, config), 1500);
  t.is(stepsAt(1e6, 1, config), 1);
  // 16 images of 20 passes, each a third of one that trains, after 80 steps of 4 images: a third of a step for each.
  const grids = tinyRun('bars', { batch: 4, sampleEvery: 80 });
  t.is(stepsAt(75, 1, grids), 600);
  const parts = tinyRun('bars', { batch: 2, accumulate: 2, sampleEvery: 80 });
  t.is(stepsAt(75, 1, parts), 600);
});

test('the stages and classes of a run are timed too', async (t) => {
  const folder = await temporaryFolder(t);
  const run = tinyRun('toy-cars', { grow: '8:0.5', steps: 4, labelDropout: 0.1, batch: 2 });
  const model = completeModel({
    ...{ kind: 'unet2d', size: 16, widths: [8, 16], channels: 1, layers: 1, groups: 4 },
  });
  const classes = { by: 'bodies', names: [] } as const;
  const config = { ...run, model, data: { ...run.data, classes } };
  const options = newRun(config, join(folder, 'run'));
  const { steps } = await train({ ...options, minutes: 1e-6 });
  t.is(steps, 1);
});

test('invalid minutes, minutes beside another length, and minutes on a resume are refused', async (t) => {
  const { options } = await prepared(t);
  for (const minutes of [0, -1, Number.NaN])
    await t.throwsAsync(train({ ...options, minutes }), {
      instanceOf: UsageError,
      message: /^train\.minutes: expected a number above 0, got /,
    });
  const wrong: [flags: Record<string, string>, resume: boolean, message: RegExp][] = [
    [{ minutes: '0' }, false, /^--minutes: expected a number above 0 and at most 1000000, got 0$/],
    [{ minutes: '3', steps: '5' }, false, /^--minutes and --steps: both give the length/],
    [{ minutes: '3', epochs: '5' }, false, /^--minutes and --epochs: both give the length/],
    [
      { minutes: '3' },
      true,
      /^--minutes: belongs to a new run; a resume takes the total --steps or --epochs/,
    ],
  ];
  for (const [flags, resume, message] of wrong)
    t.throws(() => readMinutes(new Args(flags), resume), { instanceOf: UsageError, message });
  t.is(readMinutes(new Args({ minutes: '0.5' }), false), 0.5);
  t.is(readMinutes(new Args({}), true), undefined);
});
