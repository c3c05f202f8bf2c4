import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import test from 'ava';
import sharp from 'sharp';
import { openDataset } from '../../src/data/dataset.js';
import { DecodePool } from '../../src/data/decode-pool.js';
import { checkSize, DecodingMemory, MOST_BYTES, Share } from '../../src/data/decoding-memory.js';
import { openSource } from '../../src/data/source.js';
import { OPTIONS } from '../helpers/data.js';
import { temporaryFolder } from '../helpers/folder.js';

test('requests beyond the budget wait for memory to be returned; a picture larger than the budget is decoded alone', async (t) => {
  const memory = new DecodingMemory(10_000);
  const other = new DecodingMemory(10_000, memory.shared);
  await memory.take(6000);
  let taken = false;
  const waiting = other.take(6000).then(() => (taken = true));
  const large = new Share(other);
  await memory.take(3000);
  t.false(taken);
  memory.give(6000);
  await waiting;
  memory.give(3000);
  other.give(6000);
  t.is(memory.used, 0);
  await large.take(200, 200, 1);
  t.true(memory.used >= 40_000);
  let second = false;
  const behind = memory.take(1).then(() => (second = true));
  await new Promise((resolve) => setTimeout(resolve, 30));
  t.false(second);
  large.give();
  large.give();
  await behind;
  t.true(memory.used <= 1024);
});

test('threads share one count, and together never exceed the budget', async (t) => {
  const budget = 100 * 1024;
  const memory = new DecodingMemory(budget);
  const worker = `
    const { workerData, parentPort } = require('node:worker_threads');
    import(workerData.module).then(async ({ DecodingMemory }) => {
      const memory = new DecodingMemory(workerData.budget, workerData.shared);
      let most = 0;
      for (let i = 0; i < 200; i++) {
        await memory.take(40 * 1024);
        most = Math.max(most, memory.used);
        memory.give(40 * 1024);
      }
      parentPort.postMessage(most);
    });`;
  const module = new URL('../../src/data/decoding-memory.js', import.meta.url).href;
  const workerData = { module, budget, shared: memory.shared };
  const most = await Promise.all(
    Array.from(
      { length: 3 },
      () =>
        new Promise<number>((resolve, reject) => {
          new Worker(worker, { eval: true, workerData })
            .once('message', resolve)
            .once('error', reject);
        }),
    ),
  );
  t.true(Math.max(...most) <= budget, String(most));
  t.is(memory.used, 0);
});

test('a picture beyond a limit is refused with its size and the limit', async (t) => {
  t.notThrows(() => checkSize(12_000, 12_000, 5e8));
  t.throws(() => checkSize(20_000, 20_000), {
    message: 'its 20000x20000 pixels are 400000000, above the pixel limit of 268402689',
  });
  await t.throwsAsync(new Share().take(16_000, 16_000, 13), {
    message:
      'its 16000x16000 pixels take 3.10 GiB to decode, above the limit of 1.00 GiB; scale it down first',
  });
  t.is(MOST_BYTES, 2 ** 30);
});

test('an interruption ends the wait for memory', async (t) => {
  const folder = await temporaryFolder(t);
  const picture = { create: { width: 900, height: 600, channels: 3, background: '#f80' } } as const;
  const file = await sharp(picture).png().toBuffer();
  const names = Array.from({ length: 40 }, (_, i) => path.join(folder, `${i}.png`));
  for (const name of names) await writeFile(name, file);
  const controller = new AbortController();
  let done = 0;
  await t.throwsAsync(
    openDataset(await openSource(folder, 0), {
      ...OPTIONS,
      signal: controller.signal,
      onProgress: (count) => {
        done = count;
        controller.abort(new Error('stop'));
      },
    }),
    { message: 'stop' },
  );
  t.true(done < 40);
});

test('pictures that do not fit into memory together are decoded one after the other', async (t) => {
  const folder = await temporaryFolder(t);
  const picture = { create: { width: 600, height: 400, channels: 3, background: '#f80' } } as const;
  const file = path.join(folder, 'a.png');
  await writeFile(file, await sharp(picture).png().toBuffer());
  const pool = await DecodePool.open({ size: 8, channels: 3, fit: 'squash' }, 2, 1000);
  try {
    const out = new SharedArrayBuffer(30 * 192);
    const item = () => ({ kind: 'file', path: file }) as const;
    t.deepEqual(await pool.decode({ count: 30, item, out }), { failures: [], doubts: [] });
    t.deepEqual([...new Set(new Uint8Array(out))], [255, 136, 0]);
  } finally {
    await pool.close();
  }
});
