import test from 'ava';
import { COMPUTING_DEFAULTS } from '../../src/config/computing.js';
import type { NetworkDevice } from '../../src/contracts/device.js';
import { UsageError } from '../../src/errors.js';
import { readSafetensors } from '../../src/io/safetensors.js';
import type { StateDict, Tensor } from '../../src/network/state.js';
import { compareFixture } from '../../src/parity/compare-fixture.js';
import { Fixture } from '../../src/parity/fixture.js';
import { openSubject } from '../../src/parity/open-subject.js';
import type { Subject } from '../../src/parity/subject.js';
import { fixturePath } from '../helpers/cli.js';

const load = async (name: string): Promise<StateDict> =>
  (await readSafetensors(fixturePath(`${name}.safetensors`))).tensors;

/** A device that outlives whoever disposes of it. */
const undisposed = (device: NetworkDevice): NetworkDevice =>
  new Proxy(device, {
    get(target, name) {
      if (name === 'dispose') return async () => {};
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });

/** One engine for each shape, opened once for the many comparisons of this file. */
const opened = new Map<string, NetworkDevice>();
const subject: Promise<Subject> = openSubject(
  'wasm',
  { ...COMPUTING_DEFAULTS, threads: 1 },
  'l1',
).then((real) => ({
  ...real,
  unet: async (shape) => {
    const key = JSON.stringify(shape);
    const unet = opened.get(key) ?? (await real.unet(shape));
    opened.set(key, unet);
    return undisposed(unet);
  },
}));

test.after.always(async () => {
  for (const unet of opened.values()) await unet.dispose();
});

const compare = async (tensors: StateDict) =>
  compareFixture(new Fixture('fixture', tensors), await subject);

/** The fixture with one value of a tensor off: by 0.05, or by one where values are whole. */
function corrupted(tensors: StateDict, name: string, at: number): StateDict {
  const tensor = tensors.get(name)!;
  const data = tensor.data.slice();
  if (data instanceof Float32Array) data[at]! += 0.05;
  else data[at]! += 1n;
  return new Map([...tensors, [name, { ...tensor, data } as Tensor]]);
}

/** Groups of expected values: a value in each tensor of them must be right. */
const EXPECTED = /^(xt|eps_eval|eps_train|losses|sample\/trajectory|grad\/.*|state1\/.*)$/;

test.serial('a value off by 0.05 is caught in any table of the schedule', async (t) => {
  const tensors = await load('schedule_linear_T300');
  t.is((await compare(tensors)).filter((group) => group.holds).length, tensors.size);
  for (const name of tensors.keys())
    for (const at of [0, 150, 299]) {
      const groups = await compare(corrupted(tensors, name, at));
      t.deepEqual(
        groups.filter((group) => !group.holds).map((group) => group.worst.tensor),
        [name],
      );
    }
});

test.serial('a value off by 0.05 is caught in any tensor of expected values', async (t) => {
  const tensors = await load('unet_odd_widths_8');
  const names = [...tensors.keys()].filter((name) => EXPECTED.test(name));
  t.true(names.length > 130);
  for (const [i, name] of names.entries()) {
    const { length } = tensors.get(name)!.data;
    const groups = await compare(corrupted(tensors, name, (i * 7919) % length));
    t.true(
      groups.some((group) => !group.holds && group.worst.tensor === name),
      name,
    );
  }
});

test.serial('each loss and each frame of the trajectory is compared', async (t) => {
  const tensors = await load('unet_odd_widths_8');
  const moment = tensors.get('sample/trajectory')!.data.length / 8;
  for (let i = 0; i < 5; i++) t.true(await fails(corrupted(tensors, 'losses', i)));
  for (let i = 0; i < 8; i++)
    t.true(await fails(corrupted(tensors, 'sample/trajectory', i * moment + 5)), `moment ${i}`);
});

const fails = async (tensors: StateDict) => (await compare(tensors)).some((group) => !group.holds);

test.serial('a fixture may have only some of the groups', async (t) => {
  const tensors = await load('unet_odd_widths_8');
  const only = (...wanted: RegExp[]) =>
    new Map([...tensors].filter(([name]) => wanted.some((pattern) => pattern.test(name))));
  const names = async (some: StateDict) => (await compare(some)).map((group) => group.name);
  t.deepEqual(await names(only(/^(x0|t|noise|xt)$/)), ['xt']);
  t.deepEqual(await names(only(/^state0/, /^(xt|t|eps_eval)$/)), ['eps_eval']);
  t.deepEqual(await names(only(/^state0/, /^(xt|t|noise|losses)$/)), ['losses']);
  t.deepEqual(await names(only(/^state0/, /^sample/)), ['sample/trajectory']);
});

test.serial(
  'a fixture without a known group or with inconsistent tensors is a UsageError',
  async (t) => {
    const tensors = await load('unet_odd_widths_8');
    const without = (name: string) => new Map([...tensors].filter(([other]) => other !== name));
    const shaped = (name: string, shape: number[]) =>
      new Map([...tensors, [name, { ...tensors.get(name)!, shape } as Tensor]]);
    const cases: [tensors: StateDict, message: RegExp][] = [
      [new Map(), /^fixture: expected a group of values to compare .*, got none$/],
      [
        new Map([['state0/conv0.bias', tensors.get('state0/conv0.bias')!]]),
        /expected a group of values/,
      ],
      [without('t'), /^fixture: t: expected a tensor with this name, got none$/],
      [
        without('state0/output.bias'),
        /^fixture: state0: output\.bias: expected a tensor with this name, got none$/,
      ],
      [without('noise'), /^fixture: noise: expected a tensor with this name, got none$/],
      [shaped('xt', [4, 3, 4, 16]), /^fixture: xt: expected (square images|the shape)/],
      [
        shaped('eps_eval', [4, 3, 64, 1]),
        /^fixture: eps_eval: expected the shape \[4, 3, 8, 8\], got F32 \[4, 3, 64, 1\]$/,
      ],
      [
        shaped('grad/output.bias', [1, 3]),
        /^fixture: grad\/output\.bias: expected the shape \[3\], got \[1, 3\]$/,
      ],
      [
        new Map([...tensors, ['grad/conv9.bias', tensors.get('grad/output.bias')!]]),
        /^fixture: grad\/conv9\.bias: no such tensor/,
      ],
      [
        new Map([
          ...tensors,
          ['t', { dtype: 'I64', shape: [4], data: BigInt64Array.of(0n, 1n, 2n, 300n) }],
        ]),
        /^fixture: t: expected timesteps from 0 to 299, got 300$/,
      ],
    ];
    for (const [some, message] of cases)
      await t.throwsAsync(compare(some), { instanceOf: UsageError, message });
  },
);

test.serial('a tensor that nothing would compare is refused', async (t) => {
  const tensors = await load('unet_odd_widths_8');
  const without = (...names: string[]) =>
    new Map([...tensors].filter(([name]) => !names.includes(name)));
  const renamed = (from: RegExp, to: string) =>
    new Map([...tensors].map(([name, tensor]) => [name.replace(from, to), tensor]));
  const cases: [tensors: StateDict, message: RegExp][] = [
    [
      renamed(/^grad\//, 'gard/'),
      /^fixture: gard\/conv0\.bias: expected only tensors .*, which nothing reads, nor 53 others$/,
    ],
    [renamed(/^losses$/, 'loss'), /^fixture: loss: .*, which nothing reads$/],
    [
      renamed(/^sample\/trajectory$/, 'sample/path'),
      /^fixture: sample\/path: .*, which nothing reads$/,
    ],
    [
      without('grad/output.bias'),
      /^fixture: grad\/output\.bias: expected a tensor with this name, as .*, got none$/,
    ],
    [
      without('state1/downs.0.bnorm1.running_var'),
      /^fixture: state1\/downs\.0\.bnorm1\.running_var: expected a tensor .*, got none$/,
    ],
    [without('sample/trajectory'), /^fixture: sample\/trajectory: expected a tensor .*, got none$/],
    [without('xt'), /^fixture: xt: expected a tensor with this name, got none$/],
    [
      new Map([...tensors].filter(([name]) => !name.startsWith('grad/'))),
      /^fixture: grad\/\*: expected the gradients, from which .* follows, got none$/,
    ],
  ];
  for (const [some, message] of cases)
    await t.throwsAsync(compare(some), { instanceOf: UsageError, message });
});
