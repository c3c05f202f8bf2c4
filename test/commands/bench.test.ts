import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import type { Report } from '../../src/bench/result.js';
import { haze, meanwhile, refuses, startHaze } from '../helpers/cli.js';
import { temporaryFolder } from '../helpers/folder.js';

/** A model that takes milliseconds; one round. */
const QUICK = ['--widths', '8,16', '--size', '16', '--batch', '2', '--rounds', '1'];

/** Haze's own kernels alone. */
const WASM = ['--device', 'wasm', '--arithmetic', 'wasm'];

/** No Python, whatever this machine has. */
const NO_PYTHON = { PYTHON: '/none/python' };

/** Of a network that no inputs are made for. */
const CLASSES = ['unet', '--network', 'unet2d', '--num-classes', '4'];

const isNumber = (value: unknown) => typeof value === 'number' && Number.isFinite(value);

test('Bad flags exit with 2, say what was expected, and leave nothing behind', async (t) => {
  const bad: [RegExp, ...string[]][] = [
    [/\[what\]: expected one of arithmetic, .* all, got unets/, 'unets'],
    [/--rounds: expected a whole number/, 'unet', '--rounds', '0'],
    [/--batch: expected a whole number/, 'unet', '--batch', 'many'],
    [/--layers: belongs to unet; the subject is sample/, 'sample', '--layers'],
    [/--beside: belongs to unet; the subject is sample/, 'sample', '--beside', '1'],
    [/--beside: expected a whole number/, 'unet', '--beside', '-1'],
    [/--plot: expected a name ending in \.svg, got out\.png/, 'unet', '--plot', 'out.png'],
    [/--plot: expected a file in an existing folder/, 'unet', '--plot', 'none/out.svg'],
    [/--markdown: expected a name ending in \.md/, 'unet', '--markdown', 'out.txt'],
    [/--compare: cannot read none\.json \(ENOENT\)/, 'unet', '--compare', 'none.json'],
    [/--device: expected one of/, 'unet', '--device', 'abacus'],
    [/--size/, 'unet', '--size', '7'],
    [/--peer/, 'unet', '--peer'],
    [/--num-classes: only networks without classes/, ...CLASSES],
  ];
  for (const [message, ...flags] of bad) await refuses(t, ['bench', ...flags], message);
});

test('A file for --compare that is not a report is refused before anything is measured', async (t) => {
  const cwd = await temporaryFolder(t);
  await writeFile(join(cwd, 'old.json'), '{"results": 3}');
  const { code, stderr, stdout } = await haze(cwd, ['bench', ...QUICK, '--compare', 'old.json']);
  t.is(code, 2);
  t.is(stderr, 'haze: --compare: old.json: expected the output of haze bench --json: no results\n');
  t.is(stdout, '');
});

