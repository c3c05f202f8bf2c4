import { spawnSync } from 'node:child_process';
import { truncateSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { RunError, UsageError } from '../../src/errors.js';
import {
  checkpointPaths,
  latestCheckpoint,
  removeLeftCheckpoints,
  writeCheckpoint,
} from '../../src/io/checkpoint.js';
import { writeSafetensors } from '../../src/io/safetensors.js';
import { readCheckpoint, sampleCheckpoint, sampleParts } from '../helpers/checkpoints.js';
import { temporaryFolder } from '../helpers/folder.js';
import { f32, i64, stateDict } from '../helpers/tensors.js';

const write = (run: string, step: number, keep = 9, value = step) =>
  writeCheckpoint(run, step, sampleCheckpoint(value, step), keep);

const list = async (run: string) => (await readdir(join(run, 'checkpoints'))).sort();

test('a checkpoint is read back unchanged: model, optimizer, state and step', async (t) => {
  const run = await temporaryFolder(t);
  const dir = await write(run, 20);
  t.is(dir, join(run, 'checkpoints', 'step-20'));
  t.deepEqual(await readCheckpoint(dir), { step: 20, ...sampleParts(20) });
  t.deepEqual((await readdir(dir)).sort(), [
    'model.safetensors',
    'optimizer.safetensors',
    'state.json',
  ]);
  t.is(await readFile(join(run, 'checkpoints', 'latest'), 'utf8'), 'step-20\n');
});

test('the latest checkpoint is the last one written; without any there is none', async (t) => {
  const run = await temporaryFolder(t);
  t.is(await latestCheckpoint(run), undefined);
  await write(run, 9);
  await write(run, 10);
  t.is(await latestCheckpoint(run), join(run, 'checkpoints', 'step-10'));
});

test('old checkpoints beyond the number to keep are removed, oldest first', async (t) => {
  const run = await temporaryFolder(t);
  for (const step of [8, 9, 10, 11]) await write(run, step, 2);
  t.deepEqual(await list(run), ['latest', 'step-10', 'step-11']);
  await write(run, 12, 1);
  t.deepEqual(await list(run), ['latest', 'step-12']);
});

test('after a return to an earlier step, later checkpoints are removed first', async (t) => {
  const run = await temporaryFolder(t);
  for (const step of [10, 20, 30, 40]) await write(run, step);
  await write(run, 25, 3);
  t.deepEqual(await list(run), ['latest', 'step-10', 'step-20', 'step-25']);
  t.is(await latestCheckpoint(run), join(run, 'checkpoints', 'step-25'));
});

test('a step that is reached again replaces its checkpoint', async (t) => {
  const run = await temporaryFolder(t);
  await write(run, 20, 3, 1);
  await write(run, 20, 3, 2);
  t.deepEqual(await readCheckpoint(join(run, 'checkpoints', 'step-20')), {
    step: 20,
    ...sampleParts(2, 20),
  });
  t.deepEqual(await list(run), ['latest', 'step-20']);
});

test('the next checkpoint removes the remains of crashes', async (t) => {
  const run = await temporaryFolder(t);
  await write(run, 10);
  const checkpoints = join(run, 'checkpoints');
  for (const name of ['.step-20.tmp', '.step-5.old']) {
    await mkdir(join(checkpoints, name));
    await writeFile(join(checkpoints, name, 'model.safetensors'), 'half of a mod');
  }
  await writeFile(join(checkpoints, '.latest.12ab34cd.tmp'), 'step-2');
  await write(run, 30);
  t.deepEqual(await list(run), ['latest', 'step-10', 'step-30']);
});

test('a checkpoint that a crash left under a temporary name is found and renamed', async (t) => {
  const run = await temporaryFolder(t);
  const dir = await write(run, 10);
  await rename(dir, join(run, 'checkpoints', '.step-10.old'));
  t.is(await latestCheckpoint(run), join(run, 'checkpoints', '.step-10.old'));
  await write(run, 20);
  t.deepEqual(await list(run), ['latest', 'step-10', 'step-20']);
});

test('if `latest` is missing, empty or wrong, the highest step is the latest', async (t) => {
  const run = await temporaryFolder(t);
  for (const step of [9, 10]) await write(run, step);
  const latest = join(run, 'checkpoints', 'latest');
  for (const text of ['', 'step-99', '../../etc', 'step-9/../../..', '\0']) {
    await writeFile(latest, text);
    t.is(await latestCheckpoint(run), join(run, 'checkpoints', 'step-10'), JSON.stringify(text));
  }
  await rm(latest);
  t.is(await latestCheckpoint(run), join(run, 'checkpoints', 'step-10'));
});

test('a checkpoint without one of its files is refused by its name', async (t) => {
  const run = await temporaryFolder(t);
  for (const file of ['model', 'optimizer', 'state'] as const) {
    const dir = await write(run, 1);
    const path = checkpointPaths(dir)[file];
    await rm(path);
    await t.throwsAsync(readCheckpoint(dir), {
      instanceOf: UsageError,
      message: `${dir}: expected a checkpoint, got a folder without ${path}`,
    });
  }
});

test('a state that is not a JSON object with a step is refused', async (t) => {
  const dir = await write(await temporaryFolder(t), 1);
  for (const text of [
    '',
    '{',
    '[]',
    '"x"',
    '{}',
    '{"step":-1}',
    '{"step":"1"}',
    '{"step":1.5}',
    '{"step":1,"step":2}',
  ]) {
    await writeFile(checkpointPaths(dir).state, text);
    const error = await t.throwsAsync(readCheckpoint(dir), { instanceOf: UsageError }, text);
    t.true(error?.message.includes('state.json'), error?.message);
  }
});

test('an optimizer whose moments are not pairs of F32 tensors of one shape is refused', async (t) => {
  const dir = await write(await temporaryFolder(t), 1);
  const path = checkpointPaths(dir).optimizer;
  const cases: [Parameters<typeof stateDict>[0], Record<string, string>, RegExp][] = [
    [{ 'm/a': f32([1], 1), 'v/a': f32([1], 1) }, {}, /step: expected a number, got undefined/],
    [{ 'm/a': f32([1], 1), 'v/a': f32([1], 1) }, { step: '1e3' }, /got "1e3"/],
    [
      { 'm/a': f32([1], 1) },
      { step: '1' },
      /"a": expected both moments .* got m \[1\], v undefined/,
    ],
    [{ 'm/a': f32([1], 1), 'v/a': f32([2], 1, 2) }, { step: '1' }, /got m \[1\], v \[2\]/],
    [{ a: f32([1], 1) }, { step: '1' }, /tensor "a": expected F32 under a name in m\/ or v\//],
    [{ 'm/a': i64([1], 1n), 'v/a': i64([1], 1n) }, { step: '1' }, /tensor "m\/a": .* got I64/],
  ];
  for (const [tensors, metadata, message] of cases) {
    await writeSafetensors(path, stateDict(tensors), metadata);
    await t.throwsAsync(readCheckpoint(dir), { instanceOf: UsageError, message });
  }
});

test('a checkpoint whose folder, state, weights and optimizer are of different steps is refused', async (t) => {
  const run = await temporaryFolder(t);
  const dir = await write(run, 20);
  const renamed = join(run, 'checkpoints', 'step-30');
  for (const name of [renamed, join(run, 'checkpoints', '.step-30.old')]) {
    await cp(dir, name, { recursive: true });
    await t.throwsAsync(readCheckpoint(name), {
      instanceOf: UsageError,
      message: `${checkpointPaths(name).state}: step: expected 30, the number in the folder's name, got 20`,
    });
  }
  const { state, model, optimizer } = checkpointPaths(renamed);
  await writeFile(state, '{"step": 30}');
  await t.throwsAsync(readCheckpoint(renamed), {
    instanceOf: UsageError,
    message: `${model}: __metadata__: step: expected 30, the checkpoint's step, got "20"`,
  });
  const other = await write(await temporaryFolder(t), 30);
  await cp(checkpointPaths(other).model, model);
  await t.throwsAsync(readCheckpoint(renamed), {
    instanceOf: UsageError,
    message: `${optimizer}: __metadata__: step: expected 30, the checkpoint's step, got 20`,
  });
  // A folder that somebody named otherwise says nothing of a step.
  const copied = join(run, 'best');
  await cp(dir, copied, { recursive: true });
  t.is((await readCheckpoint(copied)).step, 20);
});

test('moments that Adam cannot produce are refused', async (t) => {
  const dir = await write(await temporaryFolder(t), 1);
  const path = checkpointPaths(dir).optimizer;
  const { NaN: nan, POSITIVE_INFINITY: infinite } = Number;
  const cases: [number, number, RegExp][] = [
    [nan, 1, /tensor "m\/a": expected finite numbers, got NaN/],
    [-infinite, 1, /tensor "m\/a": expected finite numbers, got -Infinity/],
    [1, infinite, /tensor "v\/a": expected finite numbers, got Infinity/],
    [1, -0.5, /tensor "v\/a": expected mean squares of 0 or more, got -0.5/],
  ];
  for (const [m, v, message] of cases) {
    const moments = stateDict({ 'm/a': f32([2], 0, m), 'v/a': f32([2], 0, v) });
    await writeSafetensors(path, moments, { step: '1' });
    await t.throwsAsync(readCheckpoint(dir), { instanceOf: UsageError, message });
  }
  const sound = stateDict({ 'm/a': f32([2], -1, -0), 'v/a': f32([2], 0, -0) });
  await writeSafetensors(path, sound, { step: '1' });
  t.is((await readCheckpoint(dir)).optimizer.step, 1);
});

test('a `latest` or a state that is a pipe or endless is refused without waiting', async (t) => {
  if (process.platform === 'win32') return t.pass();
  const run = await temporaryFolder(t);
  const dir = await write(run, 20);
  const latest = join(run, 'checkpoints', 'latest');
  truncateSync(latest, 2 ** 40);
  t.is(await latestCheckpoint(run), dir);
  await rm(latest);
  spawnSync('mkfifo', [latest]);
  t.is(await latestCheckpoint(run), dir);
  await write(run, 21);
  t.is(await readFile(latest, 'utf8'), 'step-21\n');
  const { state } = checkpointPaths(dir);
  truncateSync(state, 2 ** 40);
  await t.throwsAsync(readCheckpoint(dir), {
    instanceOf: UsageError,
    message: /at most \d+ bytes/,
  });
  await rm(state);
  spawnSync('mkfifo', [state]);
  await t.throwsAsync(readCheckpoint(dir), { instanceOf: UsageError, message: /without .*state/ });
});

test('a clean-up removes only checkpoints, also in a linked folder', async (t) => {
  const run = await temporaryFolder(t);
  const elsewhere = await temporaryFolder(t);
  const checkpoints = join(run, 'checkpoints');
  await symlink(elsewhere, checkpoints);
  await removeLeftCheckpoints(join(run, 'none'));
  await write(run, 20);
  const stay = ['.anything.old', '.notes.tmp', '.step-x.tmp', '.step-07.old', '.latest.tmp'];
  for (const name of stay) await mkdir(join(checkpoints, name));
  // A file by a checkpoint's name is none.
  await writeFile(join(checkpoints, '.step-3.tmp'), 'x');
  for (const name of ['.step-5.old', '.step-30.tmp']) await mkdir(join(checkpoints, name));
  await writeFile(join(checkpoints, '.latest.12ab34cd.tmp'), 'step-2');
  await removeLeftCheckpoints(run);
  t.deepEqual(await list(run), [...stay, '.step-3.tmp', 'latest', 'step-20'].sort());
  await write(run, 30);
  t.deepEqual(await list(run), [...stay, '.step-3.tmp', 'latest', 'step-20', 'step-30'].sort());
});

test('a part that fails keeps the earlier checkpoint, and leaves nothing of the new one', async (t) => {
  const run = await temporaryFolder(t);
  await write(run, 1);
  const order: string[] = [];
  const parts = {
    model: async () => {
      order.push('model');
      return sampleParts(2).model;
    },
    optimizer: async () => {
      order.push('optimizer');
      throw new RunError('it is not finite');
    },
    state: {},
  };
  await t.throwsAsync(writeCheckpoint(run, 2, parts, 1), {
    instanceOf: RunError,
    message: 'it is not finite',
  });
  t.deepEqual(order, ['model', 'optimizer']);
  t.deepEqual(await list(run), ['latest', 'step-1']);
});

test('a run whose folder cannot be made is a RunError with the path and the reason', async (t) => {
  const file = join(await temporaryFolder(t), 'file');
  await writeFile(file, 'x');
  await t.throwsAsync(write(join(file, 'run'), 1), {
    instanceOf: RunError,
    message: /cannot write .*step-1: part of the path is a file, not a folder \(ENOTDIR\)/,
  });
});

test('a limit on file sizes gives a RunError, and the old checkpoint survives', async (t) => {
  if (process.platform === 'win32') return t.pass();
  const run = await temporaryFolder(t);
  await write(run, 1);
  const module = new URL('../../src/io/checkpoint.js', import.meta.url).href;
  const child = `
    const { writeCheckpoint } = await import(${JSON.stringify(module)});
    const w = { dtype: 'F32', shape: [1 << 20], data: new Float32Array(1 << 20) };
    const model = new Map([['w', w]]);
    const parts = {
      model: async () => model,
      optimizer: async () => ({ step: 2, m: model, v: model }),
      state: {},
    };
    await writeCheckpoint(${JSON.stringify(run)}, 2, parts, 1).catch((error) => {
      console.log(error.name + ': ' + error.message);
    });`;
  const script = 'ulimit -f 2048; exec "$0" --input-type=module --eval "$1"';
  const { stdout } = spawnSync('sh', ['-c', script, process.execPath, child], { encoding: 'utf8' });
  t.regex(
    stdout,
    /^RunError: cannot write .*step-2: the file is larger than the system allows \(EFBIG\)\n$/,
  );
  t.deepEqual(await list(run), ['latest', 'step-1']);
  t.deepEqual(await readCheckpoint((await latestCheckpoint(run))!), {
    step: 1,
    ...sampleParts(1),
  });
});
