import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { Args } from '../../src/config/args.js';
import { parseRunConfig, readRunConfig } from '../../src/config/read.js';
import { newRunConfig, resumedRunConfig } from '../../src/config/run-config.js';
import { UsageError } from '../../src/errors.js';
import { createRun, type Json, runPaths } from '../../src/io/run.js';
import { temporaryFolder } from '../helpers/folder.js';
import { freshRun, SMALL } from '../helpers/fresh-run.js';

type Flags = Record<string, string | boolean>;

const V = { ...SMALL, objective: 'v' };

const teacherOf = (t: ExecutionContext, flags: Flags = {}, extras = {}) =>
  freshRun(t, { ...V, ...flags }, extras);

const studentOf = (teacher: string, flags: Flags = {}) =>
  newRunConfig('toy-cars', new Args({ teacher, ...flags }));

test('a student takes the network, the forward process and the batch, and trains by defaults of its own', async (t) => {
  const teacher = await teacherOf(t, { batch: '24' });
  const config = studentOf(teacher);
  const own = await readRunConfig(runPaths(teacher).config);
  t.deepEqual(config.model, own.model);
  t.deepEqual(config.diffusion, { ...own.diffusion, loss: 'l2' });
  t.deepEqual(config.teacher, { source: teacher, steps: 32, guidance: 1, guidedBy: null });
  t.deepEqual(config.sampling, { sampler: 'ddim', steps: 4 });
  const { batch, optimizer, ema, steps, init, timeSampling } = config.training;
  t.deepEqual(
    { batch, optimizer, ema, init, timeSampling },
    {
      ...{ batch: 24, optimizer: 'muon', ema: [0.99], init: null, timeSampling: 'uniform' },
    },
  );
  t.true(steps! > 0);
});

test('the distance may be another', async (t) => {
  const config = studentOf(await teacherOf(t), { loss: 'huber' });
  t.is(config.diffusion.loss, 'huber');
});

test('steps follow from those of the student, as many as fit', async (t) => {
  const teacher = await teacherOf(t);
  t.is(studentOf(teacher, { 'student-steps': '2' }).teacher!.steps, 16);
  // 77 timesteps.
  t.is(studentOf(teacher, { 'student-steps': '20' }).teacher!.steps, 60);
  t.is(studentOf(teacher, { 'student-steps': '8', 'teacher-steps': '24' }).teacher!.steps, 24);
});

test('the teacher clamps as it does itself, and the student does not', async (t) => {
  const teacher = await teacherOf(t, {}, { sampling: { sampler: 'ddim', steps: 9, clamp: 1.5 } });
  const config = studentOf(teacher);
  t.is(config.teacher!.clamp, 1.5);
  t.deepEqual(config.sampling, { sampler: 'ddim', steps: 4 });
  t.deepEqual(parseRunConfig('config', JSON.parse(JSON.stringify(config))), config);
});

test('a kept guide guides, unless it is told not to', async (t) => {
  const teacher = await teacherOf(t, {}, { guide: true });
  const of = (flags: Flags) => {
    const { guidance, guidedBy } = studentOf(teacher, flags).teacher!;
    return [guidance, guidedBy];
  };
  t.deepEqual(of({}), [1.5, 'weights']);
  t.deepEqual(of({ 'teacher-guidance': '2' }), [2, 'weights']);
  t.deepEqual(of({ 'teacher-guidance': '1' }), [1, null]);
});

test('weights of a student do not bring its steps to a run on images', async (t) => {
  const out = join(await temporaryFolder(t), 'run');
  await createRun(out, studentOf(await teacherOf(t)) as unknown as Json);
  const config = newRunConfig('toy-cars', new Args({ init: out }));
  t.is(config.sampling, undefined);
  t.is(config.teacher, undefined);
  t.is(config.diffusion.objective, 'v');
});

test('config.json keeps the teacher', async (t) => {
  const teacher = await teacherOf(t, {}, { guide: true });
  for (const guidance of ['1', '2']) {
    const config = studentOf(teacher, { 'teacher-guidance': guidance });
    const out = join(await temporaryFolder(t), 'run');
    await createRun(out, config as unknown as Json);
    t.deepEqual(await readRunConfig(runPaths(out).config), config);
  }
});

const REFUSED: readonly [what: string, flags: Flags, message: RegExp][] = [
  ['steps without a teacher', { teacher: '' }, /^--teacher: /],
  [
    'initial weights beside it',
    { init: 'x' },
    /^--init: --teacher already gives the first weights; give only one of the two$/,
  ],
  [
    'no multiple',
    { 'teacher-steps': '10' },
    /^--teacher-steps: expected a multiple of --student-steps 4, from 8 to 77, got 10$/,
  ],
  [
    'as few steps as the student',
    { 'teacher-steps': '4' },
    /^--teacher-steps: expected a multiple of --student-steps 4, from 8 to 77, got 4$/,
  ],
  [
    'more steps than timesteps',
    { 'teacher-steps': '80' },
    /^--teacher-steps: expected a whole number from 1 to 77, got 80$/,
  ],
  [
    'guidance by nothing',
    { 'teacher-guidance': '2' },
    /^--teacher-guidance: .* has neither kept a guide nor been trained with --label-dropout; expected 1, got 2$/,
  ],
  [
    'a preset',
    { preset: 'pictures-32' },
    /^--preset: --teacher gives the network, and presets are for training on images; give only one/,
  ],
  ['another objective', { objective: 'x0' }, /^--objective: .* has v, got x0$/],
  ['another schedule', { schedule: 'linear' }, /^--schedule: .* has cosine, got linear$/],
  ['other timesteps of it', { timesteps: '50' }, /^--timesteps: .* has 77, got 50$/],
  ['growth', { grow: '8:0.5' }, /^--grow: belongs to training on images; with --teacher/],
  ['rounds', { 'sync-every': '5' }, /^--sync-every: belongs to training on images/],
  ['weights of the loss', { weighting: 'min-snr' }, /^--weighting: belongs to training on images/],
  [
    'other timesteps',
    { 'time-sampling': 'logit-normal' },
    /^--time-sampling: belongs to training on images/,
  ],
  ['a guide of its own', { 'keep-guide': '0.5' }, /^--keep-guide: belongs to training on images/],
  ['another network', { widths: '8,16' }, /^--widths: /],
];

