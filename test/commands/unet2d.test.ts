import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { sha256 } from '../../src/io/hash.js';
import { readJsonFileSync } from '../../src/io/run.js';
import { fixturePath, haze } from '../helpers/cli.js';
import { temporaryFolder } from '../helpers/folder.js';
import { writeBars } from '../helpers/run.js';

/** A network and steps of seconds. */
const NETWORK = [
  ...[
    '--network',
    'unet2d',
    '--size',
    '16',
    '--channels',
    '1',
    '--widths',
    '8,16',
    '--layers-per-block',
    '1',
  ],
  ...[
    '--dropout',
    '0.1',
    '--batch',
    '4',
    '--timesteps',
    '20',
    '--sample-every',
    '0',
    '--threads',
    '2',
  ],
];

async function ok(t: ExecutionContext, folder: string, args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await haze(folder, args);
  t.is(code, 0, `haze ${args.join(' ')}\n${stderr}`);
  return stdout;
}

const weights = (folder: string, run: string, step: number): string =>
  sha256(readFileSync(join(folder, run, 'checkpoints', `step-${step}`, 'model.safetensors')));

test.serial(
  'a unet2d run that was stopped and resumed has the bits of an uninterrupted one',
  async (t) => {
    const folder = await temporaryFolder(t);
    writeBars(folder);
    const adamw = ['--optimizer', 'adamw', '--betas', '0.95,0.999', '--clip', '1'];
    const train = ['train', 'bars.idx', ...NETWORK, ...adamw];
    await ok(t, folder, [...train, '--steps', '4', '--out', 'whole']);
    await ok(t, folder, [...train, '--steps', '2', '--out', 'parts']);
    await ok(t, folder, ['train', '--out', 'parts', '--resume', '--steps', '4', '--threads', '1']);
    t.is(weights(folder, 'parts', 4), weights(folder, 'whole', 4));
    const { model, training } = readJsonFileSync(join(folder, 'parts', 'config.json'));
    t.like(model, { kind: 'unet2d', groups: 8, headDim: 8, dropout: 0.1 });
    t.like(training, { optimizer: 'adamw', betas: [0.95, 0.999], weightDecay: 0.01, clip: 1 });
  },
);

test.serial('every flag of the optimizer changes the trained weights', async (t) => {
  const folder = await temporaryFolder(t);
  writeBars(folder);
  const variants: string[][] = [
    [],
    ['--betas', '0.5,0.999'],
    ['--epsilon', '0.01'],
    ['--optimizer', 'adamw'],
    ['--optimizer', 'adamw', '--weight-decay', '0.5'],
    ['--clip', '0.001'],
  ];
  const hashes = [];
  for (const [i, flags] of variants.entries()) {
    await ok(t, folder, [
      'train',
      'bars.idx',
      ...NETWORK,
      ...flags,
      '--steps',
      '2',
      '--out',
      `${i}`,
    ]);
    hashes.push(weights(folder, `${i}`, 2));
  }
  t.is(new Set(hashes).size, variants.length);
});

test.serial(
  'a unet2d run can be sampled, generated from, exported, and used for --init',
  async (t) => {
    const folder = await temporaryFolder(t);
    writeBars(folder);
    await ok(t, folder, ['train', 'bars.idx', ...NETWORK, '--steps', '1', '--out', 'run']);
    await ok(t, folder, ['export', 'diffusers', 'run', '--out', 'pipeline']);
    for (const [model, out] of [
      ['run', 'a.png'],
      ['pipeline', 'b.png'],
    ])
      await ok(t, folder, ['sample', model!, '--count', '2', '--out', out!, '--threads', '2']);
    const picture = (name: string) => readFileSync(join(folder, name)).toString('base64');
    t.is(picture('a.png'), picture('b.png'));
    await ok(t, folder, [
      'sample',
      'run',
      '--count',
      '2',
      '--out',
      'c.png',
      '--clamp',
      '--variance',
      'large',
    ]);
    t.not(picture('a.png'), picture('c.png'));
    const ddim = ['--sampler', 'ddim', '--sample-steps', '3', '--clamp', '--spacing', 'trailing'];
    await ok(t, folder, [
      'generate',
      'pipeline',
      '--count',
      '3',
      '--out',
      'many',
      ...ddim,
      '--workers',
      '2',
    ]);
    const init = [
      'train',
      'bars.idx',
      '--init',
      'pipeline',
      '--steps',
      '1',
      '--batch',
      '4',
      '--out',
      'second',
    ];
    await ok(t, folder, [...init, '--sample-every', '0', '--threads', '2']);
    const { model, diffusion } = readJsonFileSync(join(folder, 'second', 'config.json'));
    t.like(model, { kind: 'unet2d', size: 16, widths: [8, 16] });
    t.like(diffusion, { timesteps: 20 });
  },
);

test.serial(
  '--init with weights that have no scheduler says which forward process the run has',
  async (t) => {
    const folder = await temporaryFolder(t);
    for (const [name, told] of [
      ['nested', true],
      ['nested/unet', false],
    ] as const) {
      const init = fixturePath(`pipelines/${name}`);
      const args = ['train', 'toy-cars', '--init', init, '--steps', '1', '--batch', '2'];
      const more = ['--sample-every', '0', '--threads', '1', '--out', `${told}`];
      const { code, stderr } = await haze(folder, [...args, ...more]);
      t.is(code, 0, stderr);
      const text = `${init}: weights do not tell their forward process; this run has --timesteps 300, --schedule linear, --objective epsilon`;
      t.is(stderr.includes(text), !told, stderr);
    }
  },
);

test.serial('generate does not continue a folder that has other sampling settings', async (t) => {
  const folder = await temporaryFolder(t);
  const made = [
    'generate',
    fixturePath('pipelines/nested'),
    '--count',
    '2',
    '--out',
    'many',
    '--workers',
    '1',
  ];
  await ok(t, folder, [...made, '--sampler', 'ddim', '--sample-steps', '2']);
  const { code, stderr } = await haze(folder, [
    ...made,
    '--sampler',
    'ddim',
    '--sample-steps',
    '2',
    '--no-clamp',
  ]);
  t.is(code, 2);
  t.regex(stderr, /--clamp-range: the images in many were drawn with 1\.5, got none/);
});

test.serial('inspect recognises a unet2d, and lists its attention', async (t) => {
  const stdout = await ok(t, '.', ['inspect', fixturePath('pipelines/flat')]);
  t.regex(stdout, /unet2d · time embedding 32 · layers 1 · attention at 4 · groups 4 · one head/);
  t.regex(stdout, /mid_block\.attentions\.0, products +attention/);
});

test.serial('class-conditional networks are inspected', async (t) => {
  const args = ['inspect', '--network', 'unet2d', '--num-classes', '10'];
  t.regex(await ok(t, '.', args), /classes 10/);
});
