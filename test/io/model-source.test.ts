import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { UsageError } from '../../src/errors.js';
import { writeCheckpoint } from '../../src/io/checkpoint.js';
import { resolveModel } from '../../src/io/model-source.js';
import { createRun } from '../../src/io/run.js';
import { sampleCheckpoint } from '../helpers/checkpoints.js';
import { temporaryFolder } from '../helpers/folder.js';

test('a run stands for its latest checkpoint and its config', async (t) => {
  const run = await temporaryFolder(t);
  const { config } = await createRun(run, {});
  await writeCheckpoint(run, 1, sampleCheckpoint(1), 2);
  const checkpoint = await writeCheckpoint(run, 2, sampleCheckpoint(2), 2);
  const weights = join(checkpoint, 'model.safetensors');
  t.deepEqual(await resolveModel(run), { kind: 'run', run, config, checkpoint, weights });
});

test('a checkpoint comes with the config of the run around it, if there is one', async (t) => {
  const run = await temporaryFolder(t);
  const { config } = await createRun(run, {});
  const inRun = await writeCheckpoint(run, 1, sampleCheckpoint(1), 2);
  const alone = await writeCheckpoint(join(run, 'copy'), 1, sampleCheckpoint(1), 2);
  const expected = (checkpoint: string, of: string | undefined) => ({
    kind: 'checkpoint' as const,
    checkpoint,
    weights: join(checkpoint, 'model.safetensors'),
    config: of,
  });
  t.deepEqual(await resolveModel(inRun), expected(inRun, config));
  t.deepEqual(await resolveModel(alone), expected(alone, undefined));
});

test('a file, or a network within it, is read as weights', async (t) => {
  const dir = await temporaryFolder(t);
  for (const name of ['w.safetensors', 'w.pt', 'w.bin', 'w#1.pt']) {
    await writeFile(join(dir, name), '');
    for (const weights of [join(dir, name), join(dir, `${name}#ema.model`)])
      t.deepEqual(await resolveModel(weights), { kind: 'weights', weights });
  }
  await t.throwsAsync(resolveModel(join(dir, 'none.pt#ema')), {
    instanceOf: UsageError,
    message: /none\.pt#ema: expected a model, got none: no such file/,
  });
});

test('a missing path, a folder without a model and a run without a checkpoint are refused', async (t) => {
  const dir = await temporaryFolder(t);
  const run = join(dir, 'run');
  await createRun(run, {});
  await mkdir(join(dir, 'empty'));
  const cases: [string, RegExp][] = [
    ['none', /expected a model, got none: no such file or folder \(ENOENT\)/],
    ['empty', /expected a run .* got a folder with none of them/],
    ['run', /got one without/],
  ];
  for (const [name, message] of cases)
    await t.throwsAsync(resolveModel(join(dir, name)), { instanceOf: UsageError, message }, name);
});

test("a checkpoint whose step differs from its folder's name is refused", async (t) => {
  const run = await temporaryFolder(t);
  const dir = join(run, 'checkpoints', 'step-5');
  await mkdir(dir, { recursive: true });
  await writeFile(join(dir, 'model.safetensors'), '');
  await writeFile(join(run, 'config.json'), '{}');
  t.is((await resolveModel(run)).kind, 'run');
  await writeFile(join(dir, 'state.json'), '{ "step": 3 }');
  for (const path of [run, dir])
    await t.throwsAsync(resolveModel(path), {
      instanceOf: UsageError,
      message: `${join(dir, 'state.json')}: step: expected 5, the number in the folder's name, got 3`,
    });
  await rename(dir, join(run, 'checkpoints', 'best'));
  t.is((await resolveModel(join(run, 'checkpoints', 'best'))).kind, 'checkpoint');
});
