import { readFile } from 'node:fs/promises';
import test from 'ava';
import { readReport } from '../../bench/read-report.js';
import type { Report } from '../../src/bench/result.js';
import { UsageError } from '../../src/errors.js';

const file = new URL('../../../docs/benchmarks.json', import.meta.url);
const whole = JSON.parse(await readFile(file, 'utf8')) as Report;
const [first] = whole.layers;

test('A whole report is read unchanged', (t) => {
  t.is(readReport(whole, 'file'), whole);
});

const BAD: readonly [string, unknown, RegExp][] = [
  ['no object', [], /got no object/],
  ['no machine', { ...whole, machine: undefined }, /got other machine/],
  ['no versions', { ...whole, versions: {} }, /got other versions/],
  ['a row without rounds', { ...whole, results: [{ ...whole.results[0], rounds: [] }] }, /results/],
  ['another subject', { ...whole, results: [{ ...whole.results[0], subject: 'x' }] }, /results/],
  ['no reason', { ...whole, missing: [{}] }, /got other missing/],
  ['no layers', { ...whole, layers: [] }, /got other layers/],
  ['no bandwidth', { ...whole, layers: [{ ...first, bandwidth: undefined }] }, /got other layers/],
  ['no times', { ...whole, layers: [{ ...first, forward: [null] }] }, /got other layers/],
  [
    'one subject',
    { ...whole, results: whole.results.filter((row) => row.subject === 'unet') },
    /got none of arithmetic/,
  ],
];

for (const [what, value, message] of BAD)
  test(`A report is refused in one line: ${what}`, (t) => {
    const error = t.throws(() => readReport(value, 'file'), { instanceOf: UsageError, message });
    t.regex(error.message, /^file: expected the output of haze bench all --layers --json[^\n]*$/);
  });
