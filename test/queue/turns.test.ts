import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { Turns } from '../../src/queue/turns.js';

test('each change waits for those before it, whether they failed or not', async (t) => {
  const turns = new Turns();
  const seen: string[] = [];
  const change = (name: string, milliseconds: number) =>
    turns.take(async () => {
      seen.push(`${name} begins`);
      await sleep(milliseconds);
      seen.push(`${name} ends`);
      if (name === 'b') throw new Error('no room');
      return name;
    });
  const [a, b, c] = [change('a', 20), change('b', 10), change('c', 0)];
  await t.throwsAsync(b, { message: 'no room' });
  t.deepEqual([await a, await c], ['a', 'c']);
  t.deepEqual(seen, ['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends']);
});
