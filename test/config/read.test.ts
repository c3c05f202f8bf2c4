import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { Args } from '../../src/config/args.js';
import type { RunConfig } from '../../src/config/config.js';
import { parseRunConfig, readRunConfig } from '../../src/config/read.js';
import { newRunConfig } from '../../src/config/run-config.js';
import { OPTIMIZER_DEFAULTS } from '../../src/config/training.js';
import { UsageError } from '../../src/errors.js';
import { temporaryFolder } from '../helpers/folder.js';

type Json = { [key: string]: unknown };

const config = (flags: Record<string, string> = {}): RunConfig =>
  newRunConfig('toy-cars', new Args(flags));
const copy = (): Json => JSON.parse(JSON.stringify(config())) as Json;

/** A config with one field changed (or, by undefined, taken out). */
function changed(path: string, value: unknown): Json {
  const root = copy();
  const names = path.split('.');
  const last = names.pop()!;
  const parent = names.reduce((object, name) => object[name] as Json, root);
  if (value === undefined) delete parent[last];
  else parent[last] = value;
  return root;
}

const message = (value: unknown): string => {
  try {
    parseRunConfig('config.json', value);
    return 'accepted';
  } catch (error) {
    return error instanceof UsageError ? error.message : `threw ${String(error)}`;
  }
};

test('a config is unchanged by JSON', (t) => {
  const chosen = {
    device: 'wasm',
    description: 'wasm (strict SIMD, 1 thread)',
    why: 'auto',
  } as const;
  for (const original of [
    config(),
    config({ steps: '30', 'held-out': '0.1', threads: '2' }),
    config({ 'held-out': 'elsewhere', init: 'weights.safetensors', schedule: 'cosine' }),
    { ...config(), chosen },
  ])
    t.deepEqual(parseRunConfig('c', JSON.parse(JSON.stringify(original))), original);
});

test('every missing field is named', (t) => {
  const paths = (object: Json, prefix = ''): string[] =>
    Object.entries(object).flatMap(([name, value]) =>
      typeof value === 'object' && value !== null && !Array.isArray(value)
        ? [`${prefix}${name}`, ...paths(value as Json, `${prefix}${name}.`)]
        : [`${prefix}${name}`],
    );
  // What may be null may be missing too, and what runs of old do not have; a run has epochs or steps.
  const optional = [
    'chosen',
    'data.heldOut',
    'data.classes',
    'model.kind',
    'training.steps',
    'training.init',
    ...Object.keys(OPTIMIZER_DEFAULTS).map((name) => `training.${name}`),
    'computing.threads',
    'computing.wide',
  ];
  for (const path of paths(copy()).filter((path) => !optional.includes(path)))
    t.regex(
      message(changed(path, undefined)),
      /^config\.json(\.[a-zA-Z.]+)?: expected .*, got (nothing|neither)$/,
      path,
    );
  t.is(
    message(changed('model.size', undefined)),
    'config.json.model.size: expected a value, got nothing',
  );
});

test('a field of the wrong type or out of range is named, with the expected and the given value', (t) => {
  const cases: [path: string, value: unknown, expected: RegExp][] = [
    ['version', 2, /^config\.json\.version: expected a whole number from 1 to 1, got 2$/],
    ['seed', -1, /\.seed: expected a whole number from 0 to .*, got -1$/],
    ['seed', '0', /\.seed: expected a whole number .*, got "0"$/],
    ['model', [], /\.model: expected an object, got \[\]$/],
    ['model.size', 63.5, /\.model\.size: expected a whole number from 2 to 4096, got 63\.5$/],
    ['model.size', 60, /^config\.json: --size: .* must be a multiple of 16; got 60$/],
    [
      'model.widths',
      '64',
      /\.model\.widths: expected a list, each a whole number from 1 to 16384, got 64$/,
    ],
    ['model.widths', [64, -1], /\.model\.widths: expected a list, .* got \[64,-1\]$/],
    ['model.widths', [64], /--widths: expected two or more widths, got 1$/],
    ['model.channels', 2, /--channels: expected 1 or 3, got 2; other numbers are of latents/],
    ['model.norm', 'group', /\.model\.norm: expected one of separate, shared, got group$/],
    [
      'diffusion.betaStart',
      1e300,
      /\.betaStart: expected a number above 0 and below 1, got 1e\+300$/,
    ],
    ['diffusion.betaEnd', 1e-9, /--beta-end: expected at least --beta-start/],
    ['data.flip', 'yes', /\.data\.flip: expected true or false, got yes$/],
    ['data.source', '', /\.data\.source: expected text, got nothing$/],
    ['data.heldOut', {}, /\.data\.heldOut: expected a source or a fraction, got neither$/],
    ['data.heldOut', { fraction: 2 }, /\.fraction: expected a number above 0 and below 1, got 2$/],
    ['training.batch', 0, /\.batch: expected a whole number from 1 to 65536, got 0$/],
    ['training.steps', 5, /--epochs and --steps/],
    ['computing.device', 'gpu', /\.device: expected one of wasm, tensorflow, auto, got gpu$/],
    ['training.learningRate', 1, /\.learningRate: unknown field$/],
    ['modle', {}, /^config\.json\.modle: unknown field \(did you mean model\?\)$/],
  ];
  for (const [path, value, expected] of cases)
    t.regex(message(changed(path, value)), expected, path);
});

test('JSON that is not an object is refused', (t) => {
  for (const value of [null, 3, 'text', []])
    t.regex(message(value), /^config\.json: expected an object, got /);
});

test('a file truncated anywhere is refused with its path', async (t) => {
  const path = join(await temporaryFolder(t), 'config.json');
  const text = JSON.stringify(config());
  for (let length = 0; length < text.length; length += 37) {
    await writeFile(path, text.slice(0, length));
    await t.throwsAsync(readRunConfig(path), { instanceOf: UsageError, message: /config\.json/ });
  }
  await t.throwsAsync(readRunConfig(`${path}.none`), { instanceOf: UsageError });
});

test("a network's objective and schedule are read if given", (t) => {
  const diffusion = (fields: Json) =>
    parseRunConfig(
      'config.json',
      changed('diffusion', { ...(copy().diffusion as Json), ...fields }),
    ).diffusion;
  t.is(diffusion({}).objective, undefined);
  t.like(diffusion({ objective: 'v', zeroTerminalSnr: true, scaleBetas: true, timesteps: 500 }), {
    ...{ objective: 'v', zeroTerminalSnr: true, scaleBetas: true },
  });
  t.regex(
    message(changed('diffusion.objective', 'noise')),
    /^config\.json\.diffusion\.objective: expected one of epsilon, x0, v, flow, got noise$/,
  );
  t.regex(
    message(changed('diffusion.zeroTerminalSnr', true)),
    /^config\.json: .*--objective v or x0/,
  );
});
