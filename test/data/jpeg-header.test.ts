import test from 'ava';
import { jpegHeader } from '../../src/data/jpeg-header.js';
import { from, slopes } from '../helpers/data.js';

const picture = () => from(slopes(70, 30), 70, 30);

test('the size is read from the frame header, baseline and progressive', async (t) => {
  for (const progressive of [false, true]) {
    const file = await picture().jpeg({ progressive }).toBuffer();
    // Coefficients of two bytes, of brightness for each pixel and of two colours for every fourth.
    const kept = progressive ? 3 : 0;
    t.deepEqual(jpegHeader(file), { width: 70, height: 30, exif: false, kept });
  }
});

test('EXIF metadata is detected, and the size is that of the stored picture', async (t) => {
  const file = await picture().withMetadata({ orientation: 6 }).jpeg().toBuffer();
  t.deepEqual(jpegHeader(file), { width: 70, height: 30, exif: true, kept: 0 });
});

test('padding before a marker is skipped', async (t) => {
  const file = await picture().jpeg().toBuffer();
  const padded = Buffer.concat([file.subarray(0, 2), Buffer.from([0xff, 0xff]), file.subarray(2)]);
  t.is(jpegHeader(padded)?.width, 70);
});

test('other files and truncated headers give no size', async (t) => {
  t.is(jpegHeader(await picture().png().toBuffer()), undefined);
  t.is(jpegHeader(Buffer.alloc(0)), undefined);
  t.is(jpegHeader(Buffer.from([0xff, 0xd8, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10])), undefined);
  const file = await picture().jpeg().toBuffer();
  const frame = file.indexOf(Buffer.from([0xff, 0xc0]));
  for (let length = 0; length < frame + 9; length++)
    t.is(jpegHeader(file.subarray(0, length)), undefined);
});
