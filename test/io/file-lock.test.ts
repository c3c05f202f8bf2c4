import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, openSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { type FileLock, fileLockHolder, tryLockFile } from '../../src/io/file-lock.js';
import { endWith } from '../helpers/child.js';
import { flockTest } from '../helpers/flock.js';
import { temporaryFolder } from '../helpers/folder.js';

const MODULE = new URL('../../src/io/file-lock.js', import.meta.url).href;

/** Without the program there are no such locks, as on Windows. */

const lockIn = async (t: ExecutionContext): Promise<string> =>
  join(await temporaryFolder(t), '.haze-run.lock');

/** A process that has the lock, by the same way or by any program's; resolves once it does. */
async function startHolder(t: ExecutionContext, child: ChildProcess): Promise<ChildProcess> {
  endWith(t, child);
  await once(child.stdout!, 'data');
  return child;
}

const haze = (path: string): ChildProcess =>
  spawn(process.execPath, [
    '--input-type=module',
    '-e',
    `import { tryLockFile } from ${JSON.stringify(MODULE)};
    const lock = await tryLockFile(${JSON.stringify(path)});
    console.log(typeof lock);
    setInterval(() => lock, 1000);`,
  ]);

const ours = (result: Awaited<ReturnType<typeof tryLockFile>>): FileLock => {
  if (typeof result === 'string') throw new Error(`the lock is ${result}`);
  return result;
};

flockTest('a file is locked once, names who has it, and is gone when that is over', async (t) => {
  const path = await lockIn(t);
  const lock = ours(await tryLockFile(path));
  t.true(lock.stands());
  t.is(await tryLockFile(path), 'held');
  t.is(await fileLockHolder(path), `process ${process.pid} on ${hostname()}`);
  lock.release();
  lock.release();
  t.false(lock.stands());
  t.false(existsSync(path));
  ours(await tryLockFile(path)).release();
});

flockTest(
  'the lock is the file system’s: programs that know nothing of Haze hold it too',
  async (t) => {
    const path = await lockIn(t);
    const holder = await startHolder(t, spawn('flock', [path, 'sh', '-c', 'echo held; read line']));
    t.is(await tryLockFile(path), 'held');
    holder.stdin!.end();
    await once(holder, 'close');
    ours(await tryLockFile(path)).release();
  },
);

flockTest('a holder that is killed leaves a file, and no lock', async (t) => {
  const path = await lockIn(t);
  const holder = await startHolder(t, haze(path));
  t.is(await tryLockFile(path), 'held');
  t.is(await fileLockHolder(path), `process ${holder.pid} on ${hostname()}`);
  holder.kill('SIGKILL');
  await once(holder, 'close');
  t.true(existsSync(path));
  const lock = ours(await tryLockFile(path));
  t.is(readFileSync(path, 'utf8'), `${process.pid} ${hostname()}\n`);
  lock.release();
  t.false(existsSync(path));
});

flockTest('who deletes the file deletes the lock, and its holder sees that', async (t) => {
  const path = await lockIn(t);
  const lock = ours(await tryLockFile(path));
  rmSync(path);
  t.false(lock.stands());
  const other = ours(await tryLockFile(path));
  lock.release();
  t.true(other.stands(), 'the file of another is left alone');
  other.release();
});

flockTest('a lock that many want at once is had by one at a time', async (t) => {
  const path = await lockIn(t);
  let holders = 0;
  let most = 0;
  const want = async (): Promise<void> => {
    for (;;) {
      const lock = await tryLockFile(path);
      if (typeof lock === 'string') continue;
      most = Math.max(most, ++holders);
      await new Promise((resolve) => setTimeout(resolve, 20));
      holders--;
      lock.release();
      return;
    }
  };
  await Promise.all([1, 2, 3, 4].map(want));
  t.is(most, 1);
});

test('if a file cannot be locked, there is no lock and nothing is changed', async (t) => {
  const folder = await temporaryFolder(t);
  t.is(await tryLockFile(join(folder, 'none', 'lock')), 'none');
  const [target, link] = [join(folder, 'target'), join(folder, 'link')];
  symlinkSync(target, link);
  t.is(await tryLockFile(link), 'none');
  t.false(existsSync(target));
  if (process.platform === 'win32') return;
  const pipe = join(folder, 'pipe');
  spawnSync('mkfifo', [pipe]);
  t.is(await tryLockFile(pipe), 'none');
  t.is(await fileLockHolder(pipe), undefined);
});

test('a lock file is trusted only if it names a process and a host', async (t) => {
  const path = await lockIn(t);
  for (const text of ['', '12', '12 a\nb\n', 'x y\n', '12 \u001b[2J\n', `1 ${'h'.repeat(999)}\n`]) {
    writeFileSync(path, text);
    t.is(await fileLockHolder(path), undefined, JSON.stringify(text));
  }
});

test('on macOS, opening the file locks it, without another program', async (t) => {
  const path = await lockIn(t);
  const asked: number[] = [];
  const mac = {
    platform: 'darwin',
    // Here a file opens without that flag, which means another thing on other systems.
    open: (name: string, flags: number) => {
      asked.push(flags);
      return openSync(name, flags & ~0x20);
    },
  } as const;
  const lock = ours(await tryLockFile(path, mac));
  t.true(lock.stands());
  t.is(await fileLockHolder(path), `process ${process.pid} on ${hostname()}`);
  lock.release();
  t.false(existsSync(path));
  t.deepEqual(
    asked.map((flags) => flags & 0x20),
    [0x20],
  );
});

test('on macOS, a lock of another process is reported as held, and there is none on a file system without locks or on Windows', async (t) => {
  const path = await lockIn(t);
  const failing = (platform: NodeJS.Platform, code: string) => ({
    platform,
    open: () => {
      throw Object.assign(new Error(code), { code, syscall: 'open' });
    },
  });
  t.is(await tryLockFile(path, failing('darwin', 'EAGAIN')), 'held');
  t.is(await tryLockFile(path, failing('darwin', 'ENOTSUP')), 'none');
  t.is(await tryLockFile(path, failing('win32', 'EPERM')), 'none');
});
