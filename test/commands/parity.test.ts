import { join } from 'node:path';
import test from 'ava';
import { readSafetensors, writeSafetensors } from '../../src/io/safetensors.js';
import type { Tensor } from '../../src/network/state.js';
import { fixturePath, haze, refuses } from '../helpers/cli.js';
import { temporaryFolder } from '../helpers/folder.js';

const NAMES = ['schedule_linear_T300', 'unet_rgb_16', 'unet_grey_32', 'unet_odd_widths_8'];

for (const build of ['strict', 'relaxed'])
  test(`every fixture passes on the ${build} build`, async (t) => {
    for (const name of NAMES) {
      const flags = build === 'strict' ? ['--strict'] : [];
      const { code, stdout, stderr } = await haze('.', [
        'parity',
        fixturePath(`${name}.safetensors`),
        ...flags,
      ]);
      t.is(code, 0, stderr);
      t.notRegex(stdout, /DOES NOT HOLD/);
      t.regex(stdout, /^group +values +largest error +share of tolerance\n/);
    }
  });

test('a wrong value exits with 3 and is reported with its position and the expected value', async (t) => {
  const { tensors } = await readSafetensors(fixturePath('unet_odd_widths_8.safetensors'));
  const tensor = tensors.get('eps_eval') as Tensor & { dtype: 'F32' };
  const data = tensor.data.slice();
  data[3]! += 0.05;
  const path = join(await temporaryFolder(t), 'off.safetensors');
  await writeSafetensors(path, new Map([...tensors, ['eps_eval', { ...tensor, data }]]));
  const { code, stdout, stderr } = await haze('.', ['parity', path]);
  t.is(code, 3);
  t.regex(stdout, /^eps_eval +768 +5\.0e-2 +5\.0e-2 of 2\.0e-5 +DOES NOT HOLD$/m);
  t.regex(
    stderr,
    /^haze: .*off\.safetensors: 1 of 9 groups are outside their tolerance\neps_eval\[0, 0, 0, 3\]: expected .*, got /,
  );
  const json = JSON.parse((await haze('.', ['parity', path, '--json'])).stdout);
  t.false(json.holds);
  t.is(json.groups.filter((group: { holds: boolean }) => !group.holds).length, 1);
});

test('a file without a known group is refused', async (t) => {
  const path = join(await temporaryFolder(t), 'other.safetensors');
  await writeSafetensors(
    path,
    new Map([['x', { dtype: 'F32', shape: [1], data: new Float32Array(1) }]]),
  );
  await refuses(
    t,
    ['parity', path],
    /other\.safetensors: expected a group of values to compare .*, got none/,
  );
  await refuses(
    t,
    ['parity', 'none.safetensors'],
    /none\.safetensors: cannot be read: no such file/,
  );
  await refuses(t, ['parity'], /<fixture>: expected a file of expected values, got nothing/);
});

test('a loss is refused for a file in which nothing depends on it', async (t) => {
  for (const name of ['samplers', 'schedule_linear_T300'])
    await refuses(
      t,
      ['parity', fixturePath(`${name}.safetensors`), '--loss', 'l2'],
      /^haze: --loss: expected a file with gradients, steps or losses, got .*, where nothing depends on it$/m,
    );
});
