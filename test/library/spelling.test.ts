import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { COMMANDS } from '../../src/commands/list.js';
import { EVALUATION_NAMES } from '../../src/config/evaluation.js';
import { FIELD_FLAGS } from '../../src/config/network-fields.js';
import { camel } from '../../src/config/respell.js';
import { SAMPLING_NAMES } from '../../src/config/sampling.js';
import {
  CheckError,
  drawWith,
  evaluate,
  generate,
  load,
  makeSchedule,
  type RunOptions,
  resumeConfig,
  runConfig,
  sample,
  train,
  trainAutoencoder,
  trainSteps,
  UsageError,
} from '../../src/index.js';
import { asProgram, respell, settingOf, telling } from '../../src/library/spelling.js';
import { folderWithModel } from '../helpers/generate.js';
import { prepared } from '../helpers/run.js';

test('a message names the setting at fault with its function, and other settings by name', (t) => {
  const texts = {
    '--sample-steps: expected 3, got 4': 'f.steps: expected 3, got 4',
    '--clamp-range: belongs to --clamp, which is off':
      'f.clampRange: belongs to clamp, which is off',
    '--epochs and --steps: give only one': 'f.epochs and steps: give only one',
    'a/config.json: --beta-end: 3': 'a/config.json: betaEnd: 3',
    '--require cuda: --device wasm does not': 'f.requireCuda: device wasm does not',
    '<data>: the run in x has y (of --preset tiny)': 'f.data: the run in x has y (of preset tiny)',
    'npm install --ignore-scripts x; haze setup tensorflow --cuda':
      'npm install --ignore-scripts x; haze setup tensorflow --cuda',
    'saved x\nTo continue: haze train --out x --resume':
      'saved x\nTo continue: train with resume: true',
    '--no-flip': 'f.flip: false',
    'runs/--steps/a--steps': 'runs/--steps/a--steps',
  };
  for (const [text, expected] of Object.entries(texts)) t.is(respell(text, 'f'), expected);
});

test('network settings may also have the names of their flags, but not both', async (t) => {
  const run = { data: 'x', network: 'unet2d', size: 16, widths: [8, 16] } as const;
  t.deepEqual(
    runConfig({ ...run, layersPerBlock: 1, normEps: 1e-6 }),
    runConfig({ ...run, layers: 1, eps: 1e-6 }),
  );
  const both = { ...run, layersPerBlock: 1, layers: 1 };
  t.throws(() => runConfig(both), {
    instanceOf: UsageError,
    message: 'runConfig.layersPerBlock: another name for layers; expected only one of them',
  });
  t.throws(() => runConfig({ ...run, layersPerBlock: 0 }), {
    message: /^runConfig\.layers: expected a whole number from 1/,
  });
  const model = join(await folderWithModel(t), 'model.safetensors');
  await t.throwsAsync(load(model, { normEps: 1, eps: 1 }), { message: /^load\.normEps: another/ });
});

test('the guide to the library lists the settings that are not flags in camelCase', (t) => {
  const path = new URL('../../../docs/guides/library.md', import.meta.url);
  const guide = readFileSync(path, 'utf8');
  for (const [name, flag] of Object.entries({ ...SAMPLING_NAMES, ...EVALUATION_NAMES }))
    t.true(guide.includes(`| \`${name}\` | \`--${flag}\` |`), flag);
  for (const [name, flag] of Object.entries(FIELD_FLAGS))
    if (flag !== 'attention')
      t.true(guide.includes(`| \`${name}\` or \`${camel(flag)}\` | \`--${flag}\` |`), flag);
});

test('a missing model is a one-line error', async (t) => {
  const nothing = undefined as unknown as string;
  const model = 'a run, a checkpoint folder, a diffusers folder or a file of weights';
  const calls: [where: string, call: () => Promise<unknown>, expected: string][] = [
    ['load', () => load(nothing), model],
    ['sample', () => sample(nothing), model],
    ['generate', () => generate(nothing, { out: 'x' }), model],
    ['evaluate', () => evaluate(nothing), `images, statistics of features, or ${model}`],
  ];
  for (const [where, call, expected] of calls)
    await t.throwsAsync(call, {
      instanceOf: UsageError,
      message: `${where}: expected ${expected}, got nothing`,
    });
  await t.throwsAsync(load(7 as unknown as string), { message: /^load: expected .*, got 7$/ });
});