test('All subjects as JSON have machine, versions and a row for each path', async (t) => {
  const cwd = await temporaryFolder(t);
  const args = ['bench', 'all', ...QUICK, ...WASM, '--threads', '2', '--json'];
  const { code, stdout, stderr } = await haze(cwd, [...args, '--layers', '--peers'], NO_PYTHON);
  t.is(code, 0, stderr);
  const { machine, versions, results, missing, layers } = JSON.parse(stdout) as Report;
  t.true(Number(machine.cores) >= 1);
  t.is(versions.node, process.versions.node);
  const subjects = [...new Set(results.map(({ subject }) => subject))];
  t.deepEqual(subjects, ['arithmetic', 'preprocess', 'unet', 'sample', 'generate']);
  for (const row of results) {
    for (const name of ['batch', 'size', 'ms', 'msPerImage', 'imagesPerSecond'] as const)
      t.true(isNumber(row[name]) && row[name] > 0, `${row.subject} ${row.by}: ${name}`);
    t.is(row.rounds.length, 1);
    for (const name of ['device', 'arithmetic', 'build', 'threads'] as const) t.true(name in row);
  }
  const unet = results.filter(({ subject }) => subject === 'unet');
  t.deepEqual([...new Set(unet.map(({ what }) => what))], ['forward', 'train']);
  const ours = unet.find(({ by, what }) => by === 'haze' && what === 'train')!;
  t.like(ours, { device: 'wasm', threads: 2, batch: 2, size: 16 });
  t.true(unet.some(({ by, threads }) => by === 'haze' && threads === 1));
  t.true(unet.some(({ build }) => build === 'strict'));
  for (const row of results)
    if (row.device === 'wasm') t.is(typeof row.wide, 'boolean', row.subject);
  t.true(results.some(({ by, subject }) => by === 'haze sample' && subject === 'generate'));
  t.true(results.some(({ by }) => by === 'plain JS'));
  t.true(results.some(({ by }) => by === 'sharp resize'));
  for (const what of ['forward', 'train', 'reverse step', 'ancestral', 'load', 'qSample'])
    t.true(
      missing.some((m) => m.what === what && /no PyTorch/.test(m.why)),
      what,
    );
  const [times, ...others] = layers;
  t.deepEqual(others, []);
  t.true(times!.forward.some(({ layer }) => layer === 'conv0'));
  t.true(times!.train.length > times!.forward.length);
});

test("diffusers' network is measured in the same subjects, with its norms and attention in the table of layers", async (t) => {
  const cwd = await temporaryFolder(t);
  const network = ['--network', 'unet2d', '--layers-per-block', '1', ...QUICK];
  const args = ['bench', 'all', ...network, ...WASM, '--threads', '1', '--layers', '--json'];
  const { code, stdout, stderr } = await haze(cwd, args);
  t.is(code, 0, stderr);
  const { results, layers } = JSON.parse(stdout) as Report;
  const ours = results.filter(({ by, model }) => by === 'haze' && model !== null);
  t.deepEqual(
    [...new Set(ours.map(({ what }) => what))],
    ['forward', 'train', 'reverse step', 'one image', 'ddim'],
  );
  for (const { model } of ours) t.is(model, 'unet2d widths 8,16 layers-per-block 1');
  const [times] = layers;
  for (const pass of ['forward', 'train'] as const)
    for (const kind of ['convolution', 'norm', 'activation', 'attention'])
      t.true(
        times![pass].some((row) => row.kind === kind),
        `${pass}: ${kind}`,
      );
});

test('Flags that describe a network of the tables give it its name', async (t) => {
  const cwd = await temporaryFolder(t);
  const flags = ['--network', 'unet2d', '--size', '32', '--widths', '32,64,128', '--batch', '1'];
  const args = ['bench', 'unet', ...flags, ...WASM, '--threads', '1', '--rounds', '1', '--json'];
  const { code, stdout, stderr } = await haze(cwd, args);
  t.is(code, 0, stderr);
  const { results } = JSON.parse(stdout) as Report;
  t.deepEqual([...new Set(results.map(({ model }) => model))], ['unet2d-32']);
});

