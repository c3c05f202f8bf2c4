import test from 'ava';
import { PEERS } from '../../src/bench/peer-list.js';
import { PeerProcess } from '../../src/bench/peer-process.js';
import { openPeers } from '../../src/bench/peers.js';
import { measure } from '../../src/bench/rounds.js';
import { RunError } from '../../src/errors.js';
import { work } from '../helpers/bench.js';

const node = (script: string) => ({ program: process.execPath, args: ['-e', script] });

/** Says that it is ready, then answers every line. */
const SERVER = `
  console.log('a library says hello');
  console.log(JSON.stringify({ version: '1.2', threads: 1 }));
  require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
    const { work, repeat, batch } = JSON.parse(line);
    if (work === 'fail') throw new Error('no such work');
    console.log(JSON.stringify({ ms: repeat, digest: [batch ?? 0] }));
  });`;

test('A peer says its version and threads, answers in turn, and ends with its input', async (t) => {
  const peer = new PeerProcess('someone', node(SERVER));
  await peer.ready();
  t.is(peer.version, '1.2');
  t.is(peer.threads, 1);
  t.deepEqual(await peer.ask('forward', 3), { ms: 3, digest: [0] });
  t.deepEqual(await peer.ask('forward', 4, 8), { ms: 4, digest: [8] });
  await peer.end();
  await peer.end();
});

test('A peer that ends is an error that names the reason, not the stack', async (t) => {
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

test('Peers that break while they start are named as missing, and the others are measured', async (t) => {
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

test.serial(
  'Without a Python every peer that needs one is named with what to install',
  async (t) => {
    const before = process.env.PYTHON;
    process.env.PYTHON = '/none/python';
    t.teardown(() => {
      if (before === undefined) delete process.env.PYTHON;
      else process.env.PYTHON = before;
    });
    for (const what of ['forward', 'train', 'reverse step', 'ancestral', 'load', 'qSample']) {
      const wanted = (name: string) => /PyTorch|PIL|onnxruntime/.test(name);
      const peers = await openPeers({ ...work, what }, task, { repeat: 1 }, (p) => wanted(p.name));
      t.deepEqual(peers.contenders, []);
      t.true(peers.missing.length >= 1, what);
      for (const { by, why } of peers.missing)
        t.regex(
          why,
          /^(no PyTorch.*: pip install torch|not installed: npm ci|it computes forward alone)/,
          by,
        );
    }
  },
);
