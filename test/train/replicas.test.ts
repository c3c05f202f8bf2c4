import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import type { RunConfig } from '../../src/config/config.js';
import { UsageError } from '../../src/errors.js';
import { readSafetensors, writeSafetensors } from '../../src/io/safetensors.js';
import type { TrainEvent, TrainOptions } from '../../src/train/options.js';
import { train } from '../../src/train/train.js';
import { temporaryFolder } from '../helpers/folder.js';
import {
  dataOf,
  FILES,
  fileOf,
  logOf,
  type Network,
  reference,
  replicated,
} from '../helpers/replicas.js';
import { newRun, writeBars } from '../helpers/run.js';
import { sameState } from '../helpers/unet.js';

const NETWORKS: readonly Network[] = ['simple', 'unet2d'];

/** The images of `writeBars`, by their numbers. */
const pixelsIn = (path: string) => {
  const pixels = readFileSync(path).subarray(16);
  return (indices: Uint32Array) =>
    Uint8Array.from([...indices].flatMap((k) => [...pixels.subarray(256 * k, 256 * (k + 1))]));
};

for (const network of NETWORKS)
  test(`${network}: replicas train independently, and outer steps combine them`, async (t) => {
    const folder = await temporaryFolder(t);
    const source = writeBars(folder);
    const config = replicated(source, network);
    const options = newRun(config, join(folder, 'run'));
    await train(options);
    const expected = await reference(config, 40, pixelsIn(source));
    const read = async (name: string) =>
      (await readSafetensors(join(options.out, 'checkpoints/step-5', `${name}.safetensors`)))
        .tensors;
    sameState(t, await read('model'), expected.model, 'weights');
    sameState(t, await read('ema-0.9'), expected.average, 'average');
    sameState(t, await read('outer'), expected.momentum, 'outer momentum');
    for (const [r, { m, v }] of expected.optimizers.entries()) {
      const tensors = await read(r === 0 ? 'optimizer' : `optimizer-${r + 1}`);
      const part = (prefix: string) =>
        new Map(
          [...tensors]
            .filter(([name]) => name.startsWith(prefix))
            .map(([name, tensor]) => [name.slice(2), tensor]),
        );
      sameState(t, part('m/'), m, `first moments of replica ${r}`);
      sameState(t, part('v/'), v, `second moments of replica ${r}`);
    }
    const losses = (await logOf(options)).flatMap((line) => ('loss' in line ? [line.loss] : []));
    t.deepEqual(losses, expected.losses);
  });

for (const network of NETWORKS)
  test(`${network}: a single replica with plain averaging equals a run without rounds, bit by bit`, async (t) => {
    const folder = await temporaryFolder(t);
    const plain = { replicas: 1, outerLr: 1, outerMomentum: 0 };
    const config = replicated(writeBars(folder), network, { ...plain, batch: 4, syncEvery: 2 });
    const rounds = newRun(config, join(folder, 'rounds'));
    const change = { syncEvery: null, outerLr: null, outerMomentum: null };
    const whole = newRun(
      { ...config, training: { ...config.training, ...change } },
      join(folder, 'whole'),
    );
    await train(rounds);
    await train(whole);
    for (const name of ['model', 'ema-0.9', 'optimizer'])
      t.deepEqual(fileOf(rounds, 5, name), fileOf(whole, 5, name), name);
    t.deepEqual(await logOf(rounds), await logOf(whole));
  });

test('a step of all replicas uses the images, noise and dropouts of one large batch', async (t) => {
  const folder = await temporaryFolder(t);
  const source = writeBars(folder);
  const config = replicated(source, 'unet2d', { steps: 1, syncEvery: 1, replicas: 4 });
  const parts = newRun(config, join(folder, 'replicas'));
  const change = { replicas: 1, syncEvery: null, accumulate: 4 };
  const batch = newRun(
    { ...config, training: { ...config.training, ...change } },
    join(folder, 'batch'),
  );
  await train(parts);
  await train(batch);
  t.deepEqual(await logOf(parts), await logOf(batch));
});

async function eventsOf(options: TrainOptions): Promise<string[]> {
  const events: string[] = [];
  const onEvent = (event: TrainEvent) => {
    if (['checkpoint', 'samples', 'heldOut'].includes(event.kind) && 'step' in event)
      events.push(`${event.kind} ${event.step}`);
  };
  await train({ ...options, onEvent });
  return events;
}

