import { chmod, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { RunError, ShapeError, UsageError } from '../../src/errors.js';
import { readHeader, readSafetensors, writeSafetensors } from '../../src/io/safetensors.js';
import type { StateDict } from '../../src/network/state.js';
import { temporaryFolder } from '../helpers/folder.js';
import { FROM_PYTHON, file } from '../helpers/safetensors-bytes.js';
import { f32, i64, stateDict } from '../helpers/tensors.js';

test('a file written by Python is read: values, shapes, scalars and metadata', async (t) => {
  const path = join(await temporaryFolder(t), 'a.safetensors');
  await writeFile(path, FROM_PYTHON);
  const { tensors, metadata } = await readSafetensors(path);
  t.deepEqual(metadata, { format: 'pt' });
  t.deepEqual([...tensors.keys()], ['n', 'bü', 'w']);
  t.deepEqual(tensors.get('n'), i64([1], 7n));
  t.deepEqual(tensors.get('bü'), f32([], -1));
  t.deepEqual(tensors.get('w'), f32([3], 0, 0.5, 1));
});

test('a file is written byte for byte by the format: aligned header, widest dtype first', async (t) => {
  const path = join(await temporaryFolder(t), 'a.safetensors');
  await writeSafetensors(path, stateDict({ w: f32([3, 1], 0, 0.5, 1), n: i64([], -7n) }), {
    format: 'pt',
  });
  const bytes = await readFile(path);
  const json =
    '{"__metadata__":{"format":"pt"},"w":{"dtype":"F32","shape":[3,1],"data_offsets":[8,20]},' +
    '"n":{"dtype":"I64","shape":[],"data_offsets":[0,8]}}';
  const length = Math.ceil(json.length / 8) * 8;
  t.is(bytes.readBigUInt64LE(), BigInt(length));
  t.is(bytes.subarray(8, 8 + length).toString(), json.padEnd(length, ' '));
  t.is(bytes.subarray(8 + length).toString('hex'), `f9ffffffffffffff${'000000000000003f0000803f'}`);
});

test('tensors are read back in the same order with the same bits', async (t) => {
  const path = join(await temporaryFolder(t), 'a.safetensors');
  const state = stateDict({
    odd: f32([1, 3], Number.NaN, -0, Number.POSITIVE_INFINITY),
    count: i64([2], 2n ** 63n - 1n, -(2n ** 63n)),
    empty: f32([0, 4]),
    'a name with "quotes", \\ and \u0001': f32([2], 1e-45, 3.4e38),
  });
  await writeSafetensors(path, state);
  const { tensors, metadata } = await readSafetensors(path);
  t.deepEqual([...tensors], [...state]);
  t.deepEqual(metadata, {});
});

test('data larger than one system call can transfer are written and read back', async (t) => {
  const path = join(await temporaryFolder(t), 'a.safetensors');
  const data = new Float32Array((65 << 20) / 4);
  for (let i = 0; i < data.length; i++) data[i] = i;
  await writeSafetensors(path, new Map([['w', { dtype: 'F32', shape: [data.length], data }]]));
  const back = (await readSafetensors(path)).tensors.get('w');
  t.true(back !== undefined && Buffer.compare(bytes(back.data), bytes(data)) === 0);
});

const bytes = (a: Float32Array | BigInt64Array) =>
  Buffer.from(a.buffer, a.byteOffset, a.byteLength);

test('of views into larger or shared memory, only their own elements are written', async (t) => {
  const path = join(await temporaryFolder(t), 'a.safetensors');
  const shared = new Float32Array(new SharedArrayBuffer(32));
  shared.set([0, 1, 2, 3, 4, 5, 6, 7]);
  await writeSafetensors(
    path,
    new Map([['w', { dtype: 'F32', shape: [3], data: shared.subarray(2, 5) }]]),
  );
  t.deepEqual((await readSafetensors(path)).tensors.get('w'), f32([3], 2, 3, 4));
});

test('half, bfloat16 and double become F32, and I32 becomes I64', async (t) => {
  const path = join(await temporaryFolder(t), 'a.safetensors');
  const header = JSON.stringify({
    h: { dtype: 'F16', shape: [9], data_offsets: [0, 18] },
    b: { dtype: 'BF16', shape: [4], data_offsets: [18, 26] },
    d: { dtype: 'F64', shape: [2], data_offsets: [26, 42] },
    i: { dtype: 'I32', shape: [2], data_offsets: [42, 50] },
  });
  const data = Buffer.alloc(50);
  // 0, −0, 1, −1.5, the largest, the smallest normal, the smallest subnormal, ∞, −∞
  const halves = [0, 0x8000, 0x3c00, 0xbe00, 0x7bff, 0x0400, 0x0001, 0x7c00, 0xfc00];
  const bfloats = [0x3f80, 0xc049, 0x7f80, 0x0001];
  for (const [i, bits] of [...halves, ...bfloats].entries()) data.writeUInt16LE(bits, 2 * i);
  data.writeDoubleLE(0.1, 26);
  data.writeDoubleLE(-1e300, 34);
  data.writeInt32LE(-(2 ** 31), 42);
  data.writeInt32LE(2 ** 31 - 1, 46);
  await writeFile(path, Buffer.concat([file(header, 0), data]));
  const { tensors } = await readSafetensors(path);
  const infinity = Number.POSITIVE_INFINITY;
  t.deepEqual(
    tensors.get('h'),
    f32([9], 0, -0, 1, -1.5, 65504, 2 ** -14, 2 ** -24, infinity, -infinity),
  );
  t.deepEqual(tensors.get('b'), f32([4], 1, -3.140625, infinity, 2 ** -133));
  t.deepEqual(tensors.get('d'), f32([2], 0.1, -infinity));
  t.deepEqual(tensors.get('i'), i64([2], -(2n ** 31n), 2n ** 31n - 1n));
});

test('every half is decoded to its value', async (t) => {
  const path = join(await temporaryFolder(t), 'a.safetensors');
  const header = '{"h":{"dtype":"F16","shape":[65536],"data_offsets":[0,131072]}}';
  const data = Buffer.from(Uint16Array.from({ length: 65536 }, (_, i) => i).buffer);
  await writeFile(path, Buffer.concat([file(header, 0), data]));
  const read = (await readSafetensors(path)).tensors.get('h');
  // The other direction by search: halves of one sign are ordered as their bits are.
  const values = [...(read?.data ?? [])].map(Number);
  for (let bits = 1; bits <= 0x7c00; bits++) {
    if (!(values[bits]! > values[bits - 1]!)) t.fail(`half ${bits} is not above ${bits - 1}`);
    if (values[bits + 0x8000] !== -values[bits]!) t.fail(`half ${bits} has another negative`);
  }
  t.true(values.slice(0x7c01, 0x8000).every(Number.isNaN));
});

test('the header alone gives names, dtypes, shapes and metadata', async (t) => {
  const path = join(await temporaryFolder(t), 'a.safetensors');
  await writeFile(path, FROM_PYTHON);
  const { tensors, metadata } = await readHeader(path);
  t.deepEqual(tensors.get('w'), { dtype: 'F32', shape: [3], begin: 12, end: 24 });
  t.deepEqual(metadata, { format: 'pt' });
});

test('the fixtures made by PyTorch are read completely', async (t) => {
  const { tensors } = await readSafetensors('test/fixtures/unet_odd_widths_8.safetensors');
  t.is(
    tensors.size,
    (await readHeader('test/fixtures/unet_odd_widths_8.safetensors')).tensors.size,
  );
  t.deepEqual(tensors.get('state0/conv0.weight')?.shape.slice(2), [3, 3]);
});

test('data that do not match their shape are refused before anything is written', async (t) => {
  const dir = await temporaryFolder(t);
  const state = stateDict({ w: f32([2, 2], 1, 2, 3) });
  await t.throwsAsync(writeSafetensors(join(dir, 'a.safetensors'), state), {
    instanceOf: ShapeError,
    message: 'w: shape 2,2 has 4 elements, data 3',
  });
  t.deepEqual(await readdir(dir), []);
});

test('what is no map of tensors is refused, and nothing is written', async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, 'a.safetensors');
  const tensor = { dtype: 'F32', shape: [1], data: new Float32Array(1) };
  const wrong: [tensors: unknown, message: RegExp][] = [
    [null, /^writeSafetensors: expected a Map of tensors by name, got null$/],
    [{ a: tensor }, /: expected a Map of tensors by name, got /],
    [new Map([['__metadata__', tensor]]), /: expected names of tensors, got "__metadata__"$/],
    [new Map([['a', null]]), /^writeSafetensors: a: expected a dtype of F32, I64, F16, got /],
    [new Map([['a', { ...tensor, dtype: 'XX' }]]), /: a: expected a dtype of .*, got "XX"$/],
    [new Map([['a', { ...tensor, shape: [-1] }]]), /: a: expected a shape of whole numbers, got /],
    [new Map([['a', { ...tensor, data: [1] }]]), /: a: expected F32 data in a Float32Array$/],
    [new Map([['a', { ...tensor, data: new Float64Array(1) }]]), /: a: expected F32 data in a /],
  ];
  for (const [tensors, message] of wrong)
    await t.throwsAsync(writeSafetensors(path, tensors as StateDict), {
      instanceOf: UsageError,
      message,
    });
  t.deepEqual(await readdir(folder), []);
});

test('a file that cannot be written is a RunError with the reason, and the old one stays', async (t) => {
  const dir = await temporaryFolder(t);
  const path = join(dir, 'a.safetensors');
  await writeSafetensors(path, stateDict({ w: f32([1], 1) }));
  const through = join(path, 'b.safetensors');
  await t.throwsAsync(writeSafetensors(through, stateDict({ w: f32([1], 2) })), {
    instanceOf: RunError,
    message: `cannot write ${through}: part of the path is a file, not a folder (ENOTDIR)`,
  });
  t.deepEqual(await readdir(dir), ['a.safetensors']);
  t.deepEqual((await readSafetensors(path)).tensors.get('w'), f32([1], 1));
});

test('writing over a file replaces it as a whole and leaves nothing beside it', async (t) => {
  const dir = await temporaryFolder(t);
  const path = join(dir, 'a.safetensors');
  await writeSafetensors(path, stateDict({ w: f32([3], 1, 2, 3) }));
  await chmod(path, 0o444);
  await writeSafetensors(path, stateDict({ v: f32([1], 4) }));
  t.deepEqual([...(await readSafetensors(path)).tensors], [['v', f32([1], 4)]]);
  t.deepEqual(await readdir(dir), ['a.safetensors']);
});
