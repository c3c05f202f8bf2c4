import test from 'ava';
import { Args } from '../../src/config/args.js';
import { kebab } from '../../src/config/flag.js';
import { JsonObject } from '../../src/config/json.js';
import { UsageError } from '../../src/errors.js';

const error = (read: () => unknown): string => {
  try {
    return `accepted ${JSON.stringify(read())}`;
  } catch (thrown) {
    return thrown instanceof UsageError ? thrown.message : `threw ${String(thrown)}`;
  }
};

const whole = (text: string, range = {}) => new Args({ n: text }).whole('n', range);
const real = (text: string, range = {}) => new Args({ n: text }).real('n', range);

test('whole numbers are read in decimal', (t) => {
  t.is(whole('20'), 20);
  t.is(whole('1e3'), 1000);
  t.is(whole('+7'), 7);
  t.is(whole('0'), 0);
  t.is(new Args({}).whole('n', {}), undefined);
});

test('anything but a whole number in the range is refused, with the expected and the given value', (t) => {
  for (const text of ['abc', '1.5', '1e999', 'NaN', 'Infinity', '0x10', '1_000', '١', '--'])
    t.is(
      error(() => whole(text, { min: 1 })),
      `--n: expected a whole number of 1 or more, got ${text}`,
    );
  for (const text of [' 3', '3 '])
    t.is(
      error(() => whole(text, { min: 1 })),
      `--n: expected a whole number of 1 or more, got '${text}'`,
    );
  t.is(
    error(() => whole('-3', { min: 0 })),
    '--n: expected a whole number of 0 or more, got -3',
  );
  t.is(
    error(() => whole('9', { min: 1, max: 8 })),
    '--n: expected a whole number from 1 to 8, got 9',
  );
  t.is(
    error(() => whole('5', { min: 4, even: true })),
    '--n: expected an even whole number of 4 or more, got 5',
  );
  t.is(
    error(() => whole('')),
    '--n: expected a value, got nothing',
  );
  t.is(
    error(() => whole('9007199254740993')),
    '--n: expected a whole number, got 9007199254740993',
  );
});

test('numbers respect open and closed bounds', (t) => {
  t.is(real('1e-3', { above: 0, max: 1 }), 0.001);
  t.is(real('.5'), 0.5);
  t.is(
    error(() => real('0', { above: 0, max: 1 })),
    '--n: expected a number above 0 and at most 1, got 0',
  );
  t.is(
    error(() => real('1', { above: 0, below: 1 })),
    '--n: expected a number above 0 and below 1, got 1',
  );
  t.is(
    error(() => real('1e999', { min: 0 })),
    '--n: expected a number of 0 or more, got 1e999',
  );
});

test('numbers are within their range as 32-bit floats, too', (t) => {
  const open = { above: 0 };
  for (const [text, range, expected] of [
    ['1e-50', open, 'a number above 0, got 1e-50, which is too small for a 32-bit float'],
    ['1e-40', open, 'a number above 0, got 1e-40, which is too small for a 32-bit float'],
    ['1e39', open, 'a number above 0, got 1e39, which is infinite as a 32-bit float'],
    ['1e39', { min: 0 }, 'a number of 0 or more, got 1e39, which is infinite as a 32-bit float'],
    [
      '0.999999999',
      { min: 0, below: 1 },
      'a number from 0 and below 1, got 0.999999999, which is 1 as a 32-bit float',
    ],
    ['1e999', open, 'a number above 0, got 1e999'],
    ['-1', open, 'a number above 0, got -1'],
  ] as const)
    t.is(
      error(() => real(text, range)),
      `--n: expected ${expected}`,
    );
  t.is(real('1e-50', { min: 0 }), 1e-50);
  t.is(real('2e-38', open), 2e-38);
  t.is(real('3.4e38', open), 3.4e38);
  t.is(whole('1e15', { max: 1e16 }), 1e15);
  const list = (text: string) => new Args({ n: text }).reals('n', { min: 0, below: 1 }, 2);
  t.is(
    error(() => list('0.9,0.999999999')),
    '--n: expected 2 numbers from 0 and below 1 between commas, got 0.9,0.999999999, which is 1 as a 32-bit float',
  );
  const object = new JsonObject('f', { lr: 1e39, betas: [0.5, 0.999999999], clip: 1e-50 });
  t.is(
    error(() => object.real('lr', open)),
    'f.lr: expected a number above 0, got 1e+39, which is infinite as a 32-bit float',
  );
  t.regex(
    error(() => object.reals('betas', { min: 0, below: 1 }, 2)),
    /got \[0\.5,0\.999999999\], which is 1 as a 32-bit float$/,
  );
  t.is(
    error(() => object.realOr('clip', open, ['none'])),
    'f.clip: expected a number above 0 or none, got 1e-50, which is too small for a 32-bit float',
  );
});

test('lists are comma-separated numbers, each checked against the range', (t) => {
  const widths = (text: string) => new Args({ widths: text }).wholes('widths', { min: 1 });
  t.deepEqual(widths('16,32,64'), [16, 32, 64]);
  for (const text of ['16,', '16,,32', '16;32', '16,0', '16, 32'])
    t.is(
      error(() => widths(text)),
      `--widths: expected a whole number of 1 or more between commas, got ${text}`,
    );
});

test('names are looked up by their flag, in kebab case or renamed', (t) => {
  t.is(kebab('sampleEvery'), 'sample-every');
  const args = new Args({ 'beta-start': '0.1', bn: 'batch' });
  t.is(args.real('betaStart', {}), 0.1);
  t.is(args.renamed({ norm: 'bn' }).oneOf('norm', ['running', 'batch']), 'batch');
  t.is(args.renamed({ norm: 'bn' }).where('norm'), '--bn');
});

test('for an unknown value the message lists the choices, and suggests a similar one', (t) => {
  const norm = (text: string) =>
    error(() => new Args({ norm: text }).oneOf('norm', ['separate', 'shared']));
  t.is(
    norm('seperate'),
    '--norm: expected one of separate, shared, got seperate (did you mean separate?)',
  );
  t.is(
    norm('SHARED'),
    '--norm: expected one of separate, shared, got SHARED (did you mean shared?)',
  );
  t.is(norm('layer'), '--norm: expected one of separate, shared, got layer');
});

test('a message shows the given value on one line, shortened to a readable length', (t) => {
  t.is(
    error(() => whole(`1\n2\u001b[31m`)),
    '--n: expected a whole number, got 1\\n2\\x1b[31m',
  );
  t.true(error(() => whole('x'.repeat(5000))).length < 120);
});

test('for a missing positional argument, the message says what was expected', (t) => {
  t.is(new Args({ data: 'photos' }).positional('data', 'images'), 'photos');
  t.is(
    error(() => new Args({}).positional('data', 'images')),
    '<data>: expected images, got nothing',
  );
});
