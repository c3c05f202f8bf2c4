import test from 'ava';
import { Grace } from '../../src/queue/waiting.js';

const never = new Promise<never>(() => {});

test('after one wait that was in vain the further ones are brief', async (t) => {
  const spent = new Grace(400);
  t.is(await spent.wait(never), undefined);
  const ended: string[] = [];
  await Promise.all([
    new Grace(400).wait(never).then(() => ended.push('first wait')),
    spent.wait(never).then(() => ended.push('further wait')),
  ]);
  t.deepEqual(ended, ['further wait', 'first wait']);
  t.is(await spent.wait(Promise.resolve(1)), 1, 'an answer that is there is taken');
});

test('failed work is no wait in vain', async (t) => {
  const grace = new Grace(400);
  t.is(await grace.wait(Promise.reject(new Error('refused'))), undefined);
  const ended: string[] = [];
  await Promise.all([
    grace.wait(never).then(() => ended.push('it waits as long')),
    new Grace(300).wait(never).then(() => ended.push('a shorter wait')),
  ]);
  t.deepEqual(ended, ['a shorter wait', 'it waits as long']);
});