test('errors keep their class and cause, their stacks match, and foreign errors are unchanged', async (t) => {
  const cause = new Error('why');
  const own = new CheckError('--size: no', { cause });
  const error = await t.throwsAsync(asProgram('f', () => Promise.reject(own)));
  t.is(error, own);
  t.is(error.message, 'f.size: no');
  t.regex(error.stack!, /f\.size: no/);
  t.notRegex(error.stack!, /--size/);
  const other = new Error('--size: theirs');
  t.is(await t.throwsAsync(asProgram('f', () => Promise.reject(other))), other);
  t.is(other.message, '--size: theirs');
  const texts: string[] = [];
  const { onEvent } = telling('f', ({ text }: { kind: string; text: string }) => texts.push(text));
  onEvent!({ kind: 'note', text: 'less with --batch 3' });
  t.deepEqual(texts, ['less with batch 3']);
});

/** What only a command has, or a program gives otherwise. */
const COMMANDS_ALONE = ['out', 'resume', 'film', 'gif', 'json', 'require', 'data-budget'];

/** Flags of a command that its function has as settings. */
const flagsOf = (command: string): string[] => {
  const { groups } = COMMANDS.find(({ name }) => name === command)!;
  const names = Object.values(groups).flatMap((group) => Object.keys(group));
  return [...new Set(names)].filter((name) => !COMMANDS_ALONE.includes(name));
};

type Call = (settings: object) => unknown;

test('every option of every function is refused by its name in programs', async (t) => {
  const model = join(await folderWithModel(t), 'model.safetensors');
  const functions: [command: string, where: string, call: Call][] = [
    ['train', 'runConfig', (settings) => runConfig({ data: 'x', ...settings } as RunOptions)],
    ['sample', 'sample', (settings) => sample(model, settings)],
    ['generate', 'generate', (settings) => generate(model, { out: 'x', ...settings })],
    ['evaluate', 'evaluate', (settings) => evaluate(model, settings)],
    [
      'autoencoder',
      'trainAutoencoder',
      (settings) => trainAutoencoder({ data: 'toy-cars', out: 'x', ...settings }),
    ],
  ];
  let walked = 0;
  for (const [command, where, call] of functions)
    for (const flag of flagsOf(command)) {
      const name = settingOf(flag);
      // What no setting takes; a network's fields are read where the network is one.
      const wrong = { [name]: Symbol('wrong') };
      const first: unknown = await refusalOf(() => call(wrong));
      const [, network] = / belongs to network (\w+)/.exec(String(first)) ?? [];
      const message =
        network === undefined
          ? first
          : await refusalOf(() => call({ network, networkConfig: undefined, ...wrong }));
      t.regex(
        String(message),
        new RegExp(`^${where}\\.(${name}|network|heldOut|shard|workers)\\b`),
        flag,
      );
      t.notRegex(String(message), /--/, flag);
      walked++;
    }
  t.true(walked > 150, `${walked} options`);
});

async function refusalOf(call: () => unknown): Promise<string> {
  try {
    await call();
    return 'no error';
  } catch (error) {
    return error instanceof UsageError ? error.message : `no UsageError: ${String(error)}`;
  }
}

