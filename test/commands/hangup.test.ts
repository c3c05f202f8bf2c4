import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { isHangupIgnored, type Surroundings } from '../../src/commands/hangup.js';
import { CLI } from '../helpers/cli.js';
import { temporaryFolder } from '../helpers/folder.js';
import { kernelFiles, shell } from '../helpers/limits.js';

/** A process of the pretended /proc: which signals it ignores, and what it was started with. */
interface Pretended {
  readonly parent?: number;
  readonly ignores?: string;
  readonly env?: Readonly<Record<string, string>>;
}

const NONE = '0000000000000000';
const HUP = '0000000000000001';

async function surroundings(
  t: ExecutionContext,
  env: Surroundings['env'],
  above: Readonly<Record<number, Pretended>>,
  { input = '/dev/pts/0', flags = '0100002', output = '/dev/pts/0' } = {},
): Promise<Surroundings> {
  const proc = await temporaryFolder(t);
  for (const [pid, { parent = 1, ignores = NONE, env: given = {} }] of Object.entries(above))
    await kernelFiles(proc, {
      [`${pid}/status`]: `Name:\tx\nPPid:\t${parent}\nSigIgn:\t${ignores}`,
      [`${pid}/environ`]: Object.entries(given)
        .map((pair) => `${pair.join('=')}\0`)
        .join(''),
    });
  await kernelFiles(proc, { '100/fdinfo/0': `pos:\t0\nflags:\t${flags}` });
  await mkdir(join(proc, '100', 'fd'));
  await symlink(input, join(proc, '100', 'fd', '0'));
  await symlink(output, join(proc, '100', 'fd', '1'));
  return { proc, pid: 100, ppid: 50, env };
}

test('a process that a shell started normally is not under nohup', async (t) => {
  const here = await surroundings(t, { _: '/usr/bin/node' }, { 50: { env: { _: '/bin/bash' } } });
  t.false(isHangupIgnored(here));
});

test('if the parent ignores the signal, as a script under nohup does, it is ignored', async (t) => {
  t.true(isHangupIgnored(await surroundings(t, {}, { 50: { ignores: HUP } })));
  t.false(isHangupIgnored(await surroundings(t, {}, { 50: { ignores: '0000000000001006' } })));
});

test('`_` is trusted only if the shell that set it was not under nohup itself', async (t) => {
  const env = { _: '/usr/bin/nohup' };
  t.true(isHangupIgnored(await surroundings(t, env, { 50: { env: { _: '/bin/bash' } } })));
  // A terminal that nohup started long ago, in which a shell that sets no `_` does not ignore the signal.
  t.false(isHangupIgnored(await surroundings(t, env, { 50: { env } })));
});

test('nohup is detected through npm, also through nested npm', async (t) => {
  const npm = { npm_execpath: '/usr/lib/npm-cli.js' };
  const above = (top: Pretended) => ({ 50: { parent: 40, env: npm }, 40: { parent: 30, ...top } });
  const nohup = above({ env: { _: '/usr/bin/nohup' } });
  t.true(isHangupIgnored(await surroundings(t, npm, { ...nohup, 30: {} })));
  t.true(isHangupIgnored(await surroundings(t, npm, { ...above({}), 30: { ignores: HUP } })));
  t.false(isHangupIgnored(await surroundings(t, npm, { ...above({}), 30: {} })));
});

test('nohup is recognised by its effects on a terminal: unreadable input, nohup.out', async (t) => {
  const without = { 50: {} };
  const input = { input: '/dev/null', flags: '0100001' };
  t.true(isHangupIgnored(await surroundings(t, {}, without, input)));
  t.false(isHangupIgnored(await surroundings(t, {}, without, { input: '/dev/null', flags: '0' })));
  t.true(isHangupIgnored(await surroundings(t, {}, without, { output: '/home/me/nohup.out' })));
});

test('without /proc only `_` decides', (t) => {
  const here = { proc: '/no-such-folder', pid: 100, ppid: 50 };
  t.true(isHangupIgnored({ ...here, env: { _: '/usr/bin/nohup' } }));
  t.false(isHangupIgnored({ ...here, env: { _: '/usr/bin/node' } }));
});

const SMALL = '--size 8 --widths 4,8 --batch 4 --threads 1 --sample-every 0'.split(' ');

/**
 * Starts a training by a line of shell whose `"$@"` it is, and sends SIGHUP when it takes steps. The exit code, and
 * whether it was finished.
 */
async function hangUp(t: ExecutionContext, start: string, steps = 400) {
  const folder = await temporaryFolder(t);
  // Nothing above the shell counts without npm's variable, nor `_` with another's name: the tests themselves may run under nohup.
  const script = `unset npm_execpath
    ${start}
    training=$!
    until grep -q '^step' log || ! kill -0 "$training"; do sleep 0.1; done
    kill -HUP "$training"
    wait "$training"`;
  const train = [process.execPath, CLI, 'train', 'toy-cars', ...SMALL, '--out', 'run'];
  const args = [...train, '--steps', `${steps}`];
  const { code, stderr } = await shell(folder, script, args, { _: '/bin/sh' });
  const { stdout } = await shell(folder, 'cat log; ls run/checkpoints', []);
  return { code, finished: stdout.includes(`step-${steps}`), said: `${stdout}\n${stderr}` };
}

const onLinux = process.platform === 'linux' ? test : test.skip;

onLinux('a closed terminal saves and stops a run', async (t) => {
  const { code, finished, said } = await hangUp(t, '"$@" > log 2>&1 &', 1_000_000);
  t.deepEqual([code, finished], [130, false], said);
});

onLinux(
  'under a script that ignores it, as nohup makes it, a run goes on to its end',
  async (t) => {
    const { code, finished, said } = await hangUp(t, `trap '' HUP; "$@" > log 2>&1 &`);
    t.deepEqual([code, finished], [0, true], said);
  },
);

onLinux(
  'under nohup with its output in nohup.out or by a shell that names it, a run goes on',
  async (t) => {
    const named = '_=/usr/bin/nohup nohup "$@" > log 2>&1 &';
    const { code, finished, said } = await hangUp(t, named);
    t.deepEqual([code, finished], [0, true], said);
  },
);

onLinux(
  'a session of its own, as the guide to runs advises, is out of reach of the terminal',
  async (t) => {
    const folder = await temporaryFolder(t);
    const train = [process.execPath, CLI, 'train', 'toy-cars', ...SMALL, '--out', 'run'];
    // The terminal's group is the shell's: all of it is sent the signal, as when the terminal closes.
    const script = `
    setsid "$@" > log 2>&1 < /dev/null &
    training=$!
    until grep -q '^step' log || ! kill -0 "$training"; do sleep 0.1; done
    trap '' HUP
    kill -HUP 0
    wait "$training"
    cat log`;
    const group = ['setsid', '--wait', 'sh', '-c', script, 'sh', ...train, '--steps', '400'];
    const { stdout, stderr } = await shell(folder, '"$@"', group);
    t.notRegex(stdout, /interrupted/, stderr);
    t.regex(stdout, /step 400: saved/);
  },
);
