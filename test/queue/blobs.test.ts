import { randomBytes } from 'node:crypto';
import { readdir, readFile, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { RunError } from '../../src/errors.js';
import { sha256 } from '../../src/io/hash.js';
import { BlobCache } from '../../src/queue/blob-cache.js';
import { type Blob, CHUNK, fetchBlob, keepBlob, missingBytes } from '../../src/queue/blobs.js';
import { temporaryFolder } from '../helpers/folder.js';
import { weightsOf } from '../helpers/generate.js';
import { clientOf, redisTest, startRedis } from '../helpers/redis.js';

/** A file of three chunks, the last of which is not whole. */
async function fileOf(t: ExecutionContext): Promise<{ path: string; blob: Blob; bytes: Buffer }> {
  const bytes = randomBytes(20 << 20);
  const path = join(await temporaryFolder(t), 'file');
  await writeFile(path, bytes);
  return { path, bytes, blob: { sha256: sha256(bytes), bytes: bytes.length } };
}

const chunk = ({ sha256 }: Blob, i: number) => `haze:blob:${sha256}:${i}`;

redisTest('a file passes through Redis unchanged, in chunks that expire', async (t) => {
  const redis = clientOf(t, await startRedis(t));
  const { path, blob, bytes } = await fileOf(t);
  t.is(await missingBytes(redis, blob), blob.bytes);
  await keepBlob(redis, path, blob);
  t.is(await missingBytes(redis, blob), 0);
  t.is((await redis.keys('*')).length, 3);
  for (const key of await redis.keys('*')) t.true((await redis.ttl(key)) > 3500);
  const copy = join(await temporaryFolder(t), 'copy');
  await fetchBlob(redis, copy, blob);
  t.true(bytes.equals(await readFile(copy)));
});

redisTest('a process that needs a file renews its expiry and uploads missing chunks', async (t) => {
  const redis = clientOf(t, await startRedis(t));
  const { path, blob } = await fileOf(t);
  await keepBlob(redis, path, blob);
  await redis.expire(chunk(blob, 0), 5);
  await redis.del(chunk(blob, 1));
  t.true((await missingBytes(redis, blob)) > 0);
  await keepBlob(redis, path, blob);
  t.true((await redis.ttl(chunk(blob, 0))) > 3500);
  t.is(await redis.strlen(chunk(blob, 1)), CHUNK);
});

redisTest('a damaged file is refused and removed, from Redis and from disk', async (t) => {
  const redis = clientOf(t, await startRedis(t));
  const { path, blob } = await fileOf(t);
  const folder = await temporaryFolder(t);
  const fetch = () => fetchBlob(redis, join(folder, 'copy'), blob);
  const damages = [
    () => redis.setrange(chunk(blob, 1), 1000, 'x'),
    () => redis.append(chunk(blob, 2), 'more'),
    () => redis.set(chunk(blob, 0), ''),
  ];
  for (const damage of damages) {
    await keepBlob(redis, path, blob);
    await damage();
    const message = /^file [0-9a-f]{12}: the copy in Redis is damaged; it was removed, to be/;
    await t.throwsAsync(fetch(), { instanceOf: RunError, message });
    t.deepEqual(await redis.keys('*'), []);
    t.deepEqual(await readdir(folder), []);
  }
  await t.throwsAsync(fetch(), { message: /^file [0-9a-f]{12}: part 1 is not in Redis$/ });
});

redisTest('weights in the cache are checked at every use', async (t) => {
  const redis = clientOf(t, await startRedis(t));
  const [here, there] = [
    new BlobCache(await temporaryFolder(t)),
    new BlobCache(await temporaryFolder(t)),
  ];
  await here.open();
  const blob = await here.add(weightsOf(1));
  t.deepEqual(await here.add(weightsOf(1)), blob, 'the same weights are the same blob');
  t.notDeepEqual(await here.add(weightsOf(2)), blob);
  await keepBlob(redis, here.pathOf(blob), blob);
  const path = await there.file(redis, blob);
  const bytes = await readFile(path);
  t.deepEqual(bytes, await readFile(here.pathOf(blob)));
  await truncate(path, bytes.length - 1);
  await there.file(redis, blob);
  t.deepEqual(await readFile(path), bytes, 'fetched again');
  await redis.flushall();
  t.is(await there.file(redis, blob), path, 'a sound one needs no Redis');
  const old = new Date(Date.now() - 8 * 86_400_000);
  await utimes(path, old, old);
  await there.open();
  t.deepEqual(await readdir(there.folder), [], 'and goes when it has not been used for a week');
});

redisTest('a file of the own cache that was damaged or removed is not uploaded', async (t) => {
  const redis = clientOf(t, await startRedis(t));
  const { path, blob } = await fileOf(t);
  await truncate(path, 1000);
  const refused = (what: RegExp) =>
    t.throwsAsync(keepBlob(redis, path, blob), { instanceOf: RunError, message: what });
  await refused(/^file [0-9a-f]{12}: the file in this machine's cache is damaged$/);
  await rm(path);
  await refused(/^file [0-9a-f]{12}: the file in this machine's cache is missing$/);
  t.deepEqual(await redis.keys('*'), []);
});

test('a cache that cannot be written is refused when it is opened', async (t) => {
  if (process.platform !== 'linux') return t.pass();
  await t.throwsAsync(new BlobCache('/proc/self').open(), {
    instanceOf: RunError,
    message: /^cannot write \/proc\/self: /,
  });
});
