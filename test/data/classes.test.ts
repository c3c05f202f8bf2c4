import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import test from 'ava';
import { BatchPlan } from '../../src/data/batches.js';
import { among, checkSeveral } from '../../src/data/classes.js';
import { openTrainingData } from '../../src/data/held-out.js';
import { openSource } from '../../src/data/source.js';
import { carPicture } from '../../src/data/toy-cars.js';
import { UsageError } from '../../src/errors.js';
import { from, OPTIONS, opened, slopes } from '../helpers/data.js';
import { temporaryFolder } from '../helpers/folder.js';

const classesOf = async (spec: string) => {
  const source = await openSource(spec, 0);
  return source.classes!();
};

test('Folders are classes by name, at any depth below', async (t) => {
  const root = await temporaryFolder(t);
  for (const name of ['van/a.png', 'bus/1/b.png', 'bus/c.png', 'van/z/y/d.png']) {
    await mkdir(path.dirname(path.join(root, name)), { recursive: true });
    await writeFile(path.join(root, name), '');
  }
  const source = await openSource(root, 0);
  const { names, labels } = await source.classes!();
  t.deepEqual(names, ['bus', 'van']);
  const named = Array.from(labels, (label, i) => [
    path.relative(root, source.label(i)),
    names[label],
  ]);
  t.deepEqual(named, [
    ['bus/1/b.png', 'bus'],
    ['bus/c.png', 'bus'],
    ['van/a.png', 'van'],
    ['van/z/y/d.png', 'van'],
  ]);
});

test('Images outside of folders are refused, and so is a single class if several are needed', async (t) => {
  const root = await temporaryFolder(t);
  await mkdir(path.join(root, 'van'));
  await writeFile(path.join(root, 'van', 'a.png'), '');
  const alone = await classesOf(root);
  t.throws(() => checkSeveral('cars', alone), {
    instanceOf: UsageError,
    message: 'cars: expected two classes or more, got only van',
  });
  t.throws(() => checkSeveral('cars', { names: ['a', 'b'], labels: Int32Array.of(1, 1) }), {
    instanceOf: UsageError,
    message: 'cars: expected two classes or more, got only b',
  });
  t.notThrows(() => checkSeveral('cars', { names: ['a', 'b'], labels: Int32Array.of(1, 0) }));
  await writeFile(path.join(root, 'b.png'), '');
  await t.throwsAsync(classesOf(root), {
    name: 'UsageError',
    message: /got 1 outside any, such as b\.png/,
  });
});

const images = (count: number) => {
  const header = Buffer.from([0, 0, 8, 3, 0, 0, 0, count, 0, 0, 0, 4, 0, 0, 0, 4]);
  return Buffer.concat([header, Buffer.alloc(16 * count)]);
};
const labels = (values: readonly number[], count = values.length) =>
  Buffer.from([0, 0, 8, 1, 0, 0, 0, count, ...values]);

test('The labels of an IDX file are read from the file beside it, packed or not', async (t) => {
  for (const pack of [(b: Buffer) => b, gzipSync]) {
    const root = await temporaryFolder(t);
    const end = pack === gzipSync ? '.gz' : '';
    const file = path.join(root, `train-images-idx3-ubyte${end}`);
    await writeFile(file, pack(images(3)));
    await t.throwsAsync(classesOf(file), {
      name: 'UsageError',
      message:
        /expected its labels in train-labels-idx1-ubyte in the same folder, got no such file/,
    });
    await writeFile(path.join(root, `train-labels-idx1-ubyte${end}`), pack(labels([2, 0, 1])));
    const { names, labels: found } = await classesOf(file);
    t.deepEqual([...found], [2, 0, 1]);
    t.deepEqual(names, ['0', '1', '2']);
  }
});

const BAD: readonly (readonly [string, Buffer, RegExp])[] = [
  ['too few', labels([1, 0]), /expected 3 labels, one per image, got 2 in 2 bytes/],
  [
    'a header that says another count',
    labels([1, 0, 2], 4),
    /expected 3 labels, .* got 4 in 3 bytes/,
  ],
  ['images', images(3), /expected an IDX file of u8 labels/],
  ['nothing', Buffer.alloc(0), /expected an IDX file of u8 labels/],
  ['a bomb', gzipSync(Buffer.alloc(1e6)), /cannot be unpacked to 3 labels/],
  ['broken gzip', Buffer.from([0x1f, 0x8b, 1, 2, 3]), /cannot be unpacked to 3 labels/],
];

for (const [what, bytes, message] of BAD)
  test(`Labels are refused that are ${what}`, async (t) => {
    const root = await temporaryFolder(t);
    await writeFile(path.join(root, 'images.idx'), images(3));
    await writeFile(path.join(root, 'labels.idx'), bytes);
    await t.throwsAsync(classesOf(path.join(root, 'images.idx')), { name: 'UsageError', message });
  });

