import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { strToU8, zipSync } from 'fflate';
import { UsageError } from '../../../src/errors.js';
import { readTensors } from '../../../src/io/read-tensors.js';
import { temporaryFolder } from '../../helpers/folder.js';
import { f32 } from '../../helpers/tensors.js';
import {
  called,
  dictionary,
  global,
  pickle,
  tensor,
  text,
  torchZip,
  tuple,
  whole,
} from '../../helpers/torch-bytes.js';

async function read(t: ExecutionContext, bytes: Uint8Array) {
  const path = join(await temporaryFolder(t), 'weights.pt');
  await writeFile(path, bytes);
  return (await readTensors(path)).tensors;
}

const w = tensor({ shape: [4], strides: [1] });
const state = dictionary({ w });

test('a hand-made pickle is read', async (t) => {
  t.deepEqual([...(await read(t, torchZip(pickle(state))))], [['w', f32([4], 1, 2, 3, 4)]]);
});

test('code in a pickle is not run, and the tensors beside it are read', async (t) => {
  const mark = join(await temporaryFolder(t), 'mark');
  const command = text(`touch ${mark}`);
  const evil = [
    called(global('os', 'system'), command),
    called(global('builtins', 'exec'), text(`open(${JSON.stringify(mark)}, 'w')`)),
    called(called(global('builtins', 'getattr'), text('os'), text('system')), command),
    Buffer.concat([global('subprocess', 'Popen'), tuple(command), Buffer.from('\x81', 'latin1')]),
    Buffer.concat([
      called(global('posix', 'system'), command),
      dictionary({ a: whole(1) }),
      Buffer.from('b'),
    ]),
    called(
      global('torch._tensor', '_rebuild_from_type_v2'),
      global('os', 'system'),
      text(''),
      tuple(command),
    ),
  ];
  for (const value of evil) {
    const tensors = await read(t, torchZip(pickle(dictionary({ evil: value, w }))));
    t.deepEqual([...tensors.keys()], ['w']);
  }
  t.false(existsSync(mark));
});

test('tensors that share a storage get separate arrays', async (t) => {
  const tensors = await read(t, torchZip(pickle(dictionary({ a: w, b: w }))));
  t.deepEqual(tensors.get('a'), tensors.get('b'));
  t.not(tensors.get('a')!.data.buffer, tensors.get('b')!.data.buffer);
});

test('any strides are followed: repeated, overlapping, and of dimensions of size one', async (t) => {
  const of = async (shape: number[], strides: number[], offset = 0) => {
    const bytes = torchZip(pickle(dictionary({ w: tensor({ shape, strides, offset }) })));
    return [...(await read(t, bytes)).get('w')!.data];
  };
  t.deepEqual(await of([2, 2], [1, 2]), [1, 3, 2, 4]);
  t.deepEqual(await of([3, 2], [1, 1]), [1, 2, 2, 3, 3, 4]);
  t.deepEqual(await of([2, 3], [0, 0], 3), [4, 4, 4, 4, 4, 4]);
  t.deepEqual(await of([1, 2, 1], [99, 2, 77], 1), [2, 4]);
  t.deepEqual(await of([0, 9], [9, 1]), []);
  t.deepEqual(await of([], [], 2), [3]);
});

const bigger = 2n ** 40n;

/** A tensor in a state dict, in a zip. */
const view = (of: Parameters<typeof tensor>[0]): Buffer =>
  torchZip(pickle(dictionary({ w: tensor(of) })));

/** A chain of lists, each of which holds the one before many times. */
function doubling(levels: number): Buffer {
  const steps = Array.from({ length: levels }, (_, i) =>
    Buffer.from([0x5d, 0x28, ...Array(9).fill([0x68, i]).flat(), 0x65, 0x71, i + 1]),
  );
  return Buffer.concat([Buffer.from([0x5d, 0x71, 0]), ...steps]);
}

const numbers = new Uint8Array(16);
const pair = torchZip(pickle(state), { 0: numbers, 1: numbers }).toString('latin1');