test('checkpoints, samples and evaluations due within a round are made at its end, with the combined weights', async (t) => {
  const folder = await temporaryFolder(t);
  // Nine batches of 4 in an epoch, of which each step takes three.
  const change = { steps: 8, syncEvery: 4, batch: 4, saveEvery: 2, sampleEvery: 7, keepGuide: 0.3 };
  const run = replicated(writeBars(folder), 'simple', { ...change, ema: [] });
  const config = { ...run, data: { ...run.data, heldOut: { fraction: 0.1 } } };
  const options = newRun(config, join(folder, 'run'));
  t.deepEqual(await eventsOf(options), [
    ...['checkpoint 4', 'heldOut 4'],
    ...['heldOut 8', 'samples 8', 'checkpoint 8'],
  ]);
  t.deepEqual(
    dataOf(readFileSync(join(options.out, 'guide.safetensors'))),
    dataOf(fileOf(options, 4, 'model')),
    'the weights of the round in which the share of the steps is reached',
  );
});

test('the header describes the rounds, and memory includes the states of replicas', async (t) => {
  const folder = await temporaryFolder(t);
  const notes: string[] = [];
  const onEvent = (event: TrainEvent) => {
    if (event.kind === 'note') notes.push(event.text);
  };
  const config = replicated(writeBars(folder), 'simple', { steps: 1 });
  await train({ ...newRun(config, join(folder, 'run')), onEvent });
  const text = notes.join('\n');
  t.regex(
    text,
    /^rounds {2}3 replicas of 2 steps each, then an outer step of 0\.7 with momentum 0\.9$/m,
  );
  t.regex(text, /; replicas, and between steps up to /);
});

test('plain averaging stores no outer momentum, and a single replica stores no extra moments', async (t) => {
  const folder = await temporaryFolder(t);
  const change = { replicas: 1, outerLr: 1, outerMomentum: 0, steps: 2 };
  const options = newRun(replicated(writeBars(folder), 'simple', change), join(folder, 'run'));
  await train(options);
  for (const name of ['outer', 'optimizer-2', 'replica-1'])
    t.throws(() => fileOf(options, 2, name), { code: 'ENOENT' }, name);
});

test('rounds are refused on TensorFlow before anything is written', async (t) => {
  const folder = await temporaryFolder(t);
  const run = replicated(writeBars(folder), 'simple');
  const config: RunConfig = { ...run, computing: { ...run.computing, arithmetic: 'tensorflow' } };
  await t.throwsAsync(train(newRun(config, join(folder, 'run'))), {
    instanceOf: UsageError,
    message:
      /^--sync-every: rounds are for the wasm device with its own arithmetic, got wasm with tensorflow$/,
  });
  t.throws(() => readFileSync(join(folder, 'run')), { code: 'ENOENT' });
});

test('a damaged checkpoint of replicas is refused with the name of the file', async (t) => {
  const folder = await temporaryFolder(t);
  const options = newRun(
    replicated(writeBars(folder), 'simple', { steps: 2 }),
    join(folder, 'run'),
  );
  await train(options);
  const config = { ...options.config, training: { ...options.config.training, steps: 4 } };
  const dir = join(options.out, 'checkpoints/step-2');
  const refused = async (message: RegExp) =>
    t.throwsAsync(train({ ...options, config, resume: true }), { instanceOf: UsageError, message });
  const state = readFileSync(join(dir, 'state.json'), 'utf8');
  writeFileSync(join(dir, 'state.json'), state.replace('"inRound": false', '"inRound": 3'));
  await refused(/state\.json: inRound: expected true or false, for a run with rounds, got 3$/);
  writeFileSync(join(dir, 'state.json'), state.replace('"inRound": false', '"inRound": true'));
  await refused(/step-2: expected a checkpoint of replicas, got a folder without .*replica-1\.saf/);
  writeFileSync(join(dir, 'state.json'), state);
  const outer = join(dir, 'outer.safetensors');
  const { tensors } = await readSafetensors(outer);
  const [name, tensor] = [...tensors][0]!;
  const values = tensor.data as Float32Array;
  values[0] = Number.NaN;
  await writeSafetensors(outer, tensors);
  await refused(new RegExp(`outer\\.safetensors: ${name}: expected finite numbers, got NaN$`));
  tensors.delete(name);
  await writeSafetensors(outer, tensors);
  await refused(new RegExp(`${name} is missing`));
  rmSync(join(dir, 'optimizer-3.safetensors'));
  values[0] = 0;
  await writeSafetensors(outer, new Map([...tensors, [name, tensor]]));
  await refused(/got a folder without .*optimizer-3\.safetensors$/);
  t.true(FILES.includes('optimizer-3'));
});
