import { execFile, spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { COMMANDS } from '../src/commands/list.js';
import { haze, type Outcome, refuses } from './helpers/cli.js';
import { temporaryFolder } from './helpers/folder.js';

test('help lists every command and exits with 0', async (t) => {
  const { code, stdout, stderr } = await haze('.', ['--help']);
  t.is(code, 0);
  t.is(stderr, '');
  for (const { name, describe } of COMMANDS)
    t.true(stdout.includes(`haze ${name}`) && stdout.includes(describe), name);
});

for (const command of COMMANDS)
  test(`haze ${command.name} --help shows its flags and examples`, async (t) => {
    const { code, stdout } = await haze('.', [command.name, '--help']);
    t.is(code, 0);
    for (const flags of Object.values(command.groups))
      for (const flag of Object.keys(flags)) t.true(stdout.includes(`--${flag}`), flag);
    for (const [words] of command.examples) t.true(stdout.includes(`\n  ${words}\n`), words);
  });

test('without a command, help is shown and the exit code is 2', async (t) => {
  const { code, stdout, stderr } = await haze('.', []);
  t.is(code, 2);
  t.regex(stdout, /haze <command>/);
  t.is(stderr, 'haze: expected a command, got none\n');
});

test('-h is --help, of the program and of a command', async (t) => {
  for (const command of [[], ['train']])
    t.deepEqual(await haze('.', [...command, '-h']), await haze('.', [...command, '--help']));
});

test('a command lists only flags that it accepts', async (t) => {
  const { stdout } = await haze('.', ['train', '--help']);
  t.notRegex(stdout, /--version/);
  t.regex(stdout, /--no-strict/);
});

test('control characters in a name do not reach the terminal', async (t) => {
  await refuses(t, ['sample', 'a\u001b[2Jb'], /^haze: a\\x1b\[2Jb: expected a model/);
});

test('a line break in a name makes no line of its own', async (t) => {
  const name = 'a\nhaze: done';
  await refuses(t, ['sample', name], /^haze: a\\nhaze: done: expected a model[^\n]*\n$/);
  await refuses(t, ['train', 'toy-cars', `--init=${name}`], /^haze: [^\n]*a\\nhaze: done[^\n]*\n$/);
});

test('--version prints only the version', async (t) => {
  const { code, stdout } = await haze('.', ['--version']);
  t.is(code, 0);
  t.regex(stdout, /^\d+\.\d+\.\d+\n$/);
});

test('an unknown command, or a word too many, is refused', async (t) => {
  await refuses(t, ['trian'], /trian: no such command \(did you mean train\?\)/);
  await refuses(t, ['--verison'], /--verison: no such command \(did you mean --version\?\)/);
  await refuses(t, ['toString'], /toString: no such command/);
  await refuses(t, ['train', 'toy-cars', 'more'], /train: unexpected word more/);
  await refuses(t, ['doctor', 'now'], /doctor: unexpected word now/);
});

test('a flag that is unknown, repeated, without its value or with an unexpected one is refused', async (t) => {
  await refuses(
    t,
    ['train', 'toy-cars', '--sise', '32'],
    /--sise: haze train has no such flag \(did you mean --size\?\)/,
  );
  await refuses(
    t,
    ['train', 'toy-cars', '--saveEvery', '3'],
    /--saveEvery: .* no such flag \(did you mean --save-every\?\)/,
  );
  await refuses(t, ['train', 'toy-cars', '--no-eager'], /--no-eager: haze train has no such flag/);
  await refuses(t, ['train', 'toy-cars', '-s', '3'], /-s: haze train has no such flag/);
  await refuses(
    t,
    ['train', 'toy-cars', '--constructor', '3'],
    /--constructor: haze train has no such flag/,
  );
  await refuses(t, ['sample', 'run', '--steps', '3'], /--steps: haze sample has no such flag/);
  await refuses(t, ['train', 'toy-cars', '--size', '32', '--size', '64'], /--size: given twice/);
  await refuses(t, ['train', 'toy-cars', '--flip', '--no-flip'], /--flip: given twice/);
  await refuses(t, ['train', 'toy-cars', '--strict', '--strict'], /--strict: given twice/);
  await refuses(t, ['train', 'toy-cars', '--size'], /--size: expected N, got nothing/);
  await refuses(t, ['train', 'toy-cars', '--size', '--strict'], /--size: expected N, got nothing/);
  await refuses(t, ['train', 'toy-cars', '--size='], /--size: expected a value, got nothing/);
  await refuses(t, ['train', 'toy-cars', '--strict=yes'], /--strict: takes no value, got yes/);
});

test('an invalid number is refused with the name of its flag', async (t) => {
  const cases = [
    '--size=0',
    '--widths=64,-8',
    '--batch=1.5',
    '--lr=1e999',
    '--steps=-1',
    '--timesteps=x',
    '--threads=0',
  ];
  for (const flag of cases)
    await refuses(
      t,
      ['train', 'toy-cars', flag],
      new RegExp(`^haze: ${flag.split('=')[0]}: expected `),
    );
});

test('for an unknown name, the known ones are listed with a suggestion', async (t) => {
  const train = ['train', 'toy-cars'];
  await refuses(
    t,
    [...train, '--preset', 'tinny'],
    /--preset: expected one of reference, small, tiny, unet2d-32, .*, got tinny \(did you mean tiny\?\)/,
  );
  await refuses(t, [...train, '--norm', 'Separate'], /--norm: .* \(did you mean separate\?\)/);
  await refuses(t, [...train, '--schedule', 'cosin'], /--schedule: .* \(did you mean cosine\?\)/);
  await refuses(t, [...train, '--loss', 'mse'], /--loss: expected one of l1, l2, huber, got mse/);
  await refuses(
    t,
    [...train, '--device', 'gpu'],
    /--device: expected one of wasm, tensorflow, auto, got gpu/,
  );
  await refuses(
    t,
    [...train, '--arithmetic', 'js'],
    /--arithmetic: expected one of wasm, tensorflow, got js/,
  );
  await refuses(t, [...train, '--require', 'rocm'], /--require: expected cuda, got rocm/);
  await refuses(
    t,
    [...train, '--fit', 'stretch'],
    /--fit: expected one of squash, crop, got stretch/,
  );
  await refuses(
    t,
    ['train', 'toycars'],
    /toycars: no such folder or file; did you mean toy-cars\?/,
  );
});

test('flags that contradict each other are refused', async (t) => {
  const train = ['train', 'toy-cars', '--preset', 'tiny'];
  await refuses(
    t,
    [...train, '--epochs', '1', '--steps', '5'],
    /--epochs and --steps: both give the length/,
  );
  await refuses(
    t,
    [...train, '--schedule', 'cosine', '--beta-end', '0.1'],
    /--beta-end: belongs to --schedule linear, scaled-linear or sigmoid; the schedule is cosine/,
  );
  await refuses(t, [...train, '--eager'], /--eager: belongs to --device tensorflow/);
  await refuses(
    t,
    [...train, '--size', '36'],
    /--size: 4 widths halve the image 3 times, so the size must be a multiple of 8; got 36/,
  );
});

test('--verbose adds the stack to the error line', async (t) => {
  const folder = await temporaryFolder(t);
  const { code, stderr } = await haze(folder, ['train', '--verbose']);
  t.is(code, 2);
  t.regex(stderr, /^haze: <data>: expected a folder of images, .*, got nothing\n/);
  t.regex(stderr, /^ +at /m);
});

test('a reader that closes the pipe is not an error', async (t) => {
  const cli = fileURLToPath(new URL('../src/cli.js', import.meta.url));
  const child = spawn(process.execPath, [cli, 'inspect', '--json'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.stdout.destroy();
  let stderr = '';
  child.stderr.on('data', (text) => {
    stderr += String(text);
  });
  const code = await new Promise((resolve) => child.on('close', resolve));
  t.is(stderr, '');
  t.is(code, 0);
});

test('a deleted current folder is refused', async (t) => {
  const folder = await temporaryFolder(t);
  const cli = fileURLToPath(new URL('../src/cli.js', import.meta.url));
  const script = 'rmdir "$PWD" && exec "$0" "$1" inspect';
  const run = promisify(execFile)('sh', ['-c', script, process.execPath, cli], { cwd: folder });
  const { code, stderr } = (await t.throwsAsync(run)) as unknown as Outcome;
  t.is(code, 2);
  t.is(stderr, 'haze: the current folder: expected one that exists, got one that was deleted\n');
});

test('the built program is executable', async (t) => {
  const folder = await temporaryFolder(t);
  const cli = fileURLToPath(new URL('../src/cli.js', import.meta.url));
  const { stdout } = await promisify(execFile)(cli, ['--version'], { cwd: folder });
  t.regex(stdout, /^\d/);
});

test('showing help loads no heavy module', async (t) => {
  const folder = await temporaryFolder(t);
  const hook = join(folder, 'hook.mjs');
  // Every module that is resolved, on stderr.
  await writeFile(
    hook,
    `import { register } from 'node:module';
     register('data:text/javascript,' + encodeURIComponent(
       'import { writeSync } from "node:fs"; export async function resolve(s, c, n) { const r = await n(s, c); writeSync(2, r.url + "\\\\n"); return r; }'));`,
  );
  const { stderr, code } = await haze(folder, ['train', '--help'], {
    NODE_OPTIONS: `--import ${hook}`,
  });
  t.is(code, 0);
  t.regex(stderr, /yargs/);
  t.notRegex(stderr, /node_modules\/(sharp|d3-array|piscina|@tensorflow|cli-progress)\//);
});
