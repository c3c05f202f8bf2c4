import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { openSource } from '../../src/data/source.js';
import { UsageError } from '../../src/errors.js';
import { openData, opened, pixels } from '../helpers/data.js';
import { temporaryFolder } from '../helpers/folder.js';

/** One record: a label, then planes of `red`, `green` and `blue`. */
const record = (label: number, red: number, green: number, blue: number): Buffer =>
  Buffer.concat([
    Buffer.from([label]),
    ...[red, green, blue].map((value) => Buffer.alloc(1024, value)),
  ]);

test('planes of a batch become RGB pixels, resident and streamed', async (t) => {
  const file = path.join(await temporaryFolder(t), 'data_batch_1.bin');
  await writeFile(file, Buffer.concat([record(9, 1, 2, 3), record(0, 40, 50, 60)]));
  for (const budgetBytes of [2 ** 30, 100]) {
    const dataset = await opened(t, file, { size: 32, budgetBytes });
    t.is(dataset.count, 2);
    const all = await pixels(dataset);
    t.deepEqual([...all.subarray(0, 6)], [1, 2, 3, 1, 2, 3]);
    t.deepEqual([...all.subarray(-6)], [40, 50, 60, 40, 50, 60]);
  }
});

test('a folder of batches is one data set, the test batch left out', async (t) => {
  const folder = await temporaryFolder(t);
  for (const i of [2, 1])
    await writeFile(path.join(folder, `data_batch_${i}.bin`), record(i, i, i, i));
  await writeFile(path.join(folder, 'test_batch.bin'), record(0, 9, 9, 9));
  const dataset = await opened(t, folder, { channels: 1 });
  t.deepEqual(
    [...(await pixels(dataset))].filter((_, i) => i % 64 === 0),
    [1, 2],
  );
});

test('CIFAR-100 records have two labels', async (t) => {
  const file = path.join(await temporaryFolder(t), 'train.bin');
  const coarse = (label: number) => Buffer.from([label]);
  await writeFile(
    file,
    Buffer.concat([coarse(19), record(99, 1, 2, 3), coarse(0), record(50, 40, 50, 60)]),
  );
  const all = await pixels(await opened(t, file, { size: 32 }));
  t.deepEqual([...all.subarray(0, 6)], [1, 2, 3, 1, 2, 3]);
  t.deepEqual([...all.subarray(-6)], [40, 50, 60, 40, 50, 60]);
});

test('if the size fits either format, the labels decide', async (t) => {
  const file = path.join(await temporaryFolder(t), 'train.bin');
  const ten = Buffer.concat(Array.from({ length: 3074 }, (_, i) => record(i % 10, 70, 80, 90)));
  await writeFile(file, ten);
  t.is((await openSource(file, 0)).count, 3074);
  const hundred = Buffer.concat(
    Array.from({ length: 3073 }, (_, i) =>
      Buffer.concat([Buffer.from([i % 20]), record(i % 100, 70, 80, 90)]),
    ),
  );
  await writeFile(file, hundred);
  t.is((await openSource(file, 0)).count, 3073);
});

const refusals: [string, Buffer, RegExp][] = [
  [
    'a truncated record',
    record(1, 1, 1, 1).subarray(0, 3000),
    /CIFAR-10 of 3073, CIFAR-100 of 3074 bytes\), got 3000 bytes/,
  ],
  ['a label that cannot be', record(10, 1, 1, 1), /labels that CIFAR-10 does not have/],
  ['an empty batch', Buffer.alloc(0), /empty/],
];

for (const [what, contents, message] of refusals)
  test(`${what} is refused`, async (t) => {
    const file = path.join(await temporaryFolder(t), 'data_batch_1.bin');
    await writeFile(file, contents);
    await t.throwsAsync(openData(file), { instanceOf: UsageError, message });
  });
