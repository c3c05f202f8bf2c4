import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { UsageError } from '../../src/errors.js';
import { below, findNetwork, weightsPath } from '../../src/io/network.js';
import { temporaryFolder } from '../helpers/folder.js';

const find = (names: string[], under?: string) => findNetwork('w.pt', names, 'a.weight', under);

test('names without a prefix take precedence', (t) => {
  t.deepEqual(find(['a.weight', 'b']), { prefix: '', note: null });
  t.deepEqual(find(['ema.a.weight', 'a.weight']), { prefix: '', note: null });
});

for (const prefix of ['module.', '_orig_mod.', 'module._orig_mod.', 'ema_model.', 'model.', 'x.1.'])
  test(`the prefix ${prefix} is found and reported`, (t) => {
    t.deepEqual(find([`${prefix}a.weight`, `${prefix}b`]), {
      prefix,
      note: `w.pt: the network's 2 tensors are named "${prefix}…", read without that prefix`,
    });
  });

test('other tensors of a checkpoint are skipped and counted', (t) => {
  const names = ['betas', 'model.a.weight', 'model.b', 'optimizer.state.0.step'];
  t.is(find(names)?.prefix, 'model.');
  t.regex(find(names)?.note ?? '', /the network's 2 tensors .*; 2 others are left out$/);
  t.regex(find(names.slice(0, 3))?.note ?? '', /; 1 other is left out$/);
});

test('without an anchor name there is no network', (t) => {
  t.is(find([]), undefined);
  t.is(find(['xa.weight', 'a.weight.b']), undefined);
});

test('several networks are listed, and one can be chosen', (t) => {
  const names = ['model.a.weight', 'ema.module.a.weight', 'ema.shadow.a.weight'];
  t.throws(() => find(names), {
    instanceOf: UsageError,
    message:
      'w.pt: expected one network, got "model", "ema.module", "ema.shadow"; choose one by name, as in "w.pt#model"',
  });
  t.throws(() => find(names, 'ema'), {
    message: /one network under "ema", got "ema\.module", "ema\.shadow"; .*"w\.pt#ema\.module"$/,
  });
  t.is(find(names, 'model')?.prefix, 'model.');
  t.is(find(names, 'ema.shadow')?.prefix, 'ema.shadow.');
  t.throws(() => find(names, 'em'), { message: /a network under "em", got "model", / });
  t.throws(() => find(['a.weight'], 'ema'), { message: /under "ema", got one without prefix$/ });
  t.throws(() => find([], 'ema'), { message: /under "ema", got none at all$/ });
  const many = Array.from({ length: 20 }, (_, i) => `m${i}.a.weight`);
  t.throws(() => find(many), { message: /"m7", \.\.\.; choose/ });
});

test('tensors below a prefix have names without it', (t) => {
  const all = new Map([
    ['m.a', 1],
    ['b', 2],
    ['m.c', 3],
  ]);
  t.deepEqual(
    [...below(all, 'm.')],
    [
      ['a', 1],
      ['c', 3],
    ],
  );
});

test('a path is split at its last #, unless a file has exactly this name', async (t) => {
  const dir = await temporaryFolder(t);
  const of = (name: string) => weightsPath(join(dir, name));
  await writeFile(join(dir, 'w.pt'), '');
  await writeFile(join(dir, 'v#1.pt'), '');
  t.deepEqual(await of('w.pt'), { file: join(dir, 'w.pt'), under: undefined });
  t.deepEqual(await of('w.pt#ema.x'), { file: join(dir, 'w.pt'), under: 'ema.x' });
  t.deepEqual(await of('v#1.pt'), { file: join(dir, 'v#1.pt'), under: undefined });
  t.deepEqual(await of('v#1.pt#ema'), { file: join(dir, 'v#1.pt'), under: 'ema' });
  t.deepEqual(await of('none.pt#ema'), { file: join(dir, 'none.pt#ema'), under: undefined });
});