test('Results are written as a table, SVG bars and Markdown, with changes since a report', async (t) => {
  const cwd = await temporaryFolder(t);
  const unet = ['bench', 'unet', ...QUICK, ...WASM, '--threads', '1'];
  const first = await haze(cwd, [...unet, '--json']);
  t.is(first.code, 0, first.stderr);
  const old = JSON.parse(first.stdout) as Report;
  // One that took a thousand times as long, and one that this report has not.
  const [forward, ...others] = old.results;
  const ms = forward!.ms * 1000;
  const slow = { ...forward!, ms, spread: [ms, ms] };
  const fewer = others.filter(({ what }) => what !== 'train');
  await writeFile(join(cwd, 'old.json'), JSON.stringify({ ...old, results: [slow, ...fewer] }));
  const outputs = ['--plot', 'out.svg', '--markdown', 'out.md', '--compare', 'old.json'];
  const { code, stdout, stderr } = await haze(cwd, [...unet, ...outputs]);
  t.is(code, 0, stderr);
  t.regex(stdout, /^unet forward, widths 8,16 .*, batch 2, 16x16$/m);
  t.regex(
    stdout,
    /^ {2}haze, wasm, \w+(, wide)?, 1 thread +[\d.]+ +[\d.]+ +[\d.]+ +±0\.0% +1\.00$/m,
  );
  t.regex(stdout, /^against old\.json /m);
  t.regex(stdout, /^unet forward.* -(99|100)\.\d% .* faster$/m);
  t.regex(stdout, /^unet train.* new .*±/m);
  t.regex(stderr, /^unet forward, .*: \d ways$/m);
  t.deepEqual((await readdir(cwd)).sort(), ['old.json', 'out.md', 'out.svg']);
  t.true((await readFile(join(cwd, 'out.svg'), 'utf8')).startsWith('<svg'));
  t.regex(await readFile(join(cwd, 'out.md'), 'utf8'), /^## unet train, widths 8,16/m);
});

test('With --beside the U-Net is measured again beside busy processes, which end with the command', async (t) => {
  const cwd = await temporaryFolder(t);
  const args = ['bench', 'unet', ...QUICK, ...WASM, '--threads', '1', '--beside', '2'];
  const json = await haze(cwd, [...args, '--json']);
  t.is(json.code, 0, json.stderr);
  const { results } = JSON.parse(json.stdout) as Report;
  const by = (beside: number | undefined) => results.filter((row) => row.beside === beside);
  t.true(by(2).length > 0);
  t.deepEqual(
    by(2).map(({ what, build }) => [what, build]),
    by(undefined).map(({ what, build }) => [what, build]),
  );
  const { code, stdout, stderr } = await haze(cwd, args);
  t.is(code, 0, stderr);
  t.regex(stdout, /^unet train, .*, beside 2 busy processes$/m);
  t.regex(stdout, / over haze +over idle$/m);
});

test('Missing peers are listed on the terminal, one per line', async (t) => {
  const cwd = await temporaryFolder(t);
  const args = ['bench', 'preprocess', '--batch', '2', '--rounds', '1', '--peers'];
  const { code, stdout, stderr } = await haze(cwd, [...args, '--threads', '1'], NO_PYTHON);
  t.is(code, 0, stderr);
  t.regex(stdout, /^not measured\n/m);
  t.regex(stdout, / PIL and numpy +no PyTorch: pip install torch/);
  t.regex(stdout, / PIL and numpy in workers +no PyTorch: pip install torch/);
});

test('Ctrl-C exits with 130 and leaves no temporary files', async (t) => {
  const TMPDIR = await temporaryFolder(t);
  const args = ['bench', 'preprocess', '--batch', '4', '--rounds', '1000', '--threads', '1'];
  const running = startHaze(t, TMPDIR, args, { TMPDIR });
  const { process: child, exit } = running;
  const there = async () => (await readdir(TMPDIR)).some((name) => name.startsWith('haze-bench-'));
  await meanwhile(running, there);
  child.kill('SIGINT');
  const { code, stderr } = await exit;
  t.is(code, 130, stderr);
  t.regex(stderr, /^haze: interrupted; nothing was written$/m);
  t.deepEqual(await readdir(TMPDIR), []);
});

test('A recipe is measured with its own batch size unless another is given', async (t) => {
  const args = ['bench', 'unet', '--preset', 'minutes-32', '--rounds', '1', ...WASM, '--json'];
  const { code, stdout, stderr } = await haze('.', args);
  t.is(code, 0, stderr);
  const { results } = JSON.parse(stdout) as Report;
  t.deepEqual([...new Set(results.map(({ what }) => what))], ['forward', 'train']);
  for (const { model, batch } of results) t.deepEqual([model, batch], ['minutes-32', 32]);
});
