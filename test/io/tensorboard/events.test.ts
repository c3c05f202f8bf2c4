import { appendFileSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { crc32c, maskedCrc32c } from '../../../src/io/tensorboard/crc32c.js';
import { cutBackEvents, EventLog } from '../../../src/io/tensorboard/events.js';
import { integer, integerOf } from '../../../src/io/tensorboard/protobuf.js';
import { readRecords, record } from '../../../src/io/tensorboard/records.js';
import { temporaryFolder } from '../../helpers/folder.js';
import { readEvents } from '../../helpers/tfevents.js';
import { writePng } from '../../helpers/watch.js';

test('CRC-32C gives the test values of RFC 3720', (t) => {
  t.is(crc32c(Buffer.alloc(32)), 0x8a9136aa);
  t.is(crc32c(Buffer.alloc(32, 0xff)), 0x62a8ab43);
  t.is(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e);
  t.is(crc32c(Buffer.from('123456789')), 0xe3069283);
});

test("a checksum is masked like in TensorFlow's record_writer.h", (t) => {
  for (const length of [0, 24, 1 << 20]) {
    const bytes = Buffer.alloc(8);
    bytes.writeUInt32LE(length);
    t.is(maskedCrc32c(bytes), masked(BigInt(crc32c(bytes))));
  }
});

/** The rotation of record_writer.h, on numbers that do not wrap. */
const masked = (crc: bigint): number =>
  Number(((((crc >> 15n) | (crc << 17n)) & 0xffffffffn) + 0xa282ead8n) & 0xffffffffn);

test('whole numbers of any size are read back', (t) => {
  for (const value of [0, 1, 127, 128, 300, 2 ** 31, 2 ** 32 + 5, Number.MAX_SAFE_INTEGER])
    t.is(integerOf(Buffer.concat([integer(1, 7), integer(2, value)]), 2), value);
  t.is(integerOf(integer(1, 7), 2), 0);
});

test('scalars, pictures and the config are read back after the version', async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, 'events');
  const picture = join(folder, 'picture.png');
  await writePng(picture, 100);
  const png = readFileSync(picture);
  const log = EventLog.open(path, '{\n  "seed": 1\n}');
  log.scalars(1, [
    ['loss/train', 0.5],
    ['ü', -1e10],
  ]);
  log.scalars(2 ** 33, [['loss/train', Number.NaN]]);
  log.scalars(3, []);
  log.png(4, 'samples', png);
  log.close();
  EventLog.open(path, 'another').close();
  const [version, config, ...rest] = readEvents(path);
  t.like(version, { step: 0, version: 'brain.Event:2', values: [] });
  t.true(Math.abs(version!.wallTime - Date.now() / 1000) < 3600);
  t.deepEqual(config!.values, [
    { tag: 'config', text: '    {\n      "seed": 1\n    }', plugin: 'text' },
  ]);
  t.deepEqual(
    rest.map(({ step, values }) => [step, values]),
    [
      [
        1,
        [
          { tag: 'loss/train', scalar: 0.5 },
          { tag: 'ü', scalar: -1e10 },
        ],
      ],
      [2 ** 33, [{ tag: 'loss/train', scalar: Number.NaN }]],
      [4, [{ tag: 'samples', image: { height: 8, width: 8, png } }]],
    ],
  );
});

test('truncation keeps the bytes of the events up to a step, and drops a partial one', async (t) => {
  const path = join(await temporaryFolder(t), 'events');
  const log = EventLog.open(path, 'config');
  log.scalars(1, [['a', 1]]);
  log.scalars(2, [['a', 2]]);
  const { size } = statSync(path);
  const kept = readFileSync(path);
  log.scalars(3, [['a', 3]]);
  log.scalars(4, [['a', 4]]);
  log.close();
  truncateSync(path, statSync(path).size - 5);
  await cutBackEvents(path, 3);
  t.deepEqual(
    readEvents(path).map(({ step }) => step),
    [0, 0, 1, 2, 3],
  );
  await cutBackEvents(path, 2);
  t.is(statSync(path).size, size);
  t.deepEqual(readFileSync(path), kept);
  await cutBackEvents(join(path, '..', 'none'), 2);
});

test('reading ends at the first damaged record', async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, 'records');
  const read = async () => {
    const found: string[] = [];
    for await (const data of readRecords(path)) found.push(data.toString());
    return found;
  };
  const [one, two, three] = ['one', 'two', 'three'].map((text) => record(Buffer.from(text)));
  const spoilt = Buffer.from(two!);
  spoilt[13]! ^= 1;
  writeFileSync(path, Buffer.concat([one!, spoilt, three!]));
  t.deepEqual(await read(), ['one']);
  const long = Buffer.from(two!);
  long.writeBigUInt64LE(2n ** 62n);
  writeFileSync(path, Buffer.concat([one!, long, three!]));
  t.deepEqual(await read(), ['one']);
  writeFileSync(path, one!);
  appendFileSync(path, three!);
  t.deepEqual(await read(), ['one', 'three']);
  await mkdir(join(folder, 'events'));
  t.throws(() => EventLog.open(join(folder, 'events'), ''), {
    message: /expected a file, got a folder/,
  });
});
