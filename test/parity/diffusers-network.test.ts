import test from 'ava';
import type { NetworkDevice, NetworkOptions } from '../../src/contracts/device.js';
import { Arithmetic } from '../../src/engine/arithmetic.js';
import { UsageError } from '../../src/errors.js';
import { readSafetensors } from '../../src/io/safetensors.js';
import type { F32Tensor, StateDict, Tensor } from '../../src/network/state.js';
import type { Group } from '../../src/parity/compare.js';
import { compareFixture } from '../../src/parity/compare-fixture.js';
import { Fixture, toChannelsLast } from '../../src/parity/fixture.js';
import type { Subject } from '../../src/parity/subject.js';
import { fixturePath } from '../helpers/cli.js';

const path = (name: string): string => fixturePath(`unet2d/${name}.safetensors`);
const { tensors, metadata } = await readSafetensors(path('rare_16'));

const GROUPS = ['out', 'loss', 'grad/*', 'state1/*', 'losses'];

/** What holds, or the worst value of what does not. */
const verdict = (groups: readonly Group[]) =>
  groups.map(({ name, holds, worst }) => (holds ? name : { name, worst }));

const below = (prefix: string): StateDict =>
  new Map(
    [...tensors]
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, tensor]) => [name.slice(prefix.length), tensor]),
  );
const f32 = (name: string) => (tensors.get(name) as F32Tensor).data;

/** A device that computes what PyTorch did, to the bit. */
const perfect: Subject = {
  reverse: new Arithmetic(),
  unet: async ({ optimizer, loss }: NetworkOptions) => {
    if (loss !== 'l2') throw new Error('the fixtures have squared errors');
    const losses = [...(optimizer!.clip === 1 ? f32('losses') : f32('loss'))];
    const epsilon = toChannelsLast(f32('out'), 3, 16 * 16);
    return {
      predict: async () => epsilon,
      gradients: async () => ({ loss: f32('loss')[0]!, epsilon, gradients: below('grad/') }),
      trainStep: async () => losses.shift()!,
      exportState: async () => below('state1/'),
      importState: async () => {},
      dispose: async () => {},
    } as unknown as NetworkDevice;
  },
  qSample: async (x0) => x0,
  pSample: async (x) => x,
};

const compare = (some: StateDict, about = metadata) =>
  compareFixture(new Fixture('fixture', some, about), perfect);

function corrupted(name: string, at: number, by = 0.05): StateDict {
  const tensor = tensors.get(name) as F32Tensor;
  const data = tensor.data.slice();
  data[at]! += by;
  return new Map<string, Tensor>([...tensors, [name, { ...tensor, data }]]);
}

test('a value off by 0.05 is caught in any tensor of expected values', async (t) => {
  t.deepEqual(verdict(await compare(tensors)), GROUPS);
  const names = [...tensors.keys()].filter((name) =>
    /^(out|loss|losses|(grad|state1)\/.*)$/.test(name),
  );
  t.true(names.length > 180);
  for (const [i, name] of names.entries()) {
    const at = (i * 7919) % f32(name).length;
    const failed = (await compare(corrupted(name, at))).filter(({ holds }) => !holds);
    t.true(
      failed.some(({ worst }) => worst.tensor === name),
      name,
    );
  }
  for (let i = 0; i < 5; i++)
    t.false(
      (await compare(corrupted('losses', i))).every(({ holds }) => holds),
      `loss ${i}`,
    );
});

test('a value that is not finite is caught, even if tolerances follow from it', async (t) => {
  for (const name of ['out', 'loss', 'losses', 'grad/conv_out.bias', 'state1/conv_out.bias'])
    for (const by of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      const failed = (await compare(corrupted(name, 0, by))).filter(({ holds }) => !holds);
      t.true(
        failed.some(({ worst }) => worst.tensor === name),
        `${name}: ${by}`,
      );
    }
});

test('a fixture may have only some of the groups', async (t) => {
  const names = async (...wanted: RegExp[]) => {
    const some = [...tensors].filter(([name]) => wanted.some((pattern) => pattern.test(name)));
    return (await compare(new Map(some))).map(({ name }) => name);
  };
  const inputs = /^(state0\/.*|x|t|target|label)$/;
  t.deepEqual(await names(inputs, /^out$/), ['out']);
  t.deepEqual(await names(inputs, /^losses$/), ['losses']);
  t.deepEqual(await names(inputs, /^(loss$|grad)/), ['loss', 'grad/*']);
});

test('a fixture with inconsistent parts is a UsageError', async (t) => {
  const config = (change: object) => ({
    config: JSON.stringify({ ...JSON.parse(metadata.config!), ...change }),
  });
  const without = (name: string) => new Map([...tensors].filter(([other]) => other !== name));
  const cases: [make: () => Promise<unknown>, message: RegExp][] = [
    [
      () => compare(tensors, { config: '[]' }),
      /^fixture: __metadata__: config: expected a JSON object/,
    ],
    [
      () => compare(tensors, {}),
      /^fixture: __metadata__: config: expected the config\.json of a UNet2DModel or DiTTransformer2DModel, got none$/,
    ],
    [
      () => compare(tensors, config({ act_fn: 'relu' })),
      /config: act_fn: expected "silu", got "relu"$/,
    ],
    [
      () => compare(tensors, config({ layers_per_block: 2 })),
      /^fixture: state0: expected layers 2 from the config, got 1$/,
    ],
    [
      () => compare(without('state0/conv_out.bias')),
      /^fixture: state0: conv_out\.bias: expected a tensor with this name, got none$/,
    ],
    [
      () => compare(without('label')),
      /^fixture: label: expected a tensor with this name, got none$/,
    ],
    [
      () => compare(without('grad/conv_out.bias')),
      /^fixture: grad\/conv_out\.bias: expected a tensor with this name, as .*, got none$/,
    ],
    [
      () => compare(new Map([...tensors, ['eps_eval', tensors.get('out')!]])),
      /^fixture: eps_eval: .*, which nothing reads$/,
    ],
    [() => compare(without('x')), /^fixture: x: expected a tensor with this name, got none$/],
    [
      () =>
        compare(
          new Map<string, Tensor>([
            ...tensors,
            ['t', { dtype: 'I64', shape: [3], data: BigInt64Array.of(0n, 1n, 1000n) }],
          ]),
        ),
      /^fixture: t: expected timesteps from 0 to 999, got 1000$/,
    ],
  ];
  for (const [make, message] of cases)
    await t.throwsAsync(make, { instanceOf: UsageError, message });
});
