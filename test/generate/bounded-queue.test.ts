import { setTimeout } from 'node:timers/promises';
import test from 'ava';
import { BoundedQueue } from '../../src/generate/bounded-queue.js';

test('Producers wait while the queue is full, so few items accumulate before slow consumers', async (t) => {
  let put = 0;
  let handled = 0;
  let furthest = 0;
  const slow = async () => {
    furthest = Math.max(furthest, put - handled);
    await setTimeout(1);
    handled++;
  };
  const queue = new BoundedQueue<number>(slow, { room: 3, hands: 2 });
  for (; put < 50; put++) await queue.put(put);
  await queue.drain();
  t.is(handled, 50);
  t.true(furthest <= 3 + 2 + 1, `${furthest} waited`);
});

test('Each consumer processes one item at a time, concurrently with the others', async (t) => {
  let busy = 0;
  let most = 0;
  const work = async () => {
    most = Math.max(most, ++busy);
    await setTimeout(1);
    busy--;
  };
  const queue = new BoundedQueue<number>(work, { room: 10, hands: 4 });
  for (let i = 0; i < 20; i++) await queue.put(i);
  await queue.drain();
  t.is(most, 4);
});

test('After a failure every call throws it, and waiting items are dropped', async (t) => {
  const done: number[] = [];
  const work = async (item: number) => {
    await setTimeout(1);
    if (item === 2) throw new Error('the disk is full');
    done.push(item);
  };
  const queue = new BoundedQueue<number>(work, { room: 2, hands: 1 });
  const produce = async () => {
    for (let i = 0; i < 100; i++) await queue.put(i);
  };
  await t.throwsAsync(produce(), { message: 'the disk is full' });
  await t.throwsAsync(queue.drain(), { message: 'the disk is full' });
  await t.throwsAsync(queue.put(0), { message: 'the disk is full' });
  t.deepEqual(done, [0, 1]);
});
