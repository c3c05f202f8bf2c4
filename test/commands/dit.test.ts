import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { sha256 } from '../../src/io/hash.js';
import { readJsonFileSync } from '../../src/io/run.js';
import { haze, refuses } from '../helpers/cli.js';
import { temporaryFolder } from '../helpers/folder.js';
import { writeBars, writeLabelledBars } from '../helpers/run.js';

/** A network and steps of seconds. */
const NETWORK = [
  ...['--network', 'dit', '--size', '16', '--channels', '1', '--widths', '16', '--depth', '2'],
  ...['--patch', '4', '--dropout', '0.1', '--batch', '4', '--timesteps', '20'],
  // The rate's decay depends on the length, which a resume changes; and a folder for diffusers has no averages.
  ...['--decay', 'constant', '--ema', 'none', '--keep-guide', 'none'],
  ...['--sample-every', '0', '--threads', '2'],
];

async function ok(t: ExecutionContext, folder: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await haze(folder, args);
  t.is(code, 0, `haze ${args.join(' ')}\n${stderr}`);
  return stdout;
}

const weights = (folder: string, run: string, step: number): string =>
  sha256(readFileSync(join(folder, run, 'checkpoints', `step-${step}`, 'model.safetensors')));

test.serial(
  'a dit that was stopped and resumed has the bits of an uninterrupted run',
  async (t) => {
    const folder = await temporaryFolder(t);
    writeBars(folder);
    const train = ['train', 'bars.idx', ...NETWORK, '--optimizer', 'muon', '--clip', '1'];
    await ok(t, folder, ...train, '--steps', '4', '--out', 'whole');
    await ok(t, folder, ...train, '--steps', '2', '--out', 'parts');
    await ok(t, folder, 'train', '--out', 'parts', '--resume', '--steps', '4', '--threads', '1');
    t.is(weights(folder, 'parts', 4), weights(folder, 'whole', 4));
    const { model, training } = readJsonFileSync(join(folder, 'parts', 'config.json'));
    t.like(model, { kind: 'dit', widths: [16], depth: 2, patch: 4, headDim: 16, dropout: 0.1 });
    t.like(training, { zeroInit: true, optimizer: 'muon' });
  },
);

test.serial(
  'a dit with classes can be sampled, guided, generated from, exported, and used for --init',
  async (t) => {
    const folder = await temporaryFolder(t);
    writeLabelledBars(folder);
    const train = ['train', 'bars-images.idx', ...NETWORK, '--classes', 'auto', '--no-zero-init'];
    await ok(t, folder, ...train, '--steps', '2', '--out', 'run');
    await ok(t, folder, 'export', 'diffusers', 'run', '--out', 'pipeline');
    const draw = ['--count', '2', '--class', '1', '--guidance', '3', '--threads', '2'];
    draw.push('--sampler', 'ancestral', '--spacing', 'leading');
    await ok(t, folder, 'sample', 'run', ...draw, '--out', 'a.png');
    await ok(t, folder, 'sample', 'pipeline', ...draw, '--out', 'b.png');
    await ok(t, folder, 'sample', 'run', ...draw.with(3, '0'), '--out', 'c.png');
    const picture = (name: string) => readFileSync(join(folder, name)).toString('base64');
    t.is(picture('a.png'), picture('b.png'));
    t.not(picture('a.png'), picture('c.png'));
    const ddim = ['--sampler', 'ddim', '--sample-steps', '3', '--workers', '2'];
    await ok(t, folder, 'generate', 'pipeline', '--count', '3', '--out', 'many', ...ddim);
    const second = ['--steps', '1', '--batch', '4', '--sample-every', '0', '--size', '8'];
    const init = ['--init', 'run', '--classes', 'auto', ...second];
    await ok(t, folder, 'train', 'bars-images.idx', ...init, '--out', 'second');
    const { model, training } = readJsonFileSync(join(folder, 'second', 'config.json'));
    // Positions remain those of the size that it was trained at.
    t.like(model, { kind: 'dit', size: 8, baseSize: 16, depth: 2 });
    t.like(training, { zeroInit: false });
  },
);

test('inspect shows blocks, patches, tokens and heads', async (t) => {
  const flags = ['--network', 'dit', '--size', '16', '--widths', '96', '--depth', '1'];
  const wide = ['--patch', '2', '--head-dim', '32', '--num-classes', '11'];
  const stdout = await ok(t, '.', 'inspect', ...flags, ...wide);
  const traits = '1 block · patches of 2x2 · 64 tokens · 3 heads of 32 · classes 11';
  t.true(stdout.includes(`96 · dit · ${traits}\n`), stdout);
});

test('bench measures a dit under the name of its fields, and none with classes', async (t) => {
  const small = ['--network', 'dit', '--widths', '16', '--depth', '1', '--size', '16'];
  const wasm = ['--device', 'wasm', '--arithmetic', 'wasm', '--batch', '2', '--rounds', '1'];
  const stdout = await ok(t, '.', 'bench', 'unet', ...small, ...wasm, '--json');
  const { results } = JSON.parse(stdout) as { results: { model: string }[] };
  const names = new Set(results.map(({ model }) => model));
  t.deepEqual([...names], ['dit widths 16 depth 1 patch 4']);
  await refuses(
    t,
    ['bench', 'unet', ...small, '--num-classes', '4'],
    /--num-classes: only networks without classes/,
  );
});