const HOSTILE: [title: string, bytes: Buffer, message: RegExp][] = [
  [
    'a zip with an entry that occurs twice',
    Buffer.from(pair.replaceAll('a/data/1', 'a/data/0'), 'latin1'),
    /a\/data\/0.* occurs twice in it/,
  ],
  ['a persistent id in place of the magic number', pickle(text('x'), 'Q'), /a persistent id of /],
  [
    'a zip of nothing',
    Buffer.from('504b0506'.padEnd(44, '0'), 'hex'),
    /one data\.pkl, got one with none/,
  ],
  ['a zip of something else', Buffer.from(zipSync({ 'a.txt': strToU8('a') })), /got one with none/],
  ['a zip that is cut off', torchZip(pickle(state)).subarray(0, -30), /damaged zip/],
  [
    'a zip that is compressed',
    Buffer.from(zipSync({ 'a/data.pkl': pickle(state, Buffer.alloc(500)) })),
    /got "a\/data\.pkl" compressed .*\n.*python -c/,
  ],
  [
    'two pickles',
    Buffer.from(
      zipSync({ 'a/data.pkl': pickle(state), 'b/data.pkl': pickle(state) }, { level: 0 }),
    ),
    /got one with 2/,
  ],
  [
    'numbers in big-endian order',
    torchZip(pickle(state), undefined, { byteorder: strToU8('big') }),
    /little-endian order, got "big"/,
  ],
  [
    'a TorchScript archive',
    torchZip(pickle(state), undefined, { 'constants.pkl': pickle('N') }),
    /TorchScript archive; in Python, save the state_dict/,
  ],
  ['a pickle of something else', pickle(text('something else')), /another pickle/],
  ['an empty pickle', torchZip(Buffer.alloc(0)), /cut off/],
  ['a pickle that is cut off', torchZip(pickle(state).subarray(0, -9)), /cut off/],
  ['an opcode of text', torchZip(pickle('I1\n')), /opcode 0x49 at byte 2 does not occur/],
  ['a stack that runs empty', torchZip(Buffer.from('0.')), /stack is empty/],
  ['a mark that is missing', torchZip(pickle('t')), /a mark is missing/],
  ['a memo that is empty', torchZip(pickle('h\x07')), /memo 7 is empty/],
  [
    'items of a number',
    torchZip(pickle('N}NNs0NNs')),
    /items of something other than a dictionary/,
  ],
  ['a call of a number', torchZip(pickle('K\x01)R')), /it calls 1/],
  [
    'a dictionary without tensors',
    torchZip(pickle('}')),
    /got "a dictionary" without any; in Python/,
  ],
  ['a lone tensor', torchZip(pickle(w)), /expected tensors by name, got "a tensor"/],
  [
    'a whole model',
    torchZip(pickle(called(global('models', 'Unet')), state, 'b')),
    /got "an object of models\.Unet"; in Python, torch\.save\(model\.state_dict/,
  ],
  [
    'a dictionary in itself',
    torchZip(pickle('}q\x00(', text('a'), 'h\x00u')),
    /nests deeper than 32/,
  ],
  ['lists that double and double', torchZip(pickle(doubling(12))), /more than 10000000 values/],
  [
    'a name twice',
    torchZip(pickle(dictionary({ a: dictionary({ b: w }), 'a.b': w }))),
    /two tensors are named \\"a\.b\\"/,
  ],
  [
    'a storage that is not there',
    view({ storage: '1', shape: [4], strides: [1] }),
    /an entry "a\/data\/1"/,
  ],
  [
    'a storage that climbs out of the zip',
    view({ storage: '../../b', shape: [4], strides: [1] }),
    /expected an entry/,
  ],
  [
    'a storage that says it is longer than its bytes',
    view({ length: bigger, shape: [bigger], strides: [1] }),
    /tensor "w": expected its data to end within the 16 bytes of its storage, got 4398046511104/,
  ],
  [
    'a shape beyond its storage',
    view({ shape: [5], strides: [1] }),
    /reaches to element 4 of a storage of 4/,
  ],
  [
    'an offset beyond its storage',
    view({ offset: 1, shape: [4], strides: [1] }),
    /to element 4 of/,
  ],
  ['strides beyond its storage', view({ shape: [2, 2], strides: [3, 1] }), /to element 4 of/],
  [
    'a shape that repeats one element without end',
    view({ shape: [bigger], strides: [0] }),
    /tensor "w": .*they repeat stored data/,
  ],
  [
    'a shape whose product overflows',
    view({ shape: [2n ** 32n, 2n ** 32n], strides: [0, 0] }),
    /a tensor of the shape/,
  ],
  [
    'a negative shape',
    view({ shape: [-1, -1], strides: [1, 1] }),
    /whose shape is a list|whose shape is a tuple/,
  ],
  ['a negative stride', view({ offset: 3, shape: [4], strides: [-1] }), /whose strides is/],
  ['a negative offset', view({ offset: -1, shape: [1], strides: [1] }), /with the offset -1/],
  [
    'strides of another length',
    view({ shape: [2, 2], strides: [1] }),
    /2 dimensions with 1 strides/,
  ],
  [
    'too many dimensions',
    view({ shape: Array(65).fill(1), strides: Array(65).fill(1) }),
    /whose shape is/,
  ],
  [
    'complex numbers',
    view({ type: 'ComplexFloatStorage', shape: [2], strides: [1] }),
    /tensor "w": expected a dtype of .*, got ComplexFloatStorage/,
  ],
];

for (const [title, bytes, message] of HOSTILE)
  test(`${title} is refused with the name of the file`, async (t) => {
    const path = join(await temporaryFolder(t), 'bad.pt');
    await writeFile(path, bytes);
    const error = await t.throwsAsync(readTensors(path), { instanceOf: UsageError });
    t.true(error.message.startsWith(`${path}: `), error.message);
    t.regex(error.message, message);
    t.true(error.message.split('\n').length <= 2, error.message);
  });

test('the total size of tensors that repeat a storage is limited', async (t) => {
  const each = tensor({ shape: [1 << 20], strides: [0] });
  const many = Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`t${i}`, each]));
  await t.throwsAsync(read(t, torchZip(pickle(dictionary(many)))), {
    instanceOf: UsageError,
    message: /they repeat stored data/,
  });
  const few = Object.fromEntries(Object.entries(many).slice(0, 4));
  t.is((await read(t, torchZip(pickle(dictionary(few))))).size, 4);
});

