import test from 'ava';
import { elements } from '../../src/network/state.js';
import { type Matrix, packBlocks } from '../../src/tensorflow/blocks.js';

const variable = (name: string, ...shape: number[]) => ({ name, shape, kept: shape });
const PARAMETERS = [
  variable('a.weight', 3, 3, 8, 8),
  variable('a.bias', 8),
  variable('b.weight', 3, 3, 8, 8),
  variable('up.weight', 3, 3, 8, 8),
  variable('dense.weight', 16, 8),
  variable('wide.weight', 3, 3, 64, 64),
  variable('wide.bias', 64),
  variable('widest.weight', 3, 3, 256, 256),
];
const names = PARAMETERS.flatMap(({ name }) => (name.endsWith('weight') ? [name] : []));
const MATRICES = new Map<string, Matrix>(
  names.map((name) => [name, { transposed: name === 'up.weight' }]),
);

/** The names of each block's members. */
const packed = (matrices: ReadonlyMap<string, Matrix>, gpu: boolean) =>
  packBlocks(PARAMETERS, matrices, gpu).map(({ members }) =>
    members.map(({ name }) => name.replace('.weight', '')),
  );

test('small parameters that Adam updates are one block', (t) => {
  const small = ['a', 'a.bias', 'b', 'up', 'dense', 'wide.bias'];
  t.deepEqual(packed(new Map(), false), [small, ['wide'], ['widest']]);
  const few = [...small.slice(0, 5), 'wide', 'wide.bias'];
  t.deepEqual(packed(new Map(), true), [few, ['widest']]);
});

test('weights that Muon updates are packed with those of their shape and kind', (t) => {
  t.deepEqual(packed(MATRICES, true), [
    ['a', 'b'],
    ['a.bias', 'wide.bias'],
    ['up'],
    ['dense'],
    ['wide'],
    ['widest'],
  ]);
});

test('a block has all elements of its members, and a single one its shape', (t) => {
  const blocks = packBlocks(PARAMETERS, MATRICES, false);
  t.is(new Set(blocks.map(({ name }) => name)).size, blocks.length);
  for (const { name, kept, members } of blocks)
    if (members.length === 1) t.deepEqual({ name, kept }, pick(members[0]!));
    else t.deepEqual(kept, [members.reduce((sum, member) => sum + elements(member.kept), 0)]);
});

const pick = ({ name, kept }: { name: string; kept: readonly number[] }) => ({ name, kept });
