import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { PEERS } from '../../src/bench/peer-list.js';
import { PeerProcess } from '../../src/bench/peer-process.js';
import { openPeers } from '../../src/bench/peers.js';
import { measure } from '../../src/bench/rounds.js';
import { RunError } from '../../src/errors.js';
import { work } from '../helpers/bench.js';
import { temporaryFolder } from '../helpers/folder.js';

const node = (script: string) => ({ program: process.execPath, args: ['-e', script] });

/** Says that it is ready, then answers every line. */
const SERVER = `
  console.log('a library says hello');
  console.log(JSON.stringify({ version: '1.2', threads: 1 }));
  require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
    const { work, repeat, batch } = JSON.parse(line);
    if (work === 'fail') throw new Error('no such work');
    console.log(JSON.stringify({ ms: repeat, digest: [work === 'overflow' ? null : batch ?? 0] }));
  });`;

test('A peer reports its version and threads, answers in turn, and ends when its input ends', async (t) => {
  const peer = new PeerProcess('someone', node(SERVER));
  await peer.ready();
  t.is(peer.version, '1.2');
  t.is(peer.threads, 1);
  t.deepEqual(await peer.ask('forward', 3), { ms: 3, digest: [0] });
  t.deepEqual(await peer.ask('forward', 4, 8), { ms: 4, digest: [8] });
  await peer.end();
  await peer.end();
});

test('A result that is not finite, which JSON cannot represent, is NaN', async (t) => {
  const peer = new PeerProcess('someone', node(SERVER));
  await peer.ready();
  t.deepEqual(await peer.ask('overflow', 1), { ms: 1, digest: [Number.NaN] });
  await peer.end();
});

test('A peer that exits is an error with the reason, without the stack', async (t) => {
  const peer = new PeerProcess('someone', node(SERVER));
  await peer.ready();
  await t.throwsAsync(peer.ask('fail', 1), {
    instanceOf: RunError,
    message: 'someone ended: Error: no such work',
  });
});

test('A peer that cannot be started is an error that says why', async (t) => {
  const peer = new PeerProcess('someone', { program: '/none/such', args: [] });
  await t.throwsAsync(peer.ready(), { instanceOf: RunError, message: /^someone ended: .*ENOENT/ });
});

const task = { file: '/none.safetensors', threads: 1 };

test('Peers that fail at the start are listed as missing, and the others are measured', async (t) => {
  const like = PEERS.find(({ name }) => name === 'tfjs-node')!;
  const peers = await openPeers(work, task, { repeat: 1 }, (peer) => peer.name === like.name);
  t.deepEqual(peers.contenders, []);
  t.deepEqual(
    peers.missing.map(({ by }) => by),
    ['tfjs-node'],
  );
  t.deepEqual(await measure(work, [], { rounds: 1, tolerance: 0, pause: 0, onNote: () => {} }), []);
  await peers.close();
});

test('A peer that does not have the network is named, and not started', async (t) => {
  const wanted = (name: string) => name.startsWith('tfjs');
  const unet2d = { ...task, network: 'unet2d' } as const;
  const peers = await openPeers(work, unet2d, { repeat: 1 }, (peer) => wanted(peer.name));
  t.deepEqual(peers.contenders, []);
  t.deepEqual(
    peers.missing.map(({ by, why }) => [by, why]),
    ['tfjs-node', 'tfjs WASM backend'].map((by) => [by, "it only has the reference's network"]),
  );
});

/** Runs the rest of the test with another Python. */
function withPython(t: ExecutionContext, program: string): void {
  const before = process.env.PYTHON;
  process.env.PYTHON = program;
  t.teardown(() => {
    if (before === undefined) delete process.env.PYTHON;
    else process.env.PYTHON = before;
  });
}

test.serial(
  "A Python with PyTorch but without diffusers only lacks diffusers' network",
  async (t) => {
    const program = join(await temporaryFolder(t), 'python');
    await writeFile(program, '#!/bin/sh\ncase "$2" in *diffusers*) exit 1;; esac\n', {
      mode: 0o755,
    });
    withPython(t, program);
    const reasons = async (network: 'simple' | 'unet2d') => {
      const wanted = ({ name }: { name: string }) => name.startsWith('PyTorch');
      const { missing } = await openPeers(work, { ...task, network }, { repeat: 1 }, wanted);
      return missing.map(({ by, why }) => [by, why]);
    };
    const names = PEERS.filter((p) => p.name.startsWith('PyTorch') && p.works.includes('forward'));
    t.deepEqual(
      names.map(({ name }) => name),
      [
        ...['PyTorch', 'PyTorch channels_last'],
        ...['PyTorch compiled', 'PyTorch compiled channels_last'],
      ],
    );
    t.deepEqual(
      await reasons('unet2d'),
      names.map(({ name }) => [
        name,
        'no diffusers: pip install diffusers for the Python that PYTHON names',
      ]),
    );
    // It is started, and ends without a word.
    t.deepEqual(
      await reasons('simple'),
      names.map(({ name }) => [name, `${name} ended: it gave no reason`]),
    );
  },
);

test.serial(
  'Without Python, every peer that needs it is listed with installation instructions',
  async (t) => {
    withPython(t, '/none/python');
    for (const what of [
      ...['forward', 'train', 'reverse step', 'ancestral', 'ddim', 'one image', 'load', 'qSample'],
    ]) {
      const wanted = (name: string) => /PyTorch|PIL|onnxruntime/.test(name);
      const peers = await openPeers({ ...work, what }, task, { repeat: 1 }, (p) => wanted(p.name));
      t.deepEqual(peers.contenders, []);
      t.true(peers.missing.length >= 1, what);
      for (const { by, why } of peers.missing)
        t.regex(
          why,
          /^(no PyTorch.*: pip install torch|not installed: npm ci|it only computes forward passes)/,
          by,
        );
    }
  },
);
