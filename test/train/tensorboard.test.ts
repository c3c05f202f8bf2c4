import { execFile, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import sharp from 'sharp';
import { type Metrics, readMetrics } from '../../src/io/metrics.js';
import { EventLog } from '../../src/io/tensorboard/events.js';
import type { TrainOptions } from '../../src/train/options.js';
import { train } from '../../src/train/train.js';
import { prepared } from '../helpers/run.js';
import { readEvents } from '../helpers/tfevents.js';

/* Events of whole runs, read by the test's own reader, and by TensorBoard's where PYTHON has the package. */

const eventsOf = ({ out }: TrainOptions): string => join(out, 'events.out.tfevents.haze');

/** `tag step → value` of what metrics.jsonl says. */
function wanted(lines: readonly Metrics[]): Map<string, number> {
  const values = new Map<string, number>();
  for (const line of lines) {
    if (!('loss' in line)) {
      values.set(`loss/held out ${line.step}`, line.heldOutLoss);
      continue;
    }
    values.set(`loss/train ${line.step}`, line.loss);
    values.set(`rate/learning rate ${line.step}`, line.lr);
    values.set(`speed/images per second ${line.step}`, line.imagesPerSecond);
    for (const [part, ms] of Object.entries(line.ms))
      values.set(`milliseconds/${part} ${line.step}`, ms);
    for (const quarter of ['q0', 'q1', 'q2', 'q3'] as const)
      if (line[quarter] !== undefined)
        values.set(`loss by quarter/${quarter} ${line.step}`, line[quarter]);
  }
  return new Map([...values].map(([name, value]) => [name, Math.fround(value)]));
}

const sorted = (values: Map<string, number>) => [...values].sort(([a], [b]) => (a < b ? -1 : 1));

function scalarsIn(path: string): Map<string, number> {
  const found = new Map<string, number>();
  for (const { step, values } of readEvents(path))
    for (const { tag, scalar } of values)
      if (scalar !== undefined) found.set(`${tag} ${step}`, scalar);
  return found;
}

test('events have the content of metrics.jsonl, samples and config; a resume truncates and continues them', async (t) => {
  const { options } = await prepared(t, { steps: 5, sampleEvery: 2, saveEvery: 3 });
  const { data } = options.config;
  const config = { ...options.config, data: { ...data, heldOut: { fraction: 0.2 } } };
  const first = { ...options, config, tensorboard: true };
  await train(first);
  const path = eventsOf(options);
  const log = join(options.out, 'metrics.jsonl');
  t.deepEqual(sorted(scalarsIn(path)), sorted(wanted(await readMetrics(log))));
  const text = readEvents(path).flatMap(({ values }) =>
    values.filter(({ tag }) => tag === 'config'),
  );
  t.is(text.length, 1);
  t.regex(text[0]!.text!, /"steps": 5/);
  // As a killed process leaves it: steps that no checkpoint has.
  const lost = EventLog.open(path, '');
  lost.scalars(6, [['loss/train', 1]]);
  lost.close();
  const training = { ...config.training, steps: 8 };
  await train({ ...options, config: { ...config, training }, resume: true });
  t.deepEqual(sorted(scalarsIn(path)), sorted(wanted(await readMetrics(log))));
  t.true(scalarsIn(path).has('loss/train 8'));
  const images = readEvents(path).flatMap(({ step, values }) =>
    values.flatMap(({ tag, image }) => (image ? [[tag, step, image] as const] : [])),
  );
  t.deepEqual(
    images.map(([tag, step]) => [tag, step]),
    [2, 4, 6, 8].map((step) => ['samples', step]),
  );
  for (const [, step, { png }] of images)
    t.deepEqual(png, readFileSync(join(options.out, 'samples', `step-${step}.png`)));
});

test('a run writes events only on request', async (t) => {
  const { options } = await prepared(t, { steps: 1 });
  await train(options);
  t.false(existsSync(eventsOf(options)));
});

const PYTHON = process.env.PYTHON ?? 'python3';
const run = promisify(execFile);

const READER = `
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1], size_guidance={'scalars': 0, 'images': 0, 'tensors': 0})
events.Reload()
tags = events.Tags()
print(json.dumps({
    'scalars': {f'{tag} {e.step}': e.value for tag in tags['scalars'] for e in events.Scalars(tag)},
    'images': [[tag, e.step, e.width, e.height, e.encoded_image_string.hex()] for tag in tags['images'] for e in events.Images(tag)],
    'text': [e.tensor_proto.string_val[0].decode() for e in events.Tensors('config')],
}))
`;

const hasTensorboard = spawnSync(PYTHON, ['-c', 'import tensorboard']).status === 0;

(hasTensorboard ? test : test.skip)(
  `TensorBoard's own reader returns every scalar, image and the config, also after a resume${hasTensorboard ? '' : ' (PYTHON has no tensorboard)'}`,
  async (t) => {
    const { options } = await prepared(t, { steps: 4, sampleEvery: 2 });
    await train({ ...options, tensorboard: true });
    // As a killed process leaves it: a step that no checkpoint has.
    const lost = EventLog.open(eventsOf(options), '');
    lost.scalars(5, [['loss/train', 1]]);
    lost.close();
    const training = { ...options.config.training, steps: 6 };
    await train({ ...options, config: { ...options.config, training }, resume: true });
    const { stdout } = await run(PYTHON, ['-c', READER, options.out], { maxBuffer: 2 ** 26 });
    const read = JSON.parse(stdout) as {
      scalars: Record<string, number>;
      images: [string, number, number, number, string][];
      text: string[];
    };
    const metrics = await readMetrics(join(options.out, 'metrics.jsonl'));
    t.deepEqual(sorted(new Map(Object.entries(read.scalars))), sorted(wanted(metrics)));
    t.deepEqual(
      read.images.map(([tag, step]) => [tag, step]),
      [
        ['samples', 2],
        ['samples', 4],
        ['samples', 6],
      ],
    );
    for (const [, step, width, height, png] of read.images) {
      const path = join(options.out, 'samples', `step-${step}.png`);
      t.is(png, readFileSync(path).toString('hex'));
      t.like(await sharp(path).metadata(), { width, height });
    }
    t.regex(read.text[0]!, /"seed": 3/);
  },
);