test("CIFAR's label bytes are classes, by CIFAR-10's names or CIFAR-100's numbers", async (t) => {
  const root = await temporaryFolder(t);
  const record = (...labels: number[]) => Buffer.concat([Buffer.from(labels), Buffer.alloc(3072)]);
  await writeFile(path.join(root, 'data_batch_1.bin'), Buffer.concat([record(9), record(1)]));
  await writeFile(path.join(root, 'data_batch_2.bin'), record(0));
  const ten = await classesOf(root);
  t.deepEqual([...ten.labels], [9, 1, 0]);
  t.deepEqual([ten.names[9], ten.names[1], ten.names.length], ['truck', 'automobile', 10]);
  await writeFile(path.join(root, 'train.bin'), Buffer.concat([record(19, 99), record(0, 5)]));
  const hundred = await classesOf(path.join(root, 'train.bin'));
  t.deepEqual([...hundred.labels], [99, 5]);
  t.is(hundred.names[99], '99');
});

test('The label of a toy car is the body that is drawn', async (t) => {
  const { names, labels } = await classesOf('toy-cars');
  t.is(names.length, 8);
  t.is(labels.length, 2048);
  t.deepEqual([...new Set(labels)].sort(), [0, 1, 2, 3, 4, 5, 6, 7]);
  for (let i = 0; i < 200; i++) {
    const picture = carPicture(0, i, 64);
    const name = names[labels[i]!];
    t.is(picture.includes('M0 35H64V39.5H0Z'), name === 'bus', `${i}`);
    t.is(picture.includes('M0 0H39.5V42H0Z'), name === 'lorry', `${i}`);
    t.is(picture.includes('M26.5 32V45'), name === 'hatchback', `${i}`);
  }
});

test('Labels stay with their images if files are skipped, streamed or held out', async (t) => {
  const root = await temporaryFolder(t);
  await mkdir(path.join(root, 'a'));
  await mkdir(path.join(root, 'b'));
  const picture = await from(slopes(8, 8), 8, 8).png().toBuffer();
  for (const name of ['a/1.png', 'a/3.png', 'b/1.png', 'b/2.png'])
    await writeFile(path.join(root, name), picture);
  await writeFile(path.join(root, 'a/2.png'), 'broken');
  const source = await openSource(root, 0);
  const classes = await source.classes!();
  t.deepEqual([...classes.labels], [0, 0, 0, 1, 1]);
  for (const budgetBytes of [2 ** 20, 10]) {
    const data = await opened(t, root, { classes, budgetBytes });
    t.deepEqual([...data.classes!.labels], [0, 0, 1, 1]);
    t.deepEqual(data.classes!.names, ['a', 'b']);
  }
  t.is((await opened(t, root)).classes, null);
  const parts = await openTrainingData(source, { fraction: 0.5, seed: 1 }, { ...OPTIONS, classes });
  t.teardown(() => parts.close());
  const both = [...parts.train.classes!.labels, ...parts.heldOut!.classes!.labels];
  t.deepEqual(both.sort(), [0, 0, 1, 1]);
  const other = await openTrainingData(source, { source }, { ...OPTIONS, classes });
  t.teardown(() => other.close());
  t.is(other.heldOut!.classes, null);
  const known = among('others', classes, ['b', 'c', 'a']);
  const told = await openTrainingData(source, { source, classes: known }, { ...OPTIONS, classes });
  t.teardown(() => told.close());
  t.deepEqual([...told.heldOut!.classes!.labels], [2, 2, 0, 0]);
  t.throws(() => among('others', classes, ['a', 'c']), {
    instanceOf: UsageError,
    message: 'others: expected images of the classes a, c, got some of b',
  });
});

const plan = (labelDropout?: number) =>
  new BatchPlan({
    ...{ count: 1000, batch: 500, seed: 3, timesteps: 10, flip: false },
    classes: { names: ['a', 'b', 'c'], labels: Int32Array.from({ length: 1000 }, (_, i) => i % 3) },
    ...(labelDropout !== undefined && { labelDropout }),
  });

test('A batch has the labels of its images, and none without classes', (t) => {
  const { indices, labels: found } = plan().batch(4);
  t.deepEqual(
    [...found!],
    Array.from(indices, (i) => i % 3),
  );
  const without = new BatchPlan({ count: 10, batch: 5, seed: 3, timesteps: 10, flip: false });
  t.is(without.batch(0).labels, undefined);
});

test('Label dropout drops its share of labels by seed and step, and changes nothing else', (t) => {
  const { indices, labels: kept, t: times } = plan().batch(1);
  const dropped = plan(0.2).batch(1);
  t.deepEqual([dropped.indices, dropped.t], [indices, times]);
  const left = [...dropped.labels!].filter((label) => label === 3).length;
  t.true(left > 60 && left < 140, `${left} of 500`);
  for (const [slot, label] of dropped.labels!.entries())
    t.true(label === 3 || label === kept![slot]);
  t.deepEqual(plan(0.2).batch(1).labels, dropped.labels);
  t.notDeepEqual(
    plan(0.2)
      .batch(2)
      .labels!.map((l) => Number(l === 3)),
    dropped.labels!.map((l) => Number(l === 3)),
  );
  t.true(
    plan(1)
      .batch(0)
      .labels!.every((label) => label === 3),
  );
});
