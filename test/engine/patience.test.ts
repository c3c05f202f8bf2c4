import test from 'ava';
import { Patience } from '../../src/engine/patience.js';

const SHORT = new Patience(3, 2).spins;

test('With more workers than cores, a worker spins only briefly', (t) => {
  const patience = new Patience(3, 2);
  for (let i = 0; i < 1000; i++) patience.learn(false);
  t.is(patience.spins, SHORT);
});

test('With a core for each worker, it spins long until spinning has not helped', (t) => {
  const patience = new Patience(2, 2);
  const long = patience.spins;
  t.true(long > 100 * SHORT);
  patience.learn(true);
  t.is(patience.spins, long / 4);
});

test('It still spins briefly, however often spinning has not helped', (t) => {
  const patience = new Patience(2, 2);
  for (let i = 0; i < 50; i++) patience.learn(true);
  t.is(patience.spins, SHORT);
});

test('Waits that end while spinning restore the duration gradually', (t) => {
  const patience = new Patience(2, 2);
  const long = patience.spins;
  for (let i = 0; i < 50; i++) patience.learn(true);
  patience.learn(false);
  t.true(patience.spins > SHORT && patience.spins < long / 100);
  for (let i = 0; i < 1000; i++) patience.learn(false);
  t.is(patience.spins, long);
});
