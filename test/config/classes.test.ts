import test from 'ava';
import { Args } from '../../src/config/args.js';
import { withClassNames } from '../../src/config/classes.js';
import { readCondition } from '../../src/config/condition.js';
import type { RunConfig } from '../../src/config/config.js';
import { JsonObject } from '../../src/config/json.js';
import { parseRunConfig } from '../../src/config/read.js';
import { newRunConfig, resumedRunConfig } from '../../src/config/run-config.js';
import { UsageError } from '../../src/errors.js';
import { runConfig } from '../../src/library/run-config.js';
import type { Unet2dConfig } from '../../src/network/unet2d-config.js';

type Flags = Record<string, string | boolean>;

const fresh = (flags: Flags = {}): RunConfig =>
  newRunConfig('toy-cars', new Args({ network: 'unet2d', ...flags }));
const named = (flags: Flags = {}): RunConfig =>
  withClassNames(fresh({ classes: 'auto', ...flags }), 'bodies', ['bus', 'sedan', 'van']);
const classesOf = ({ model }: RunConfig) => (model as Unet2dConfig).numClasses;

const message = (make: () => unknown): string => {
  try {
    return `accepted ${JSON.stringify(make())}`;
  } catch (error) {
    return error instanceof UsageError ? error.message : `threw ${String(error)}`;
  }
};

test('with label dropout the network has one extra class, the last, for none', (t) => {
  const run = named();
  t.deepEqual(run.data.classes, { by: 'bodies', names: ['bus', 'sedan', 'van'] });
  t.is(run.training.labelDropout, 0.1);
  t.is(classesOf(run), 4);
  const without = named({ 'label-dropout': '0' });
  t.is(without.training.labelDropout, 0);
  t.is(classesOf(without), 3);
  t.is(classesOf(named({ 'num-classes': 'timestep' })), 'timestep');
});

test('a dit has classes like a unet2d, but none that are embedded like timesteps', (t) => {
  const run = named({ network: 'dit' });
  t.is(run.model.kind, 'dit');
  t.is(classesOf(run), 4);
  t.deepEqual(parseRunConfig('c', JSON.parse(JSON.stringify(run))), run);
  t.is(classesOf(named({ network: 'dit', 'label-dropout': '0' })), 3);
  t.is(classesOf(fresh({ network: 'dit' })), null);
  t.regex(
    message(() => named({ network: 'dit', 'num-classes': '3' })),
    /^--classes: expected a network of 4 classes, .*, got 3$/,
  );
  t.deepEqual(readCondition(new Args({ class: 'van,none' }), 'm', { ...run, run }), {
    ...{ labels: [2, 3], guidance: 1, none: 3 },
  });
});

test('without --classes a run has none', (t) => {
  const run = fresh();
  t.deepEqual([run.data.classes, run.training.labelDropout, classesOf(run)], [null, 0, null]);
});

test('settings that conflict with classes are refused in one line', (t) => {
  t.is(
    message(() => newRunConfig('toy-cars', new Args({ classes: 'auto' }))),
    '--classes: the network simple does not support classes; use --network unet2d or dit',
  );
  t.is(
    message(() => fresh({ 'label-dropout': '0.1' })),
    '--label-dropout: belongs to --classes, which is not given',
  );
  t.is(
    message(() => fresh({ 'num-classes': '10' })),
    "--num-classes: the network expects classes, got 10; --classes says where the images' classes come from",
  );
  t.is(
    message(() => named({ 'num-classes': '3' })),
    '--classes: expected a network of 4 classes, 3 of the images and one for no class (--label-dropout), got 3',
  );
  t.is(classesOf(named({ 'num-classes': '3', 'label-dropout': '0' })), 3);
  for (const value of ['1', '-0.1', 'x', '1e999'])
    t.regex(
      message(() => fresh({ classes: 'auto', 'label-dropout': value })),
      /^--label-dropout: expected a number from 0 and below 1, got/,
    );
  t.regex(
    message(() => fresh({ classes: 'folder' })),
    /^--classes: expected one of auto, folders, labels, bodies, got folder \(did you mean folders\?\)$/,
  );
});