test('a terminal never sees control characters of a hostile pickle', async (t) => {
  const names = [global('\u001b[2J', 'x'), called(global('\u001b[2J', 'x'))];
  for (const value of names) {
    const error = await t.throwsAsync(read(t, torchZip(pickle(value))), { instanceOf: UsageError });
    t.false(error.message.includes('\u001b'));
  }
});

test('a list of pairs that fills ever more dictionaries is refused', async (t) => {
  const pairs = Buffer.concat([
    Buffer.from(']('),
    ...Array.from({ length: 1000 }, (_, i) => tuple(whole(i), whole(i))),
    Buffer.from('eq\x000', 'latin1'),
  ]);
  // GLOBAL, BINGET 0, TUPLE1, REDUCE, POP: thirty bytes for a thousand entries.
  const filled = Buffer.concat([
    global('collections', 'OrderedDict'),
    Buffer.from('h\x00\x85R0', 'latin1'),
  ]);
  const bytes = torchZip(pickle(pairs, ...Array<Buffer>(2000).fill(filled), state));
  await t.throwsAsync(read(t, bytes), {
    instanceOf: UsageError,
    message: /it has more than 1500000 lists, dictionaries and objects/,
  });
});

test('in the old format, a storage key that is not a name is refused, however deeply nested', async (t) => {
  const magic = Buffer.from('8a0a6cfc9c46f9206aa85019', 'hex');
  const deep = Buffer.from(`${']'.repeat(50_000)}${'a'.repeat(49_999)}`);
  const keys = Buffer.concat([Buffer.from(']'), deep, Buffer.from('a')]);
  const parts = [magic, Buffer.from('M\xe9\x03', 'latin1'), dictionary({}), state, keys];
  const old = tensorInOldFile();
  const file = Buffer.concat(parts.map((part) => pickle(part === state ? old : part)));
  await t.throwsAsync(read(t, file), {
    instanceOf: UsageError,
    message: /a list for the key of a storage/,
  });
});

test('in the old format, a tensor whose storage is not in the file is refused', async (t) => {
  const magic = Buffer.from('8a0a6cfc9c46f9206aa85019', 'hex');
  const version = Buffer.from('M\xe9\x03', 'latin1');
  const parts = [magic, version, dictionary({}), tensorInOldFile(), Buffer.from(']')];
  await t.throwsAsync(read(t, Buffer.concat(parts.map((part) => pickle(part)))), {
    instanceOf: UsageError,
    message: /it has no storage 0/,
  });
});

