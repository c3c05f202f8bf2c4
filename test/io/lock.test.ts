import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, rm, symlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { exclusively, type LockTarget, tryLock, withLock } from '../../src/io/lock.js';
import { endWith } from '../helpers/child.js';
import { flockTest, withoutFlock } from '../helpers/flock.js';
import { temporaryFolder } from '../helpers/folder.js';
import { needing } from '../helpers/needing.js';
import { until } from '../helpers/until.js';

const MODULE = new URL('../../src/io/lock.js', import.meta.url).href;

/** A lock of the test's own. */
const target = (name: string): LockTarget => ({ path: `/nowhere/${process.pid}`, use: name });

const refuse = (holder: string) => new Error(`${holder} has it`);

/** A process that takes the lock and keeps it; resolves once it has. `command` starts it, where it is not Node alone. */
async function startHolder(
  t: ExecutionContext,
  lock: LockTarget,
  [command, ...words]: readonly [string, ...string[]] = [process.execPath],
) {
  const script = `
    import { tryLock } from ${JSON.stringify(MODULE)};
    await tryLock(${JSON.stringify(lock)});
    console.log('held');
    setInterval(() => {}, 1000);`;
  const child = spawn(command, [...words, '--input-type=module', '-e', script]);
  endWith(t, child);
  await once(child.stdout, 'data');
  return child;
}

/** As a container is started: with a network, and so with sockets, of its own. */
const CONTAINER = ['unshare', '--net'] as const;
const withoutContainer =
  spawnSync(CONTAINER[0], [CONTAINER[1], 'true']).status === 0
    ? undefined
    : 'unshare makes no network here';
const inContainer = needing(withoutFlock ?? withoutContainer);

test('Work under one lock does not overlap, and waiting is reported once', async (t) => {
  const order: string[] = [];
  let waits = 0;
  const work = (name: string) =>
    withLock(
      target('overlap'),
      () => waits++,
      async () => {
        order.push(`${name} begins`);
        await until(() => waits > 0);
        order.push(`${name} ends`);
      },
    );
  await Promise.all([work('a'), work('b')]);
  t.is(order.length, 4);
  t.is(order[0]!.slice(0, 1), order[1]!.slice(0, 1));
  t.is(order[2]!.slice(0, 1), order[3]!.slice(0, 1));
  t.is(waits, 1);
});

test('Each folder and each use of a folder has its own lock', async (t) => {
  const [a, b] = [target('a'), target('b')];
  const locks = [await tryLock(a), await tryLock(b), await tryLock({ ...a, path: '/elsewhere' })];
  t.false(locks.includes(undefined));
  t.is(await tryLock(a), undefined);
  for (const lock of locks) lock?.release();
});

test('A folder has one lock under every path, even before it exists', async (t) => {
  const folder = await temporaryFolder(t);
  const use = 'run';
  await mkdir(join(folder, 'real'));
  await symlink(join(folder, 'real'), join(folder, 'link'));
  const lock = await tryLock({ path: join(folder, 'real', 'new', 'out'), use });
  for (const path of ['link/new/out', 'link/new/../new/out/'].map((p) => join(folder, p)))
    for (const spelt of [path, relative('.', path)])
      t.is(await tryLock({ path: spelt, use }), undefined, spelt);
  lock!.release();
  lock!.release();
  const again = await tryLock({ path: join(folder, 'link', 'new', 'out'), use });
  t.truthy(again);
  again!.release();
});

test('An error releases the lock', async (t) => {
  const failing = withLock(
    target('failing'),
    () => t.fail('waited'),
    () => Promise.reject(new Error('no')),
  );
  await t.throwsAsync(failing, { message: 'no' });
  t.is(await exclusively(target('failing'), refuse, async () => 1), 1);
});

test('A second process is refused with the name of the first', async (t) => {
  const lock = target('refuse');
  await exclusively(lock, refuse, () =>
    t.throwsAsync(
      exclusively(lock, refuse, () => sleep(0)),
      { message: `process ${process.pid} has it` },
    ),
  );
  const child = await startHolder(t, lock);
  await t.throwsAsync(
    exclusively(lock, refuse, () => sleep(0)),
    { message: `process ${child.pid} has it` },
  );
  child.kill('SIGSTOP');
  await t.throwsAsync(
    exclusively(lock, refuse, () => sleep(0)),
    { message: 'another process has it' },
  );
  child.kill('SIGKILL');
});

test('Killing the holder releases the lock', async (t) => {
  const lock = target('killed');
  const child = await startHolder(t, lock);
  t.is(await tryLock(lock), undefined);
  const waiting = withLock(
    lock,
    () => child.kill('SIGKILL'),
    async () => 'mine',
  );
  t.is(await waiting, 'mine');
});

for (const signal of ['SIGKILL', 'SIGTERM'] as const)
  test(`Ending the holder by ${signal} releases the lock`, async (t) => {
    const lock = target(signal);
    const child = await startHolder(t, lock);
    t.is(await tryLock(lock), undefined);
    child.kill(signal);
    await once(child, 'close');
    const again = await tryLock(lock);
    t.truthy(again);
    again!.release();
  });

test('A lock alone does not keep a process alive', async (t) => {
  const script = `
    import { tryLock } from ${JSON.stringify(MODULE)};
    await tryLock(${JSON.stringify(target('idle'))});`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script]);
  const [code] = await once(child, 'close');
  t.is(code, 0);
});

inContainer('a lock on a folder that containers share holds between them', async (t) => {
  const lock = { path: await temporaryFolder(t), use: 'run' };
  const child = await startHolder(t, lock, [...CONTAINER, process.execPath]);
  t.is(await tryLock(lock), undefined);
  await t.throwsAsync(
    exclusively(lock, refuse, async () => t.fail()),
    { message: `process ${child.pid} on ${hostname()} has it` },
  );
  child.kill('SIGKILL');
  await once(child, 'close');
  const again = await tryLock(lock);
  t.is(await again!.hold(), 'everywhere');
  again!.release();
  t.deepEqual(await readdir(lock.path), []);
});

flockTest(
  'a lock taken before there is a folder reaches into it once it is held there',
  async (t) => {
    const path = join(await temporaryFolder(t), 'new');
    const lock = { path, use: 'run' };
    await exclusively(lock, refuse, async (hold) => {
      t.is(await hold(), 'machine');
      await mkdir(path);
      t.is(await hold(), 'everywhere');
      t.is(spawnSync('flock', ['-n', join(path, '.haze-run.lock'), 'true']).status, 1);
      await rm(path, { recursive: true });
      await mkdir(path);
      t.is(await hold(), 'everywhere', 'again where it was deleted');
      t.is(spawnSync('flock', ['-n', join(path, '.haze-run.lock'), 'true']).status, 1);
    });
    t.deepEqual(await readdir(path), []);
  },
);

flockTest('a folder that another locked in the meantime is its own', async (t) => {
  const path = join(await temporaryFolder(t), 'new');
  const lock = { path, use: 'shard 1-of-4' };
  await exclusively(lock, refuse, async (hold) => {
    await mkdir(path);
    const file = join(path, '.haze-shard-1-of-4.lock');
    const other = spawn('flock', [file, 'sh', '-c', 'echo held; read line']);
    await once(other.stdout, 'data');
    await t.throwsAsync(hold(), { message: 'another process has it' });
    other.stdin.end();
    await once(other, 'close');
    t.is(await hold(), 'everywhere');
  });
});
