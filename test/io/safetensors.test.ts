import { execFileSync } from 'node:child_process';
import { chmod, readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { RunError, ShapeError, UsageError } from '../../src/errors.js';
import { readHeader, readSafetensors, writeSafetensors } from '../../src/io/safetensors.js';
import { temporaryFolder } from '../helpers/folder.js';
import { f32, i64, stateDict } from '../helpers/tensors.js';

/** A file of the given header text, with as many bytes of data (0, 1, 2, …). */
function file(header: string, dataBytes: number): Buffer {
  const json = Buffer.from(header);
  const bytes = Buffer.alloc(8 + json.length + dataBytes);
  bytes.writeBigUInt64LE(BigInt(json.length));
  json.copy(bytes, 8);
  for (let i = 0; i < dataBytes; i++) bytes[8 + json.length + i] = i;
  return bytes;
}

/** What Python's safetensors 0.8 `save_file({'w': arange(3)/2 f32, 'n': int64 [7], 'bü': f32 scalar −1}, metadata={'format': 'pt'})` writes. */
const FROM_PYTHON = Buffer.concat([
  file(
    '{"__metadata__":{"format":"pt"},"n":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},' +
      '"bü":{"dtype":"F32","shape":[],"data_offsets":[8,12]},' +
      '"w":{"dtype":"F32","shape":[3],"data_offsets":[12,24]}}     ',
    0,
  ),
  Buffer.from('0700000000000000' + '000080bf' + '000000000000003f0000803f', 'hex'),
]);

test('a file as Python writes it is read: values, shapes, scalars and metadata', async (t) => {
  const path = join(await temporaryFolder(t), 'a.safetensors');
  await writeFile(path, FROM_PYTHON);
  const { tensors, metadata } = await readSafetensors(path);
  t.deepEqual(metadata, { format: 'pt' });
  t.deepEqual([...tensors.keys()], ['n', 'bü', 'w']);
  t.deepEqual(tensors.get('n'), i64([1], 7n));
  t.deepEqual(tensors.get('bü'), f32([], -1));
  t.deepEqual(tensors.get('w'), f32([3], 0, 0.5, 1));
});

test('a file is written byte for byte as the format says: aligned header, widest dtype first', async (t) => {
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

test('what is written is read back, in the same order, with the same bits', async (t) => {
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

test('data larger than one system call takes survives the way out and in', async (t) => {
  const path = join(await temporaryFolder(t), 'a.safetensors');
  const data = new Float32Array((65 << 20) / 4);
  for (let i = 0; i < data.length; i++) data[i] = i;
  await writeSafetensors(path, new Map([['w', { dtype: 'F32', shape: [data.length], data }]]));
  const back = (await readSafetensors(path)).tensors.get('w');
  t.true(back !== undefined && Buffer.compare(bytes(back.data), bytes(data)) === 0);
});

const bytes = (a: Float32Array | BigInt64Array) =>
  Buffer.from(a.buffer, a.byteOffset, a.byteLength);

test('views into a larger or shared memory are written as their own elements alone', async (t) => {
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

test('every half is the number that its bits mean', async (t) => {
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

test('the fixtures made by PyTorch are read whole', async (t) => {
  const { tensors } = await readSafetensors('test/fixtures/unet_odd_widths_8.safetensors');
  t.is(
    tensors.size,
    (await readHeader('test/fixtures/unet_odd_widths_8.safetensors')).tensors.size,
  );
  t.deepEqual(tensors.get('state0/conv0.weight')?.shape.slice(2), [3, 3]);
});

/** `w` of 4 bytes with some fields replaced. */
const entry = (fields: object): string =>
  JSON.stringify({ w: { dtype: 'F32', shape: [1], data_offsets: [0, 4], ...fields } });

const two = (a: [number, number], b: [number, number]): string =>
  JSON.stringify({
    a: { dtype: 'F32', shape: [(a[1] - a[0]) / 4], data_offsets: a },
    b: { dtype: 'F32', shape: [(b[1] - b[0]) / 4], data_offsets: b },
  });

const huge = (length: bigint): Buffer => {
  const bytes = Buffer.alloc(64, ' ');
  bytes.writeBigUInt64LE(length);
  return bytes;
};

const F32_ENTRY = '{"dtype":"F32","shape":[1],"data_offsets":[0,4]}';

const HOSTILE: [title: string, bytes: Buffer, message: RegExp][] = [
  ['an empty file', Buffer.alloc(0), /expected a safetensors header, got a file of 0 bytes/],
  ['a file of seven bytes', Buffer.alloc(7), /got a file of 7 bytes/],
  ['a header length of zero', huge(0n), /JSON/],
  ['a header length over the file', huge(57n), /at most 56 bytes, got a length of 57/],
  ['a header length of 2^64−1', huge(2n ** 64n - 1n), /got a length of 18446744073709551615/],
  ['a header of spaces', huge(56n), /expected a header in JSON/],
  ['a header that is cut off', file(entry({}).slice(0, -5), 4), /expected a header in JSON/],
  ['a string that does not end', file('{"w', 0), /a string does not end/],
  [
    'a header that is not UTF-8',
    Buffer.concat([huge(3n).subarray(0, 8), Buffer.from([0x7b, 0xff, 0x7d])]),
    /it is not UTF-8/,
  ],
  ['a byte order mark', file('\ufeff{}', 0), /expected a header in JSON/],
  ['a header that is a list', file('[]', 0), /expected the header to be a JSON object, got \[\]/],
  ['a header that is null', file('null', 0), /JSON object, got null/],
  ['a header nested very deep', file('['.repeat(100_000), 0), /nested deeper than 3/],
  ['an entry that is a number', file('{"w":5}', 0), /tensor "w": expected an object .* got 5/],
  ['an entry that is null', file('{"w":null}', 0), /tensor "w": .* got null/],
  ['an entry that is a list', file('{"w":[1]}', 0), /tensor "w": .* got \[1\]/],
  ['an empty entry', file('{"w":{}}', 0), /tensor "w": expected a dtype of .* got undefined/],
  [
    'an unknown dtype',
    file(entry({ dtype: 'F8_E4M3' }), 4),
    /tensor "w": expected a dtype of F64, I64, F32, I32, F16, BF16, got "F8_E4M3"/,
  ],
  ['a dtype that is a number', file(entry({ dtype: 32 }), 4), /got 32/],
  ['a dtype that every object has', file(entry({ dtype: 'constructor' }), 4), /got "constructor"/],
  ['no shape', file(entry({ shape: null }), 4), /a shape of whole numbers of 0 or more, got null/],
  ['a negative shape', file(entry({ shape: [-1] }), 4), /a shape of whole numbers .* got \[-1\]/],
  ['two negative dimensions', file(entry({ shape: [-1, -1] }), 4), /got \[-1,-1\]/],
  ['a fractional shape', file(entry({ shape: [0.5, 2] }), 4), /got \[0.5,2\]/],
  ['a shape of texts', file(entry({ shape: ['1'] }), 4), /got \["1"\]/],
  [
    'a dimension beyond whole numbers',
    file(entry({ shape: [2 ** 53] }), 4),
    /got \[9007199254740992\]/,
  ],
  [
    'a dimension of 1e999',
    file('{"w":{"dtype":"F32","shape":[1e999],"data_offsets":[0,4]}}', 4),
    /tensor "w"/,
  ],
  [
    'a shape whose product overflows',
    file(entry({ shape: [2 ** 32, 2 ** 32] }), 4),
    /a shape that a file can hold/,
  ],
  [
    'a shape whose product wraps around 64 bits to 4',
    file(entry({ shape: [2 ** 32 + 1, 2 ** 32 + 1] }), 4),
    /a shape that a file can hold/,
  ],
  [
    'offsets that are no pair',
    file(entry({ data_offsets: [0, 4, 8] }), 4),
    /data_offsets of two whole numbers .* got \[0,4,8\]/,
  ],
  ['no offsets', file(entry({ data_offsets: undefined }), 4), /data_offsets .* got undefined/],
  ['negative offsets', file(entry({ data_offsets: [-4, 0] }), 4), /got \[-4,0\]/],
  ['fractional offsets', file(entry({ data_offsets: [0.5, 4.5] }), 8), /got \[0.5,4.5\]/],
  [
    'offsets in the wrong order',
    file(entry({ data_offsets: [4, 0] }), 4),
    /expected 4 bytes of data .* got "-4 bytes"/,
  ],
  [
    'a size that lies',
    file(entry({ shape: [2] }), 4),
    /expected 8 bytes of data for F32 \[2\], got "4 bytes"/,
  ],
  [
    'data beyond the end of the file',
    file(entry({}), 3),
    /tensor "w": expected its data to end within the file's 3 bytes of data, got 4/,
  ],
  [
    'bytes after the last tensor',
    file(entry({}), 5),
    /expected 4 bytes of data, as its header says, got 5/,
  ],
  ['data without a tensor', file('{}', 1), /expected 0 bytes of data, as its header says, got 1/],
  [
    'a hole at the start',
    file(entry({ data_offsets: [4, 8] }), 8),
    /begin at byte 0, got 4: a hole/,
  ],
  [
    'a hole between tensors',
    file(two([0, 4], [8, 12]), 12),
    /tensor "b": expected its data to begin at byte 4, got 8: a hole/,
  ],
  [
    'tensors that overlap',
    file(two([0, 8], [4, 12]), 12),
    /tensor "b": .* begin at byte 8, got 4: it overlaps/,
  ],
  [
    'two tensors in the same place',
    file(two([0, 4], [0, 4]), 4),
    /tensor "b": .* got 0: it overlaps/,
  ],
  [
    'a name that appears twice',
    file(`{"w":${F32_ENTRY},"w":${F32_ENTRY}}`, 4),
    /the name "w" appears twice/,
  ],
  [
    'a name that appears twice under escapes',
    file(`{"w":${F32_ENTRY},"\\u0077":${F32_ENTRY}}`, 4),
    /the name "w" appears twice/,
  ],
  [
    'a dtype that appears twice',
    file('{"w":{"dtype":"F32","dtype":"I64","shape":[1],"data_offsets":[0,4]}}', 4),
    /the name "dtype" appears twice/,
  ],
  [
    'a tensor named __proto__',
    file(`{"__proto__":${F32_ENTRY}}`, 4),
    /a name other than "__proto__"/,
  ],
  [
    'an entry whose fields come by __proto__',
    file(`{"w":{"__proto__":${F32_ENTRY}}}`, 4),
    /nested deeper/,
  ],
  [
    'metadata that is a text',
    file('{"__metadata__":"x"}', 0),
    /__metadata__: expected an object of texts, got "x"/,
  ],
  [
    'metadata with a number',
    file('{"__metadata__":{"a":1}}', 0),
    /__metadata__: "a": expected a text, got 1/,
  ],
  [
    'more names than any model has',
    file(`{${Array.from({ length: 400_001 }, (_, i) => `"${i}":0`)}}`, 0),
    /more than 400000 names/,
  ],
];

for (const [title, content, message] of HOSTILE)
  test(`${title} is refused in a line that names the file`, async (t) => {
    const path = join(await temporaryFolder(t), 'bad.safetensors');
    await writeFile(path, content);
    for (const read of [readSafetensors, readHeader]) {
      const error = await t.throwsAsync(read(path), { instanceOf: UsageError });
      t.true(error?.message.startsWith(`${path}: `), error?.message);
      t.regex(error?.message ?? '', message);
      t.true((error?.message.length ?? 0) < 500);
      t.false(error?.message.includes('\n'));
    }
  });

test('every truncation of a sound file is refused', async (t) => {
  const path = join(await temporaryFolder(t), 'cut.safetensors');
  await writeFile(path, FROM_PYTHON);
  for (let size = FROM_PYTHON.length - 1; size >= 0; size--) {
    await truncate(path, size);
    await t.throwsAsync(readSafetensors(path), { instanceOf: UsageError }, `${size} bytes`);
  }
});

test('a file with any one bit of its header flipped is read or refused, never anything else', async (t) => {
  const path = join(await temporaryFolder(t), 'flipped.safetensors');
  const headerEnd = 8 + Number(FROM_PYTHON.readBigUInt64LE());
  for (let bit = 0; bit < 8 * headerEnd; bit++) {
    const content = Buffer.from(FROM_PYTHON);
    content[bit >> 3]! ^= 1 << (bit & 7);
    await writeFile(path, content);
    const error: unknown = await readSafetensors(path).then(
      () => undefined,
      (e) => e,
    );
    if (error !== undefined && !(error instanceof UsageError)) t.fail(`bit ${bit}: ${error}`);
  }
  t.pass();
});

test('a terminal never sees control characters of a hostile name', async (t) => {
  const path = join(await temporaryFolder(t), 'bad.safetensors');
  await writeFile(path, file(JSON.stringify({ '\u001b[2J': 5 }), 0));
  const error = await t.throwsAsync(readSafetensors(path));
  t.false(error?.message.includes('\u001b'));
});

test('a missing file, a folder and a path through a file are refused with the reason', async (t) => {
  const dir = await temporaryFolder(t);
  await writeFile(join(dir, 'file'), 'x');
  const cases: [string, RegExp][] = [
    [join(dir, 'none.safetensors'), /cannot be read: no such file or folder \(ENOENT\)/],
    [join(dir, 'file', 'a.safetensors'), /part of the path is a file, not a folder \(ENOTDIR\)/],
    [dir, /expected a \.safetensors file, got a folder or a device/],
  ];
  for (const [path, message] of cases)
    await t.throwsAsync(readSafetensors(path), { instanceOf: UsageError, message });
});

test('a named pipe is refused instead of waited for', async (t) => {
  if (process.platform === 'win32') return t.pass();
  const path = join(await temporaryFolder(t), 'pipe.safetensors');
  execFileSync('mkfifo', [path]);
  await t.throwsAsync(readSafetensors(path), { instanceOf: UsageError, message: /a device/ });
});

test('a PyTorch pickle gets the line of Python that converts it, by its name or by its bytes', async (t) => {
  const dir = await temporaryFolder(t);
  const zip = Buffer.from('504b0304140000000000000000', 'hex');
  const pickle = Buffer.from('80028a0a6cfc9c46f9206aa850192e', 'hex');
  const cases: [string, Buffer][] = [
    ["it's a model.pt", zip],
    ['model.pth', Buffer.alloc(0)],
    ['model.bin', pickle],
    ['model.safetensors', zip],
  ];
  for (const [name, content] of cases) {
    const path = join(dir, name);
    await writeFile(path, content);
    const error = await t.throwsAsync(readSafetensors(path), { instanceOf: UsageError });
    t.regex(error?.message ?? '', /python -c "import sys, torch, .*save_file/, name);
  }
  const error = await t.throwsAsync(readSafetensors(join(dir, "it's a model.pt")));
  t.true(error?.message.endsWith(`it'\\''s a model.safetensors'`), error?.message);
});

test('data that is not its shape is refused before anything is written', async (t) => {
  const dir = await temporaryFolder(t);
  const state = stateDict({ w: f32([2, 2], 1, 2, 3) });
  await t.throwsAsync(writeSafetensors(join(dir, 'a.safetensors'), state), {
    instanceOf: ShapeError,
    message: 'w: shape 2,2 has 4 elements, data 3',
  });
  t.deepEqual(await readdir(dir), []);
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

test('writing over a file replaces it whole and leaves nothing beside it', async (t) => {
  const dir = await temporaryFolder(t);
  const path = join(dir, 'a.safetensors');
  await writeSafetensors(path, stateDict({ w: f32([3], 1, 2, 3) }));
  await chmod(path, 0o444);
  await writeSafetensors(path, stateDict({ v: f32([1], 4) }));
  t.deepEqual([...(await readSafetensors(path)).tensors], [['v', f32([1], 4)]]);
  t.deepEqual(await readdir(dir), ['a.safetensors']);
});
