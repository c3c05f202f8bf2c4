import test from 'ava';
import { RunError } from '../../src/errors.js';
import type { Blob } from '../../src/queue/blob.js';
import { sign } from '../../src/queue/board.js';
import { keyOf } from '../../src/queue/keys.js';
import { record, recorded, recordedBytes, sweep } from '../../src/queue/ledger.js';
import { Tally } from '../../src/queue/tally.js';
import { Team, twinsOf } from '../../src/queue/team.js';
import { clientOf, connectionTo, redisTest, startRedis } from '../helpers/redis.js';

const ABOUT = { done: 1, total: 9, imagesPerSecond: 2, jobs: 3 };

test('a tally counts failures in a row, except those of jobs that fail everywhere', (t) => {
  const tally = new Tally();
  t.like(tally.done('images', 16), { count: 16 });
  tally.fail('the disk\nis full', false);
  tally.fail('x'.repeat(1000), false);
  tally.fail('an invalid job', true);
  t.like(tally.sign, { images: 16, steps: 0, failed: 3, inARow: 2, reason: 'x'.repeat(300) });
  tally.done('steps', 5);
  t.like(tally.sign, { images: 16, steps: 5, failed: 3, inARow: 0, reason: '' });
});

redisTest('a run gives up once all of its workers fail, and not before', async (t) => {
  const server = await startRedis(t);
  const connection = await connectionTo(t, server);
  const { redis } = connection;
  const notes: string[] = [];
  const onNote = (text: string) => notes.push(text);
  const team = new Team({ connection, build: 'b', name: 'run', id: 'r', onNote });
  const announce = (name: string, failures: number, build = 'b') => {
    const tally = new Tally();
    for (let i = 0; i < failures; i++) tally.fail('the disk is full', false);
    return sign(redis, 'worker', { name, build, ...tally.sign });
  };
  await announce('stranger', 0, 'c');
  await t.notThrowsAsync(team.look(ABOUT, true));
  await announce('one', 7);
  await announce('two', 4);
  await t.notThrowsAsync(team.look(ABOUT, true), 'one of them may recover');
  await announce('two', 5);
  await t.notThrowsAsync(team.look(ABOUT, false), 'they fail at the jobs of others');
  await t.throwsAsync(team.look(ABOUT, true), {
    instanceOf: RunError,
    message: 'all workers fail (2 workers), the last one 7 times in a row: the disk is full',
  });
  t.deepEqual(notes, [
    'there is no worker for b; there is one of c: version, --strict and processor must agree',
    '2 workers there',
  ]);
  // A Redis that is back has lost them; they announce themselves within two looks.
  await redis.flushall();
  await team.look(ABOUT, false);
  t.is(notes.length, 2);
  await team.look(ABOUT, false);
  t.deepEqual(notes.slice(2), ['there is no worker for b; haze worker starts one']);
  const [twin] = await twinsOf(redis, { id: 'r', name: 'another' });
  t.like(twin, { name: 'run', id: 'r', build: 'b', ...ABOUT });
  t.deepEqual(await twinsOf(redis, { id: 'r', name: 'run' }), []);
});

redisTest('a ledger removes the files of its run, except those of present ones', async (t) => {
  const redis = clientOf(t, await startRedis(t));
  const blobs: Blob[] = ['a', 'b', 'c', 'd'].map((digit) => ({
    sha256: digit.repeat(64),
    bytes: 5,
  }));
  const chunk = ({ sha256 }: Blob) => keyOf('blob', sha256, 0);
  for (const blob of blobs) await redis.set(chunk(blob), 'bytes');
  const [a, b, c, d] = blobs as [Blob, Blob, Blob, Blob];
  await record(redis, 'mine', [a, b, c]);
  await record(redis, 'yours', [b, d]);
  await redis.sadd(keyOf('files', 'mine'), 'nonsense', `${'e'.repeat(64)}:0`);
  t.deepEqual(new Set((await recorded(redis, 'mine')).map(({ sha256 }) => sha256)).size, 3);
  t.is(await recordedBytes(redis, 'mine'), 15);
  await sign(redis, 'run', { name: 'other', build: 'b', id: 'yours', ...ABOUT });
  await sweep(redis, 'mine', [c]);
  const there = async () => (await redis.keys('haze:blob:*')).sort();
  t.deepEqual(await there(), [b, c, d].map(chunk));
  t.is(await recordedBytes(redis, 'mine'), 10);
  await redis.del(keyOf('runs'));
  await sweep(redis, 'mine', []);
  t.deepEqual(await there(), [chunk(d)]);
});
