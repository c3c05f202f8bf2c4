import test from 'ava';
import { untilRoom } from '../../src/queue/room.js';

const full = () => new Error('OOM command not allowed when used memory > maxmemory');

test('A write is repeated until Redis has room for it', async (t) => {
  let attempts = 0;
  const refusals: string[] = [];
  const result = await untilRoom(
    async () => {
      attempts++;
      if (attempts < 3) throw full();
      return 'written';
    },
    ({ message }) => refusals.push(message),
  );
  t.is(result, 'written');
  t.is(attempts, 3);
  t.deepEqual(refusals, [full().message, full().message]);
});

test('A write with another error is not repeated, and the caller can give up', async (t) => {
  const broken = new Error('broken');
  const lost = untilRoom(
    () => Promise.reject(broken),
    () => t.fail('this is not a full Redis'),
  );
  t.is(await t.throwsAsync(lost), broken);
  const stopped = new Error('stopped');
  const given = untilRoom(
    () => Promise.reject(full()),
    () => {
      throw stopped;
    },
  );
  t.is(await t.throwsAsync(given), stopped);
});
