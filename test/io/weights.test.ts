import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { CounterRandom } from '../../src/diffusion/random.js';
import { UsageError } from '../../src/errors.js';
import { writeSafetensors } from '../../src/io/safetensors.js';
import { checkNetworkOf, hashWeights, readNetwork, readWeights } from '../../src/io/weights.js';
import { initialState } from '../../src/network/initial-state.js';
import { buildNetwork, type NetworkConfig } from '../../src/network/network.js';
import type { F32Tensor, Tensor } from '../../src/network/state.js';
import { fixturePath } from '../helpers/cli.js';
import { temporaryFolder } from '../helpers/folder.js';
import { readFixture } from '../helpers/network-fixture.js';

const SMALL: NetworkConfig = {
  kind: 'simple',
  widths: [4, 8],
  channels: 3,
  timeDim: 8,
  norm: 'separate',
};

/** A file of a small U-Net's weights, some changed, some (where undefined) left out. */
async function written(
  t: ExecutionContext,
  changes: Record<string, Tensor | undefined> = {},
): Promise<string> {
  const state = new Map(initialState(buildNetwork(SMALL), new CounterRandom(1)));
  for (const [name, tensor] of Object.entries(changes))
    if (tensor) state.set(name, tensor);
    else state.delete(name);
  const path = join(await temporaryFolder(t), 'weights.safetensors');
  await writeSafetensors(path, state);
  return path;
}

const bias = (...values: number[]): Tensor => ({
  dtype: 'F32',
  shape: [values.length],
  data: Float32Array.from(values),
});

test('weights are read completely, and describe their network', async (t) => {
  const path = await written(t);
  t.deepEqual(await readNetwork(path), SMALL);
  t.deepEqual((await readWeights(path)).get('conv0.bias')?.shape, [4]);
  await t.notThrowsAsync(checkNetworkOf(path, SMALL, 'this run'));
});

const integers: Tensor = { dtype: 'I64', shape: [4], data: new BigInt64Array(4) };

const faults: [string, Record<string, Tensor | undefined>, RegExp][] = [
  ['a tensor is missing', { 'output.bias': undefined }, /: output\.bias: expected a tensor/],
  ['one does not belong', { extra: bias(1) }, /: extra: no such tensor in this network$/],
  [
    'one has another shape',
    { 'conv0.bias': bias(1, 2) },
    /: conv0\.bias: expected the shape \[4\]/,
  ],
  ['one holds integers', { 'conv0.bias': integers }, /: conv0\.bias: expected F32 .*, got I64$/],
  ['a value is NaN', { 'conv0.bias': bias(1, Number.NaN, 0, 0) }, /: conv0\.bias: .*, got NaN$/],
  [
    'a value is infinite',
    { 'conv0.bias': bias(0, 0, 0, Number.NEGATIVE_INFINITY) },
    /: conv0\.bias: expected finite numbers, got -Infinity$/,
  ],
  [
    'a variance is negative',
    { 'downs.0.bnorm2.running_var': bias(1, 0, 1, 1, 1, -0.5, 1, 1) },
    /: downs\.0\.bnorm2\.running_var: expected variances of 0 or more, got -0\.5$/,
  ],
];

for (const [what, changes, message] of faults)
  test(`weights are refused with file and tensor if ${what}`, async (t) => {
    const path = await written(t, changes);
    const error = await t.throwsAsync(readWeights(path), { instanceOf: UsageError, message });
    t.true(error.message.startsWith(path));
  });

test('weights of another U-Net are refused with the difference', async (t) => {
  const path = await written(t);
  await t.throwsAsync(
    checkNetworkOf(path, { ...SMALL, kind: 'simple', widths: [4, 8, 16] }, 'this run'),
    {
      instanceOf: UsageError,
      message: /weights\.safetensors: expected widths 4,8,16, as this run has, got 4,8$/,
    },
  );
  await t.throwsAsync(checkNetworkOf(path, { ...SMALL, timeDim: 32 }, 'config.json'), {
    message: /: expected timeDim 32, as config\.json has, got 8$/,
  });
});