for (const [what, flags, message] of REFUSED)
  test(`a student is refused ${what}`, async (t) => {
    const teacher = await teacherOf(t);
    t.throws(() => studentOf(teacher, flags), { instanceOf: UsageError, message });
  });

for (const flag of ['student-steps', 'teacher-steps', 'teacher-guidance'])
  test(`--${flag} needs a teacher`, (t) => {
    t.throws(() => newRunConfig('toy-cars', new Args({ [flag]: '2' })), {
      instanceOf: UsageError,
      message: `--${flag}: belongs to --teacher, which is not given`,
    });
  });

test('a teacher that predicts noise is refused, and weights that do not tell', async (t) => {
  const noise = await freshRun(t, SMALL);
  t.throws(() => studentOf(noise), {
    instanceOf: UsageError,
    message: /^--teacher: expected a model with --objective v, x0 or flow, got epsilon: /,
  });
  const folder = await temporaryFolder(t);
  const file = join(folder, 'weights.safetensors');
  writeFileSync(file, '');
  t.throws(() => studentOf(file), {
    instanceOf: UsageError,
    message: `--teacher: expected a run, a checkpoint of one or a diffusers folder with a scheduler, got ${file}`,
  });
});

test('a resume keeps its teacher, by any name of the same settings, and takes no other', async (t) => {
  const teacher = await teacherOf(t);
  const run = studentOf(teacher);
  const resumed = (flags: Flags) => resumedRunConfig('run', run, undefined, new Args(flags));
  t.deepEqual(resumed({}).teacher, run.teacher);
  t.deepEqual(resumed({ teacher, 'teacher-steps': '32', 'student-steps': '4' }), run);
  for (const [flags, message] of [
    [{ teacher: 'other' }, /^--teacher: the run in run has \S+, got \S*other; a resume may/],
    [{ 'teacher-steps': '16' }, /^--teacher-steps: the run in run has 32, got 16; a resume may/],
    [{ 'student-steps': '2' }, /^--student-steps: the run in run has 4, got 2; a resume may/],
    [{ 'teacher-guidance': '2' }, /^--teacher-guidance: the run in run has 1, got 2; a resume may/],
  ] as const)
    t.throws(() => resumed(flags), { instanceOf: UsageError, message });
  const plain = newRunConfig('toy-cars', new Args(V));
  t.throws(() => resumedRunConfig('run', plain, undefined, new Args({ teacher })), {
    instanceOf: UsageError,
    message: /^--teacher: the run in run has none, got \S+; a resume may/,
  });
});

const DAMAGED: readonly [what: string, change: object, message: RegExp][] = [
  ['steps', { steps: 7 }, /config: --teacher-steps: expected a multiple of --student-steps 4/],
  ['no steps', { steps: undefined }, /config\.teacher\.steps: expected/],
  [
    'guide',
    { guidedBy: 'taste' },
    /config\.teacher\.guidedBy: expected one of weights, classes, got taste$/,
  ],
  ['more steps than timesteps', { steps: 80 }, /config: --teacher-steps: expected .*, got 80$/],
  [
    'classes that are not there',
    { guidance: 3, guidedBy: 'classes' },
    /config: --teacher-guidance: expected --classes for a teacher that its classes guide, got none$/,
  ],
  ['unknown field', { more: 1 }, /config\.teacher\."?more"?: unknown field/],
];

for (const [what, change, message] of DAMAGED)
  test(`a damaged config.json is refused: ${what}`, async (t) => {
    const config = studentOf(await teacherOf(t));
    const damaged = JSON.parse(
      JSON.stringify({ ...config, teacher: { ...config.teacher, ...change } }),
    );
    t.throws(() => parseRunConfig('config', damaged), { instanceOf: UsageError, message });
  });

for (const [what, change] of [
  ['sampler', { sampler: 'euler' }],
  ['spacing', { spacing: 'leading' }],
  ['noise', { eta: 1 }],
  ['number of steps', { steps: undefined }],
] as const)
  test(`a config.json with another ${what} than was taught is refused`, async (t) => {
    const config = studentOf(await teacherOf(t));
    const changed = { ...config, sampling: { ...config.sampling, ...change } };
    t.throws(() => parseRunConfig('config', JSON.parse(JSON.stringify(changed))), {
      instanceOf: UsageError,
      message:
        /^config: --teacher: expected a run that samples by ddim in a number of even steps, without noise, got another sampler$/,
    });
  });

test('a teacher that is not there is refused', async (t) => {
  const none = join(await temporaryFolder(t), 'none');
  t.throws(() => studentOf(none), {
    instanceOf: UsageError,
    message: `--teacher: expected a model, got none: no such file or folder: ${none}`,
  });
});