/** A dictionary whose tensor names its storage as PyTorch did before 1.6: with a view, which is None. */
const tensorInOldFile = (): Buffer =>
  dictionary({
    w: called(
      global('torch._utils', '_rebuild_tensor_v2'),
      Buffer.concat([
        tuple(
          ...[text('storage'), global('torch', 'FloatStorage'), text('0'), text('cpu')],
          ...[whole(4), Buffer.from('N')],
        ),
        Buffer.from('Q'),
      ]),
      ...[whole(0), tuple(whole(4)), tuple(whole(1)), Buffer.from('\x89', 'latin1')],
      called(global('collections', 'OrderedDict')),
    ),
  });

/** A tensor by `_rebuild_tensor_v3`, whose storage is bytes and whose type is its own. */
const typed = (type: Buffer, storage = global('torch.storage', 'UntypedStorage')): Buffer =>
  called(
    global('torch._utils', '_rebuild_tensor_v3'),
    Buffer.concat([
      tuple(text('storage'), storage, text('0'), text('cpu'), whole(16)),
      Buffer.from('Q'),
    ]),
    ...[whole(0), tuple(whole(4)), tuple(whole(1)), Buffer.from('\x89', 'latin1')],
    ...[called(global('collections', 'OrderedDict')), type],
  );

test('a tensor that states its own dtype is read from bytes', async (t) => {
  const bytes = torchZip(pickle(dictionary({ w: typed(global('torch', 'float32')) })));
  t.deepEqual([...(await read(t, bytes))], [['w', f32([4], 1, 2, 3, 4)]]);
});

test('sets and objects of unknown classes are skipped', async (t) => {
  const latin1 = (value: string) => Buffer.from(value, 'latin1');
  const others = {
    frozen: Buffer.concat([latin1('('), whole(1), latin1('\x91')]),
    set: Buffer.concat([latin1('\x8f('), whole(1), latin1('\x90')]),
    object: Buffer.concat([global('a', 'B'), tuple(whole(1)), dictionary({}), latin1('\x92')]),
  };
  const tensors = await read(t, torchZip(pickle(dictionary({ ...others, w }))));
  t.deepEqual([...tensors.keys()], ['w']);
});

for (const [what, value, message] of [
  [
    'a key without its value',
    Buffer.concat([Buffer.from('}('), text('a'), Buffer.from('u')]),
    /a key has no value/,
  ],
  [
    'items of a list',
    Buffer.concat([Buffer.from(']'), text('a'), whole(1), Buffer.from('s')]),
    /items of something other than a dictionary/,
  ],
  [
    'elements of a dictionary',
    Buffer.concat([Buffer.from('}'), whole(1), Buffer.from('a')]),
    /elements of something other than a list/,
  ],
  [
    'a call without a tuple',
    Buffer.concat([global('a', 'B'), whole(1), Buffer.from('R')]),
    /the arguments of a call are not a tuple/,
  ],
  ['an empty place of the memo', Buffer.from('h\x07'), /memo 7 is empty/],
  [
    'a class whose name is a number',
    Buffer.concat([whole(1), whole(2), Buffer.from('\x93', 'latin1')]),
    /the name of a class or function is not text/,
  ],
  [
    'a typed tensor of floats',
    typed(global('torch', 'float32'), global('torch', 'FloatStorage')),
    /a typed tensor has no untyped storage/,
  ],
  ['a tensor whose type is a text', typed(text('float32')), /a tensor of type a text/],
] as const)
  test(`${what} in a pickle is refused`, async (t) => {
    const bytes = torchZip(pickle(dictionary({ a: value, w })));
    await t.throwsAsync(read(t, bytes), { instanceOf: UsageError, message });
  });

test('another version of the torch.save format is refused with its number', async (t) => {
  const magic = Buffer.from('8a0a6cfc9c46f9206aa85019', 'hex');
  const file = Buffer.concat([pickle(magic), pickle(whole(1002))]);
  await t.throwsAsync(read(t, file), {
    instanceOf: UsageError,
    message: /version 1002 of torch\.save/,
  });
});