test('of a dit that predicts a variance the rows of the noise are read', async (t) => {
  const { state0, architecture } = await readFixture('dit/classes_8');
  const { channels } = architecture;
  const doubled = new Map<string, Tensor>(state0);
  for (const name of ['proj_out_2.weight', 'proj_out_2.bias']) {
    const { data, shape } = state0.get(name) as F32Tensor;
    const [rows = 0, columns = 1] = shape;
    const twice = new Float32Array(2 * data.length).fill(7);
    for (let row = 0; row < rows; row++) {
      const pixel = Math.floor(row / channels);
      const to = 2 * channels * pixel + (row % channels);
      twice.set(data.subarray(row * columns, (row + 1) * columns), to * columns);
    }
    doubled.set(name, { dtype: 'F32', shape: [2 * rows, ...shape.slice(1)], data: twice });
  }
  const path = await fileOf(t, doubled);
  t.deepEqual(await readWeights(path), new Map(state0));
  t.is((await readNetwork(path)).channels, channels);
});

/** A file of tensors by name. */
async function fileOf(t: ExecutionContext, tensors: Iterable<[string, Tensor]>): Promise<string> {
  const path = join(await temporaryFolder(t), 'weights.safetensors');
  await writeSafetensors(path, new Map(tensors));
  return path;
}

const own = initialState(buildNetwork(SMALL), new CounterRandom(1));

/** The small U-Net's tensors under a prefix. */
const prefixed = (prefix: string, state = own): [string, Tensor][] =>
  [...state].map(([name, tensor]) => [prefix + name, tensor]);

for (const prefix of ['module.', '_orig_mod.', 'module._orig_mod.', 'ema_model.', 'model.'])
  test(`weights named ${prefix} are read under the network's own names, with a note`, async (t) => {
    const path = await fileOf(t, prefixed(prefix));
    const notes: string[] = [];
    t.deepEqual(await readWeights(path, (text) => notes.push(text)), own);
    t.deepEqual(await readNetwork(path), SMALL);
    t.is(notes.length, 1);
    t.true(notes[0]!.includes(`"${prefix}…"`), notes[0]);
  });

test('weights without batch counts are read', async (t) => {
  const counts = [...own.keys()].filter((name) => name.endsWith('.num_batches_tracked'));
  t.true(counts.length > 0);
  const path = await written(t, Object.fromEntries(counts.map((name) => [name, undefined])));
  t.deepEqual(await readNetwork(path), SMALL);
  t.is((await readWeights(path)).size, own.size - counts.length);
});

test('a # chooses one of several networks in a file, and the hash depends on the choice', async (t) => {
  const other = initialState(buildNetwork(SMALL), new CounterRandom(2));
  const path = await fileOf(t, [...prefixed('model.'), ...prefixed('ema.', other)]);
  await t.throwsAsync(readWeights(path), {
    instanceOf: UsageError,
    message: /expected one network, got "model", "ema"; choose one/,
  });
  t.deepEqual(await readWeights(`${path}#model`), own);
  t.deepEqual(await readWeights(`${path}#ema`), other);
  t.not(await hashWeights(`${path}#ema`), await hashWeights(`${path}#model`));
  t.is(await hashWeights(`${path}#ema`), `${await hashWeights(path)}#ema`);
});

test('of a PyTorch checkpoint only the network under its key is read', async (t) => {
  const notes: string[] = [];
  const weights = await readWeights(fixturePath('torch/nested.pt'), (text) => notes.push(text));
  t.is(weights.size, 42);
  t.deepEqual(weights.get('conv0.weight')?.shape, [8, 3, 3, 3]);
  t.regex(notes.join(), /nested\.pt: the network's 42 tensors are named "model_state_dict\.…"/);
});

test('tensors beside the network may have any dtype, but not those within it', async (t) => {
  const path = await fileOf(t, [...prefixed('model.'), ['model.extra', bias(1)]]);
  await t.throwsAsync(readWeights(path), { message: /: extra: no such tensor in this network$/ });
});
