import { execFileSync } from 'node:child_process';
import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { UsageError } from '../../src/errors.js';
import { readHeader, readSafetensors } from '../../src/io/safetensors.js';
import { temporaryFolder } from '../helpers/folder.js';
import { FROM_PYTHON, file } from '../helpers/safetensors-bytes.js';

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
    /tensor "w": expected a dtype of F64, I64, F32, I32, F16, BF16, I16, I8, U8, BOOL, got "F8_E4M3"/,
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
    /expected 4 bytes of data according to its header, got 5/,
  ],
  [
    'data without a tensor',
    file('{}', 1),
    /expected 0 bytes of data according to its header, got 1/,
  ],
  [
    'a hole at the start',
    file(entry({ data_offsets: [4, 8] }), 8),
    /begin at byte 0, got 4: there is a gap/,
  ],
  [
    'a hole between tensors',
    file(two([0, 4], [8, 12]), 12),
    /tensor "b": expected its data to begin at byte 4, got 8: there is a gap/,
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
  test(`${title} is refused in one line that names the file`, async (t) => {
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

test('every truncation of a valid file is refused', async (t) => {
  const path = join(await temporaryFolder(t), 'cut.safetensors');
  await writeFile(path, FROM_PYTHON);
  for (let size = FROM_PYTHON.length - 1; size >= 0; size--) {
    await truncate(path, size);
    await t.throwsAsync(readSafetensors(path), { instanceOf: UsageError }, `${size} bytes`);
  }
});

test('a file with any bit of its header flipped is either read or refused', async (t) => {
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

test('a named pipe is refused without waiting', async (t) => {
  if (process.platform === 'win32') return t.pass();
  const path = join(await temporaryFolder(t), 'pipe.safetensors');
  execFileSync('mkfifo', [path]);
  await t.throwsAsync(readSafetensors(path), { instanceOf: UsageError, message: /a device/ });
});

test('a file of another kind is refused with its kind', async (t) => {
  const dir = await temporaryFolder(t);
  const cases: [string, RegExp][] = [
    [
      'version https://git-lfs.github.com/spec/v1\noid sha256:6fd5\nsize 90405214\n',
      /expected a \.safetensors file, got a Git LFS pointer .*; git lfs pull fetches/,
    ],
    ['<!doctype html><title>Sign in</title>', /got an HTML page, .*download the file again/],
    ['{"error": "not found"}', /got JSON text/],
    ['Entry not found', /got text/],
    ['\x89PNG\r\n\x1a\n and so on', /got a PNG picture/],
  ];
  for (const [content, message] of cases) {
    const path = join(dir, 'model.safetensors');
    await writeFile(path, content, 'latin1');
    await t.throwsAsync(readHeader(path), { instanceOf: UsageError, message });
  }
});

test('a torch.save file is recognised by its bytes, and the error has the line of Python that converts it', async (t) => {
  const dir = await temporaryFolder(t);
  const zip = Buffer.from('504b0304140000000000000000', 'hex');
  const pickle = Buffer.from('80028a0a6cfc9c46f9206aa850192e', 'hex');
  const cases: [string, Buffer, string][] = [
    ["it's a model.pt", zip, `it'\\''s a model.safetensors'`],
    ['model.bin', pickle, 'model.safetensors'],
    ['model.safetensors', zip, 'model.converted.safetensors'],
  ];
  for (const [name, content, target] of cases) {
    const path = join(dir, name);
    await writeFile(path, content);
    const error = await t.throwsAsync(readSafetensors(path), { instanceOf: UsageError });
    t.regex(error.message, /python -c "import sys, torch, .*save_file/, name);
    t.true(error.message.endsWith(target), error.message);
  }
});