test('classes are read back from config.json, and an older config.json without classes is accepted', (t) => {
  const run = named();
  const json = JSON.parse(JSON.stringify(run));
  t.deepEqual(parseRunConfig('c', json), run);
  const old = JSON.parse(JSON.stringify(fresh()));
  delete old.data.classes;
  delete old.training.labelDropout;
  delete old.model.numClasses;
  // As it was called before there were any.
  old.model.classes = null;
  t.deepEqual(parseRunConfig('c', old), fresh());
  json.model.numClasses = 3;
  t.regex(
    message(() => parseRunConfig('c', json)),
    /^c: --classes: expected a network of 4 classes/,
  );
  json.data.classes.names = 'bus';
  json.data.classes.by = 'colours';
  t.regex(
    message(() => parseRunConfig('c', json)),
    /^c\.data\.classes\.by: expected one of/,
  );
});

test('a resume keeps the classes and cannot change them', (t) => {
  const run = named();
  const resumed = (flags: Flags, of = run) =>
    resumedRunConfig('runs/1', of, undefined, new Args(flags));
  t.deepEqual(resumed({}), run);
  t.deepEqual(resumed({ classes: 'auto' }), run);
  t.deepEqual(resumed({ classes: 'bodies', 'label-dropout': '0.1' }), run);
  t.regex(
    message(() => resumed({ classes: 'folders' })),
    /^--classes: the run in runs\/1 has bodies, got folders; a resume may change only/,
  );
  t.regex(
    message(() => resumed({ 'label-dropout': '0.2' })),
    /^--label-dropout: the run in runs\/1 has 0\.1, got 0\.2/,
  );
  t.regex(
    message(() => resumed({ classes: 'bodies' }, fresh())),
    /^--classes: the run in runs\/1 has none, got bodies/,
  );
});

test('programs and the command line set classes alike', (t) => {
  const run = runConfig({
    data: 'toy-cars',
    network: 'unet2d',
    classes: 'bodies',
    labelDropout: 0.2,
  });
  t.deepEqual(run.data.classes, { by: 'bodies', names: [] });
  t.is(run.training.labelDropout, 0.2);
});

const condition = (flags: Flags, run: RunConfig | null = named(), model = run?.model) =>
  readCondition(new Args(flags), 'runs/1', { model: model!, run });

test('images take all classes in turn, or the named ones', (t) => {
  t.deepEqual(condition({}), { labels: [0, 1, 2], guidance: 1, none: 3 });
  t.deepEqual(condition({ class: 'van,bus', guidance: '2.5' }), {
    ...{ labels: [2, 0], guidance: 2.5, none: 3 },
  });
  t.deepEqual(condition({ class: '1' })?.labels, [1]);
  t.deepEqual(condition({ class: 'none' })?.labels, [3]);
  t.deepEqual(condition({ class: 'none,bus', guidance: '3' })?.labels, [3, 0]);
  t.is(condition({}, fresh()), null);
  const list = new JsonObject('sample', { class: ['van', 1], guidance: 0 }, 'all');
  t.deepEqual(readCondition(list, 'runs/1', named() && { model: named().model, run: named() }), {
    ...{ labels: [2, 1], guidance: 0, none: 3 },
  });
});

test('a number chooses a class unless a class has that name', (t) => {
  const run = withClassNames(fresh({ classes: 'auto' }), 'folders', ['2', '1', 'none']);
  t.deepEqual(condition({ class: '2,1,none' }, run)?.labels, [0, 1, 2]);
});

