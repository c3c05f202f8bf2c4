import test from 'ava';
import { UsageError } from '../../src/errors.js';
import {
  bytesOfImages,
  idOfTraining,
  parseTrainJob,
  parseTrainResult,
  type TrainJob,
  trainingInWords,
} from '../../src/queue/train-job.js';
import { configOfJobs } from '../../src/train/job-config.js';
import { changed } from '../helpers/changed.js';
import { replicated } from '../helpers/replicas.js';

const blob = (digit: string, bytes = 1000) => ({ sha256: digit.repeat(64), bytes });

const config = configOfJobs(replicated('bars', 'unet2d'));
const files = { weights: blob('a'), averages: [blob('b')], optimizer: blob('c') };
const job: TrainJob = {
  ...{ build: '0.1.0-strict', config, replica: 2, from: 2, until: 4, start: files },
  images: { blob: blob('d', bytesOfImages(config, 40, false)), count: 40 },
};
const copy = () => JSON.parse(JSON.stringify(job)) as Record<string, unknown>;

test('a job and its id are unchanged by JSON', (t) => {
  t.deepEqual(parseTrainJob(copy()), job);
  t.is(idOfTraining(parseTrainJob(copy())), idOfTraining(job));
  t.not(idOfTraining({ ...job, replica: 1 }), idOfTraining(job));
  t.is(trainingInWords(job), 'replica 3, steps 3 to 4');
});

test('reading a job keeps its id, for every network and with classes', (t) => {
  const run = replicated('bars', 'unet2d', { lossWeights: null, snrGamma: 5 });
  const told = {
    ...run,
    data: { ...run.data, classes: { by: 'labels', names: ['0', '1'] } },
    model: { ...run.model, numClasses: 2 },
    diffusion: { ...run.diffusion, objective: 'v', zeroTerminalSnr: true },
  } as typeof run;
  for (const each of [replicated('bars', 'simple'), told]) {
    const ofJobs = configOfJobs(each);
    const isTold = ofJobs.data.classes !== null;
    const images = { blob: blob('d', bytesOfImages(ofJobs, 40, isTold)), count: 40 };
    const made = { ...job, config: ofJobs, images };
    const read = parseTrainJob(JSON.parse(JSON.stringify(made)));
    t.is(idOfTraining(read), idOfTraining(made));
  }
});

test('an invalid job is refused with the name of the field', (t) => {
  const faults: [path: string, value: unknown, message: RegExp][] = [
    ['code', 'process.exit()', /^job\.code: unknown field/],
    ['build', undefined, /^job\.build: expected a value/],
    ['replica', 3, /^job\.replica: expected a whole number from 0 to 2, got 3$/],
    ['from', -1, /^job\.from: /],
    ['until', 2, /^job\.until: expected a whole number from 3 to 5, got 2$/],
    ['until', 6, /^job\.until: expected a whole number from 3 to 5, got 6$/],
    ['images.count', 41, /^job\.images\.blob\.bytes: expected \d+, of 41 images, got \d+$/],
    ['images.blob.sha256', '../../etc/passwd', /^job\.images\.blob\.sha256: expected 64 hex/],
    ['start.averages', [], /^job\.start\.averages: expected 1 objects, got \[\]$/],
    ['start.averages', [3], /^job\.start\.averages\[0\]: expected an object, got 3$/],
    ['start.optimizer.bytes', 2 ** 50, /^job\.start\.optimizer\.bytes: expected a whole number/],
    ['start.weights.path', '/', /^job\.start\.weights\.path: unknown field/],
    ['config', 3, /^job\.config: expected an object, got 3$/],
    ['config.training.lr', -1, /^job\.config\.training\.lr: expected a number above 0/],
    ['config.training.syncEvery', null, /^job\.config: --replicas: expected --sync-every/],
    ['config.model.widths', [8, -16], /^job\.config\.model\.widths: /],
  ];
  for (const [path, value, message] of faults)
    t.throws(
      () => parseTrainJob(changed(job, path, value)),
      { instanceOf: UsageError, message },
      path,
    );
});

test('a result is unchanged by Redis, and one of another form is ignored', (t) => {
  const losses = [
    [0.5, 0.25, 0.75],
    [0.125, 0.1, 0.15],
  ];
  const result = { end: files, losses, ms: { load: 1.5, compute: 20, send: 0 } };
  const read = (value: unknown) => parseTrainResult(JSON.parse(JSON.stringify(value)), job);
  t.deepEqual(read(result), result);
  const faults: [value: unknown, message: RegExp][] = [
    [{ ...result, losses: [losses[0]] }, /^result\.losses: expected 2 lists of 3 numbers, got/],
    [{ ...result, losses: [losses[0], [1, 2]] }, /^result\.losses: expected 2 lists of 3 numbers/],
    [{ ...result, losses: [losses[0], [1, 2, Number.NaN]] }, /^result\.losses: /],
    [{ ...result, ms: { load: -1, compute: 0, send: 0 } }, /^result\.ms\.load: /],
    [{ ...result, more: 1 }, /^result\.more: unknown field/],
  ];
  for (const [value, message] of faults)
    t.throws(() => read(value), { instanceOf: UsageError, message });
});
