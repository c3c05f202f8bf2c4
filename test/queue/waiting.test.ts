import test from 'ava';
import { Patience } from '../../src/queue/waiting.js';

const never = new Promise<never>(() => {});

test('after one wait that was in vain the further ones are brief', async (t) => {
  const spent = new Patience(400);
  t.is(await spent.for(never), undefined);
  const ended: string[] = [];
  await Promise.all([
    new Patience(400).for(never).then(() => ended.push('first wait')),
    spent.for(never).then(() => ended.push('further wait')),
  ]);
  t.deepEqual(ended, ['further wait', 'first wait']);
  t.is(await spent.for(Promise.resolve(1)), 1, 'an answer that is there is taken');
});

test('failed work is no wait in vain', async (t) => {
  const patience = new Patience(400);
  t.is(await patience.for(Promise.reject(new Error('refused'))), undefined);
  const ended: string[] = [];
  await Promise.all([
    patience.for(never).then(() => ended.push('it waits as long')),
    new Patience(300).for(never).then(() => ended.push('a shorter wait')),
  ]);
  t.deepEqual(ended, ['a shorter wait', 'it waits as long']);
});
