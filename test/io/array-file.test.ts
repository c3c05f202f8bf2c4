import { open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { unzipSync } from 'fflate';
import { RunError } from '../../src/errors.js';
import { arrayStart, writeArray } from '../../src/io/array-file.js';
import { sha256 } from '../../src/io/hash.js';
import { withFault } from '../helpers/faulty-files.js';
import { temporaryFolder } from '../helpers/folder.js';

const shape = [5, 2, 3, 1];
const data = Uint8Array.from({ length: 30 }, (_, i) => 7 * i);

/** The data in pieces, in one buffer that is used again. */
async function* pieces(): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(11);
  for (let at = 0; at < data.length; at += buffer.length) {
    const piece = data.subarray(at, at + buffer.length);
    buffer.set(piece);
    yield buffer.subarray(0, piece.length);
  }
}

test('An npz has arr_0 in the format of NumPy: a header padded to a multiple of 64, then the data', async (t) => {
  const path = join(await temporaryFolder(t), 'images.npz');
  const hash = await writeArray(path, 'npz', shape, pieces());
  const bytes = await readFile(path);
  t.is(hash, sha256(bytes));
  const files = unzipSync(bytes);
  t.deepEqual(Object.keys(files), ['arr_0.npy']);
  const npy = Buffer.from(files['arr_0.npy']!);
  const length = npy.readUInt16LE(8);
  t.is(npy.toString('latin1', 0, 8), '\x93NUMPY\x01\x00');
  t.is((10 + length) % 64, 0);
  t.is(
    npy.toString('latin1', 10, 10 + length).trim(),
    "{'descr': '|u1', 'fortran_order': False, 'shape': (5, 2, 3, 1), }",
  );
  t.is(npy[9 + length], 10);
  t.deepEqual(new Uint8Array(npy.subarray(10 + length)), data);
});

test('A safetensors file holds one U8 tensor', async (t) => {
  const path = join(await temporaryFolder(t), 'images.safetensors');
  t.is(await writeArray(path, 'safetensors', shape, pieces()), sha256(await readFile(path)));
  const bytes = await readFile(path);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  t.is(start % 8, 0);
  t.deepEqual(JSON.parse(bytes.toString('utf8', 8, start)), {
    images: { dtype: 'U8', shape, data_offsets: [0, 30] },
  });
  t.deepEqual(new Uint8Array(bytes.subarray(start)), data);
});

for (const format of ['npz', 'safetensors'] as const) {
  test(`The data of ${format} are found again`, async (t) => {
    const path = join(await temporaryFolder(t), 'images');
    await writeArray(path, format, shape, pieces());
    const file = await open(path, 'r');
    const start = await arrayStart(file, format);
    await file.close();
    t.deepEqual(new Uint8Array((await readFile(path)).subarray(start, start + 30)), data);
  });

  test.serial(`A full disk leaves no ${format} behind`, async (t) => {
    const folder = await temporaryFolder(t);
    const write = () => writeArray(join(folder, 'images'), format, shape, pieces());
    const { error } = await withFault('ENOSPC', 2, write);
    t.true(error instanceof RunError);
    t.deepEqual(await readdir(folder), []);
  });
}
