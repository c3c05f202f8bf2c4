import test from 'ava';
import { Arena, checkFits } from '../../src/engine/arena.js';
import { ARENA } from '../../src/engine/control.js';
import { UsageError } from '../../src/errors.js';

test('Buffers start after the control block, each on its own cache lines', (t) => {
  const arena = new Arena();
  t.is(arena.size, ARENA);
  const addresses = [
    arena.bytes('a', 1),
    arena.floats('b', 17),
    arena.bytes('a', 64),
    arena.bytes('b', 0),
  ];
  t.deepEqual(
    addresses.map((at) => at - ARENA),
    [0, 64, 192, 256],
  );
  t.is(arena.size, ARENA + 256);
});

test('Groups count the requested bytes, in the order of their first buffer', (t) => {
  const arena = new Arena();
  arena.bytes('weights', 10);
  arena.floats('images', 3);
  arena.bytes('weights', 5);
  t.deepEqual(
    [...arena.groups],
    [
      ['weights', 15],
      ['images', 12],
    ],
  );
});

test('The error for too little memory says how much is needed and available, and what to do', (t) => {
  t.notThrows(() => checkFits(100, { bytes: 100 }, () => 'unused'));
  t.throws(() => checkFits(6 * 2 ** 30, { bytes: 4 * 2 ** 30 }, () => 'take less'), {
    instanceOf: UsageError,
    message: 'memory: this needs 6.00 GiB, available are 4.00 GiB; take less',
  });
  t.throws(() => checkFits(2 ** 30, { bytes: 2 ** 29, of: '1 GiB of it' }, () => 'take less'), {
    message: 'memory: this needs 1.00 GiB, available are 512.00 MiB (1 GiB of it); take less',
  });
});
