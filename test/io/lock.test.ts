import { spawn } from 'node:child_process';
import { once } from 'node:events';
import test from 'ava';
import { tryLock } from '../../src/io/lock.js';

const LOCK = new URL('../../src/io/lock.js', import.meta.url).href;

test('a lock has one holder, and is free after it', async (t) => {
  const first = await tryLock(`${import.meta.url} one`);
  t.truthy(first);
  t.is(await tryLock(`${import.meta.url} one`), undefined);
  const other = await tryLock(`${import.meta.url} other`);
  t.truthy(other);
  await first!.release();
  await first!.release();
  const again = await tryLock(`${import.meta.url} one`);
  t.truthy(again);
  await again!.release();
  await other!.release();
});

for (const signal of ['SIGKILL', 'SIGTERM'] as const)
  test(`a holder that ends by ${signal} holds nothing`, async (t) => {
    const name = `${import.meta.url} ${signal}`;
    const script = `
      import { tryLock } from ${JSON.stringify(LOCK)};
      console.log((await tryLock(${JSON.stringify(name)})) ? 'held' : 'not held');
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script]);
    const [said] = await once(child.stdout, 'data');
    t.is(String(said), 'held\n');
    t.is(await tryLock(name), undefined);
    child.kill(signal);
    await once(child, 'close');
    const lock = await tryLock(name);
    t.truthy(lock);
    await lock!.release();
  });

test('a lock alone does not keep a process going', async (t) => {
  const script = `
    import { tryLock } from ${JSON.stringify(LOCK)};
    await tryLock(${JSON.stringify(`${import.meta.url} idle`)});`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script]);
  const [code] = await once(child, 'close');
  t.is(code, 0);
});