test('every function names conflicting settings by their names in programs', async (t) => {
  const folder = await folderWithModel(t);
  const model = join(folder, 'model.safetensors');
  const { options } = await prepared(t, { steps: 1 });
  await train(options);
  const open = await load(model, { size: 16, threads: 1 });
  t.teardown(() => open.dispose());
  const { out } = options;
  const draw = { stepsOffset: 3, sampler: 'euler' } as const;
  const spacing = /stepsOffset: belongs to spacing leading; the spacing is linspace$/;
  const data = 'x';
  const calls: [call: () => unknown, message: RegExp][] = [
    [() => runConfig({ data, widths: [8] }), /^runConfig\.widths: expected two or more/],
    [() => runConfig({ data, epochs: 1, steps: 1 }), /^runConfig\.epochs and steps: both give/],
    [() => runConfig({ data, schedule: 'cosine', betaEnd: 0.1 }), /^runConfig\.betaEnd: belongs/],
    [() => runConfig({ data, eager: true }), /^runConfig\.eager: belongs to device tensorflow/],
    [() => runConfig({ data, muonLr: 1 }), /^runConfig\.muonLr: belongs to optimizer muon;/],
    [
      () => resumeConfig(out, { lr: 0.5 }),
      /^resumeConfig\.lr: .*; a resume may change only steps, /,
    ],
    [() => resumeConfig(out, { data: 'toy-cars' }), /^resumeConfig\.data: the run in/],
    [() => train(options), /^train\.out .*: expected a new folder, .*\. Add resume to continue/],
    [() => trainSteps(options).next(), /^train\.out .*: expected a new folder/],
    [() => train({ ...options, requireCuda: true, out: `${out}2` }), /^train\.requireCuda: /],
    [
      () =>
        train({
          ...options,
          out: `${out}3`,
          config: runConfig({ data: 'toy-cars', threads: 1e3 }),
        }),
      /^runConfig\.threads: expected/,
    ],
    [() => sample(model, draw), new RegExp(`^sample\\.${spacing.source}`)],
    [() => sample(model, { size: 9 }), /^sample\.size: /],
    [() => sample(out, { timesteps: 7 }), /^sample\.timesteps: .* has 20, got 7$/],
    [() => generate(model, { out: 'x', ...draw }), new RegExp(`^generate\\.${spacing.source}`)],
    [() => evaluate(model), /^evaluate\.reference: expected .*, or heldOut or saveStatistics, got/],
    [() => load(out, { timesteps: 7 }), /^load\.timesteps: .* has 20, got 7$/],
    [() => open.sample(draw), new RegExp(`^model\\.sample\\.${spacing.source}`)],
    [() => open.sampleSteps(draw).next(), new RegExp(`^model\\.sampleSteps\\.${spacing.source}`)],
    [
      () => drawWith((x) => x, { values: 3, sampler: 'ddim', objective: 'flow' }).next(),
      /^drawWith\.sampler: ddim does not support a model of objective flow/,
    ],
    [
      () => makeSchedule({ schedule: 'linear', timesteps: 0, betaStart: 0.1, betaEnd: 0.2 }),
      /^makeSchedule\.timesteps: expected/,
    ],
  ];
  for (const [call, message] of calls)
    await t.throwsAsync(async () => void (await call()), { message });
});

/** Flags of other programs, and what no program can be told. */
const OTHERS =
  /^(ignore-scripts|save-dev|no-save|cuda|experimental-[a-z-]+|disable-wasm-trap-handler|max-old-space-size.*|help|verbose|version|no-|no-\w+-.*|out|hash|no-audit|no-fund|prefix)$/;

test('no message for programs contains a flag', (t) => {
  const root = new URL('../../../src/', import.meta.url);
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter(
    (name) =>
      name.endsWith('.ts') &&
      !/^(commands|bench|parity|export|watch|tensorflow.setup)\b|^cli/.test(name),
  );
  let flags = 0;
  for (const file of files) {
    const text = readFileSync(new URL(file, root), 'utf8')
      .replaceAll(/\/\*[\s\S]*?\*\//g, '')
      .replaceAll(/^\s*\/\/.*$/gm, '')
      .replaceAll(/describe:\s*(['"`])[\s\S]*?\1,/g, '');
    for (const [, literal] of text.matchAll(
      /(?:'|`|")((?:--|[^'`"\n]*[ (]--)[a-z][^'`"\n]*)(?:'|`|")/g,
    )) {
      flags++;
      const left = [...respell(literal!, 'f').matchAll(/(?:^|[\s(`'])--([a-z][a-z0-9-]*)/g)];
      for (const [, flag] of left) t.regex(flag!, OTHERS, `${file}: ${literal}`);
    }
  }
  t.true(flags > 60, `${flags} texts`);
});
