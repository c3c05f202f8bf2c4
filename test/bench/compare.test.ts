import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { compareReports, readResults } from '../../src/bench/compare.js';
import { toResult } from '../../src/bench/result.js';
import { UsageError } from '../../src/errors.js';
import { ours, report, results, work } from '../helpers/bench.js';
import { temporaryFolder } from '../helpers/folder.js';

test('A written report is read back without changes', async (t) => {
  const file = join(await temporaryFolder(t), 'old.json');
  await writeFile(file, JSON.stringify(report));
  const changes = compareReports(report, await readResults(file));
  t.is(changes.length, results.length);
  for (const { old, change } of changes) {
    t.truthy(old);
    t.is(change, 0);
  }
});

test('A row is compared with the same path of the same work, with the noise of both', (t) => {
  const old = [toResult(work, ours, [20, 20, 20]), toResult({ ...work, batch: 8 }, ours, [1])];
  const now = { ...report, results: [toResult(work, ours, [9, 10, 11])] };
  const [change, ...none] = compareReports(now, old);
  t.is(change?.change, -0.5);
  t.is(change?.noise, 0.05);
  t.is(change?.old, old[0]);
  t.deepEqual(none, []);
});

test('A new row has no change', (t) => {
  const [first] = compareReports(report, []);
  t.is(first?.old, null);
  t.is(first?.change, 0);
});

test('A file that is not a report is refused, with its name and what was expected', async (t) => {
  const folder = await temporaryFolder(t);
  const row = (changes: object) => JSON.stringify({ results: [{ ...results[0], ...changes }] });
  const bad: [RegExp, string][] = [
    [/expected the output of haze bench --json, got /, '{'],
    [/expected the output of haze bench --json: no results/, '[]'],
    [/: no results/, '{"results": 3}'],
    [/results\[0\] is not a row/, '{"results": [3]}'],
    [/results\[0\] is not a row/, row({ ms: -1 })],
    [/results\[0\] is not a row/, row({ ms: '3' })],
    [/results\[0\] is not a row/, row({ spread: [1] })],
    [/results\[0\] is not a row/, row({ by: null })],
  ];
  const file = join(folder, 'old.json');
  for (const [message, text] of bad) {
    await writeFile(file, text);
    const error = await t.throwsAsync(readResults(file), { instanceOf: UsageError });
    t.regex(error!.message, message);
    t.true(error!.message.startsWith(`--compare: ${file}: `), error!.message);
  }
  await t.throwsAsync(readResults(join(folder, 'none.json')), {
    instanceOf: UsageError,
    message: /^--compare: cannot read .*none\.json \(ENOENT\)$/,
  });
});
