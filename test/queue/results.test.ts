import { getResults, putResult, removeResult } from '../../src/queue/results.js';
import { clientOf, redisTest, startRedis } from '../helpers/redis.js';

redisTest('a result is read complete and unchanged, or not at all', async (t) => {
  const redis = clientOf(t, await startRedis(t));
  const pixels = Uint8Array.from({ length: 100 }, (_, i) => i);
  const jobs = ['gone', 'sound', 'damaged', 'short'].map((id) => ({ id, bytes: 100 }));
  for (const { id } of jobs.slice(1)) await putResult(redis, id, pixels);
  await redis.setrange('haze:images:damaged', 60, '!');
  await putResult(redis, 'short', pixels.subarray(1));
  const [gone, sound, damaged, short] = await getResults(redis, jobs);
  t.deepEqual([gone, damaged, short], [undefined, undefined, undefined]);
  t.deepEqual([...sound!], [...pixels]);
  t.true((await redis.ttl('haze:images:sound')) > 3500);
  await removeResult(redis, 'sound');
  t.is(await redis.exists('haze:images:sound'), 0);
  t.deepEqual(await getResults(redis, []), []);
});
