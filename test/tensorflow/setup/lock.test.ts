import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { withLock } from '../../../src/tensorflow/setup/lock.js';

const noWait = () => {};

test('work under one lock does not overlap, and waiting is told once', async (t) => {
  const order: string[] = [];
  let waits = 0;
  const work = (name: string) =>
    withLock(
      `${import.meta.url}/one`,
      () => waits++,
      async () => {
        order.push(`${name} begins`);
        await sleep(400);
        order.push(`${name} ends`);
      },
    );
  await Promise.all([work('a'), work('b')]);
  t.is(order.length, 4);
  t.is(order[0]!.slice(0, 1), order[1]!.slice(0, 1));
  t.is(order[2]!.slice(0, 1), order[3]!.slice(0, 1));
  t.is(waits, 1);
});

test('different folders do not wait for each other', async (t) => {
  await withLock(`${import.meta.url}/two`, noWait, () =>
    withLock(
      `${import.meta.url}/three`,
      () => t.fail('waited'),
      async () => t.pass(),
    ),
  );
});

test('the lock is free again after an error', async (t) => {
  const folder = `${import.meta.url}/four`;
  const failing = withLock(folder, noWait, () => Promise.reject(new Error('no')));
  await t.throwsAsync(failing, { message: 'no' });
  t.is(await withLock(folder, noWait, async () => 1), 1);
});

test('a holder that is killed holds nothing', async (t) => {
  const folder = `${import.meta.url}/five`;
  const lock = new URL('../../../src/tensorflow/setup/lock.js', import.meta.url).href;
  const script = `
    import { withLock } from ${JSON.stringify(lock)};
    await withLock(${JSON.stringify(folder)}, () => {}, () => {
      console.log('held');
      return new Promise(() => setInterval(() => {}, 1000));
    });`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script]);
  await once(child.stdout, 'data');
  let waited = false;
  const mine = withLock(
    folder,
    () => {
      waited = true;
      child.kill('SIGKILL');
    },
    async () => 'mine',
  );
  t.is(await mine, 'mine');
  t.true(waited);
});
