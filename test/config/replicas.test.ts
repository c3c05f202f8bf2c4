import test from 'ava';
import { Args } from '../../src/config/args.js';
import { parseRunConfig } from '../../src/config/read.js';
import { newRunConfig, resumedRunConfig } from '../../src/config/run-config.js';
import { UsageError } from '../../src/errors.js';
import { runConfig } from '../../src/index.js';
import { copiesOf } from '../../src/train/memory.js';

type Flags = Readonly<Record<string, string | boolean>>;

const fresh = (flags: Flags) => newRunConfig('toy-cars', new Args(flags));

test("by default, rounds have the paper's outer optimizer", (t) => {
  const of = (flags: Flags) => {
    const { replicas, syncEvery, outerLr, outerMomentum } = fresh(flags).training;
    return [replicas, syncEvery, outerLr, outerMomentum];
  };
  t.deepEqual(of({}), [1, null, null, null]);
  t.deepEqual(of({ replicas: '4', 'sync-every': '25' }), [4, 25, 0.7, 0.9]);
  t.deepEqual(of({ 'sync-every': '25', 'outer-lr': '1', 'outer-momentum': '0' }), [1, 25, 1, 0]);
  const { replicas, syncEvery, outerMomentum } = runConfig({
    ...{ data: 'toy-cars', preset: 'tiny', replicas: 2, syncEvery: 1, outerMomentum: 0.5 },
  }).training;
  t.deepEqual([replicas, syncEvery, outerMomentum], [2, 1, 0.5]);
});

test('impossible rounds are refused in one line that names the flag', (t) => {
  const faults: [flags: Flags, message: RegExp][] = [
    [{ replicas: '4' }, /^--replicas: expected --sync-every with it, .* for 4 replicas$/],
    [
      { replicas: '0', 'sync-every': '5' },
      /^--replicas: expected a whole number from 1 to 1024, got 0$/,
    ],
    [{ replicas: '2.5', 'sync-every': '5' }, /^--replicas: expected a whole number/],
    [{ replicas: '2', 'sync-every': '0' }, /^--sync-every: expected a whole number from 1/],
    [{ 'outer-lr': '1' }, /^--outer-lr: belongs to --sync-every; the run has no rounds$/],
    [
      { 'outer-momentum': '0' },
      /^--outer-momentum: belongs to --sync-every; the run has no rounds$/,
    ],
    [
      { 'sync-every': '5', 'outer-lr': '0' },
      /^--outer-lr: expected a number above 0 and at most 10/,
    ],
    [
      { 'sync-every': '5', 'outer-momentum': '1' },
      /^--outer-momentum: expected .* below 1, got 1$/,
    ],
  ];
  for (const [flags, message] of faults)
    t.throws(() => fresh(flags), { instanceOf: UsageError, message });
  t.throws(() => runConfig({ data: 'toy-cars', replicas: 2 }), {
    message: /^runConfig\.replicas: expected \S*syncEvery with it/,
  });
});

test('a resume keeps its rounds, and config.json is read back unchanged', (t) => {
  const run = fresh({ replicas: '4', 'sync-every': '25', 'outer-momentum': '0.5' });
  t.deepEqual(parseRunConfig('config.json', JSON.parse(JSON.stringify(run))), run);
  const resumed = (flags: Flags) => resumedRunConfig('runs/1', run, undefined, new Args(flags));
  t.deepEqual(resumed({ replicas: '4', 'sync-every': '25' }), run);
  const changes: [flags: Flags, message: RegExp][] = [
    [{ replicas: '2' }, /^--replicas: the run in runs\/1 has 4, got 2; /],
    [{ 'sync-every': '5' }, /^--sync-every: the run in runs\/1 has 25, got 5; /],
    [{ 'outer-lr': '1' }, /^--outer-lr: the run in runs\/1 has 0\.7, got 1; /],
    [{ 'outer-momentum': '0' }, /^--outer-momentum: the run in runs\/1 has 0\.5, got 0; /],
  ];
  for (const [flags, message] of changes)
    t.throws(() => resumed(flags), { instanceOf: UsageError, message });
  const hostile = (change: object) =>
    parseRunConfig('config.json', { ...run, training: { ...run.training, ...change } });
  t.throws(() => hostile({ syncEvery: null }), { message: /^config\.json: --replicas: expected/ });
  t.throws(() => hostile({ replicas: 1e9 }), { message: /replicas: expected a whole number/ });
  t.throws(() => hostile({ outerLr: -1 }), { message: /outerLr: expected a number above 0/ });
});

test('older runs have no rounds', (t) => {
  const { replicas, syncEvery, outerLr, outerMomentum, ...training } = fresh({}).training;
  const run = parseRunConfig('config.json', { ...fresh({}), training });
  t.deepEqual(run, fresh({}));
  t.deepEqual([replicas, syncEvery, outerLr, outerMomentum], [1, null, null, null]);
});

test('memory counts the copies that replicas keep', (t) => {
  const of = (flags: Flags) => copiesOf(fresh(flags).training);
  t.is(of({}), 0);
  // Weights and two moments of each; what all have in common; the outer momentum.
  t.is(of({ replicas: '4', 'sync-every': '5' }), 4 * 3 + 1 + 1);
  t.is(of({ replicas: '4', 'sync-every': '5', 'outer-momentum': '0' }), 4 * 3 + 1);
  t.is(of({ replicas: '2', 'sync-every': '5', ema: '0.9,0.99' }), 2 * 5 + 3 + 1);
});