test('a class name with a comma is given in quotes, as in messages', (t) => {
  const run = withClassNames(fresh({ classes: 'auto' }), 'folders', ['a "b"', 'bus, coach', 'van']);
  t.deepEqual(condition({ class: 'van,"bus, coach",a "b"' }, run)?.labels, [2, 1, 0]);
  t.deepEqual(condition({ class: '"bus, coach"' }, run)?.labels, [1]);
  t.deepEqual(condition({ class: '"a ""b"""' }, run)?.labels, [0]);
  t.regex(
    message(() => condition({ class: 'bus, coach' }, run)),
    /^--class: runs\/1 has no class bus; it has a "b", "bus, coach", van$/,
  );
});

test('a number that is no name chooses nothing where names are numbers', (t) => {
  const of = (...names: string[]) => withClassNames(fresh({ classes: 'auto' }), 'folders', names);
  for (const number of ['0', '2', '01'])
    t.is(
      message(() => condition({ class: number }, of('1', '3', '7'))),
      `--class: runs/1 has no class ${number}; it has 1, 3, 7`,
    );
  t.deepEqual(condition({ class: '10,2' }, of('0', '1', '10', '11', '2'))?.labels, [2, 4]);
  t.regex(
    message(() => condition({ class: '3' }, of('0', '1', '10', '11', '2'))),
    /^--class: runs\/1 has no class 3; it has 0, 1, 10, 11, 2$/,
  );
  t.deepEqual(condition({ class: '1' }, of('4x4', 'v8'))?.labels, [1]);
});

test('a foreign model has classes by number, and no class for `none`', (t) => {
  const { model } = named();
  t.deepEqual(condition({}, null, model), { labels: [0, 1, 2, 3], guidance: 1, none: null });
  t.regex(
    message(() => condition({ guidance: '2' }, null, model)),
    /^--guidance: runs\/1 was trained without --label-dropout, so classes cannot guide it; expected 1, got 2$/,
  );
  const timestep = { ...model, numClasses: 'timestep' } as typeof model;
  t.deepEqual(condition({ class: '7' }, null, timestep)?.labels, [7]);
  t.regex(
    message(() => condition({}, null, timestep)),
    /^--class: runs\/1 does not say how many classes it has, so a class must be given$/,
  );
});

test('classes and guidance that a model does not support are refused in one line', (t) => {
  const without = named({ 'label-dropout': '0' });
  for (const [expected, flags, run] of [
    [
      /^--class: runs\/1 has no class buss \(did you mean bus\?\); it has bus, sedan, van$/,
      { class: 'buss' },
    ],
    [/^--class: runs\/1 has no class 3; it has bus, sedan, van$/, { class: '3' }],
    [/^--class: runs\/1 has no class -1; it has/, { class: '-1' }],
    [/^--class: expected a name before and after each comma, got bus,,van$/, { class: 'bus,,van' }],
    [/^--class: expected a name before and after each comma, got bus,$/, { class: 'bus,' }],
    [/^--class: expected a value, got nothing$/, { class: '' }],
    [/^--class: runs\/1 was trained without classes$/, { class: 'bus' }, fresh()],
    [
      /^--guidance: runs\/1 was trained without classes, so it needs --guide$/,
      { guidance: '2' },
      fresh(),
    ],
    [
      /^--guidance: runs\/1 was trained without --label-dropout.*got 2$/,
      { guidance: '2' },
      without,
    ],
    [/^--class: runs\/1 has no class none/, { class: 'none' }, without],
    [/^--guidance: expected a number from 0 to 1000, got x$/, { guidance: 'x' }],
    [/^--guidance: expected a number from 0 to 1000, got -1$/, { guidance: '-1' }],
    [
      /^--guidance: images without a class have nothing to follow; expected 1 or another class, got 3$/,
      { class: 'none', guidance: '3' },
    ],
  ] as const)
    t.regex(
      message(() => condition(flags, run)),
      expected,
    );
  t.deepEqual(condition({ guidance: '1' }, without), {
    labels: [0, 1, 2],
    guidance: 1,
    none: null,
  });
});
