import { execFile } from 'node:child_process';
import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { UsageError } from '../../src/errors.js';
import { readTensors } from '../../src/io/read-tensors.js';
import { readSafetensors, writeSafetensors } from '../../src/io/safetensors.js';
import { convertLine } from '../../src/io/torch/convert-line.js';
import { fixturePath } from '../helpers/cli.js';
import { temporaryFolder } from '../helpers/folder.js';
import { pythonTest } from '../helpers/python.js';
import { f32, stateDict } from '../helpers/tensors.js';

const torch = (name: string): string => fixturePath(`torch/${name}`);

for (const name of ['tensors.pt', 'tensors_legacy.pt', 'tensors_legacy_4.pt'])
  test(`${name}: every dtype and layout that PyTorch saves is read correctly`, async (t) => {
    const { tensors } = await readTensors(torch(name));
    const expected = (await readSafetensors(torch('tensors.safetensors'))).tensors;
    t.deepEqual([...tensors.keys()].sort(), [...expected.keys()].sort());
    for (const [key, tensor] of expected) t.deepEqual(tensors.get(key), tensor, key);
  });

test('a pickle in text is recognised as one of PyTorch, and the line that converts it is given', async (t) => {
  await t.throwsAsync(readTensors(torch('text_pickle.pt')), {
    instanceOf: UsageError,
    message: /^\S+text_pickle\.pt: .* Convert it once, with PyTorch:\n {2}python -c /,
  });
});

test('tensors in a nested checkpoint are named by their path, and other values are skipped', async (t) => {
  const { tensors } = await readTensors(torch('checkpoint.pt'));
  const names = [...tensors.keys()];
  t.deepEqual(names.slice(0, 7), [
    ...['0.weight', '0.bias', '1.weight', '1.bias', '1.running_mean', '1.running_var'].map(
      (name) => `state_dict.module.${name}`,
    ),
    'state_dict.module.1.num_batches_tracked',
  ]);
  t.true(names.includes('optimizer.state.0.exp_avg'));
  t.deepEqual(tensors.get('marked'), f32([1], 1));
  t.deepEqual(tensors.get('more.0.w'), f32([1], 2));
  t.is(names.length, 21);
});

test('the format is recognised by the content, whatever the name', async (t) => {
  const dir = await temporaryFolder(t);
  const state = stateDict({ w: f32([2], 1, 2) });
  await writeSafetensors(join(dir, 'a.pt'), state);
  t.deepEqual((await readTensors(join(dir, 'a.pt'))).tensors, state);
  for (const name of ['tensors.pt', 'tensors_legacy.pt'])
    for (const other of ['model.safetensors', 'pytorch_model.bin', 'weights']) {
      await copyFile(torch(name), join(dir, other));
      t.is((await readTensors(join(dir, other))).tensors.size, 20, `${name} as ${other}`);
    }
});

test('a folder or a pipe in place of a file is refused', async (t) => {
  const dir = await temporaryFolder(t);
  const pipe = join(dir, 'pipe.pt');
  await promisify(execFile)('mkfifo', [pipe]);
  for (const path of [dir, pipe])
    await t.throwsAsync(readTensors(path), {
      instanceOf: UsageError,
      message: /expected a file of tensors .*, got a folder or a device/,
    });
  await writeFile(join(dir, 'empty.pt'), '');
  await t.throwsAsync(readTensors(join(dir, 'empty.pt')), {
    instanceOf: UsageError,
    message: /got a file of 0 bytes/,
  });
});

const NESTED = 'the suggested line of Python converts nested checkpoints';
pythonTest(NESTED, ['torch', 'safetensors'], async (t, python) => {
  const path = join(await temporaryFolder(t), "it's nested.pt");
  await copyFile(torch('nested.pt'), path);
  const [, command] = convertLine(path).split('\n');
  await promisify(execFile)('sh', ['-c', command!.replace('python', `'${python}'`)]);
  const converted = await readSafetensors(path.replace(/pt$/, 'safetensors'));
  const direct = await readTensors(path);
  t.deepEqual([...converted.tensors.keys()].sort(), [...direct.tensors.keys()].sort());
  for (const [name, tensor] of direct.tensors)
    t.deepEqual(converted.tensors.get(name), tensor, name);
});
