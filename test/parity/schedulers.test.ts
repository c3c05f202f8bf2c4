import test from 'ava';
import { COMPUTING_DEFAULTS } from '../../src/config/computing.js';
import type { ComputingConfig } from '../../src/config/config.js';
import { UsageError } from '../../src/errors.js';
import { readSafetensors } from '../../src/io/safetensors.js';
import type { F32Tensor } from '../../src/network/state.js';
import { compareFixture } from '../../src/parity/compare-fixture.js';
import { Fixture } from '../../src/parity/fixture.js';
import { openSubject } from '../../src/parity/open-subject.js';
import { fixturePath } from '../helpers/cli.js';
import { tensorflowTest } from '../helpers/tensorflow.js';

const { tensors, metadata } = await readSafetensors(fixturePath('samplers.safetensors'));
const names = Object.keys(JSON.parse(metadata.cases!) as object);

/** The tensors of one case alone. */
const ofCase = (name: string) =>
  new Map([...tensors].filter(([tensor]) => tensor.startsWith(`${name}/`)));

const subjectOf = (computing: Partial<ComputingConfig>) =>
  openSubject('wasm', { ...COMPUTING_DEFAULTS, threads: 1, ...computing }, 'l1');

for (const strict of [true, false])
  test(`every sampler follows diffusers' trajectory, ${strict ? 'strict' : 'relaxed'}`, async (t) => {
    const fixture = new Fixture('samplers', tensors, metadata);
    const groups = await compareFixture(fixture, await subjectOf({ strict }));
    t.deepEqual(
      groups.filter(({ holds }) => !holds),
      [],
    );
    const compared = groups.map(({ name }) => name);
    for (const name of names) t.true(compared.includes(name), name);
  });

tensorflowTest("every sampler follows diffusers' trajectory on tensorflow", async (t) => {
  const fixture = new Fixture('samplers', tensors, metadata);
  const groups = await compareFixture(fixture, await subjectOf({ arithmetic: 'tensorflow' }));
  t.deepEqual(
    groups.filter(({ holds }) => !holds),
    [],
  );
});

for (const name of names)
  test(`a small error in ${name} is found`, async (t) => {
    const subject = await subjectOf({});
    const tensor = tensors.get(`${name}/trajectory`) as F32Tensor;
    const largest = tensor.data.reduce((max, v) => Math.max(max, Math.abs(v)), 0);
    for (const at of [7, tensor.data.length - 1]) {
      const data = tensor.data.slice();
      data[at]! += 3e-5 * largest;
      const changed = new Map([...ofCase(name), [`${name}/trajectory`, { ...tensor, data }]]);
      const cases = JSON.stringify({ [name]: JSON.parse(metadata.cases!)[name] });
      const groups = await compareFixture(new Fixture('off', changed, { cases }), subject);
      const failed = groups.filter(({ holds }) => !holds);
      t.deepEqual(
        failed.map((group) => group.name),
        [name],
      );
    }
  });

test('an unsupported case is named with its key and value', async (t) => {
  const subject = await subjectOf({});
  const cases = JSON.parse(metadata.cases!) as Record<string, { config: object }>;
  const [name] = names as [string];
  const wrong: [change: (one: { config: object }) => unknown, message: RegExp][] = [
    [
      (one) => ({ ...one, cls: 'LMSDiscreteScheduler' }),
      /_class_name: expected one of .*, got LMS/,
    ],
    [(one) => ({ ...one, steps: 0 }), /ddpm_trailing_x0\.steps: expected a whole number .*, got 0/],
    [
      (one) => ({ ...one, config: { ...one.config, beta_schedule: 'laplace' } }),
      /ddpm_trailing_x0\.beta_schedule: expected one of .*, got laplace/,
    ],
    [
      (one) => ({ ...one, config: { ...one.config, eta_max: 2 } }),
      /ddpm_trailing_x0\.eta_max: unknown field/,
    ],
    [({ config: _, ...one }) => one, /ddpm_trailing_x0\.config: expected an object, got none/],
  ];
  for (const [change, message] of wrong) {
    const text = JSON.stringify({ [name]: change(cases[name]!) });
    await t.throwsAsync(compareFixture(new Fixture('f', ofCase(name), { cases: text }), subject), {
      instanceOf: UsageError,
      message,
    });
  }
  for (const text of ['[', '3'])
    await t.throwsAsync(compareFixture(new Fixture('f', ofCase(name), { cases: text }), subject), {
      instanceOf: UsageError,
      message: /metadata: expected cases as a JSON object/,
    });
});

test('missing noise is reported', async (t) => {
  const fewer = new Map(tensors);
  fewer.delete('ddpm_trailing_x0/noise');
  const fixture = new Fixture('f', fewer, metadata);
  await t.throwsAsync(compareFixture(fixture, await subjectOf({})), {
    instanceOf: UsageError,
    message: /ddpm_trailing_x0\/noise: expected a tensor with this name, got none/,
  });
});

test('a tensor of no case is refused, and so is a case without its timesteps', async (t) => {
  const subject = await subjectOf({});
  const { ddpm_large_v: _, ...others } = JSON.parse(metadata.cases!) as Record<string, object>;
  const cases = JSON.stringify(others);
  await t.throwsAsync(compareFixture(new Fixture('f', tensors, { cases }), subject), {
    instanceOf: UsageError,
    message: /^f: ddpm_large_v\/.*, which nothing reads, nor 4 others$/,
  });
  const fewer = new Map(tensors);
  fewer.delete('ddpm_large_v/timesteps');
  await t.throwsAsync(compareFixture(new Fixture('f', fewer, metadata), subject), {
    instanceOf: UsageError,
    message: /^f: ddpm_large_v\/timesteps: expected a tensor with this name, got none$/,
  });
});
