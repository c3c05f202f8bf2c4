import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import test from 'ava';
import { haze, startHaze } from '../helpers/cli.js';
import { folderWithModel, hashes } from '../helpers/generate.js';
import { killingFirstWorker } from '../helpers/killer.js';

/** The command over the model of the test's folder; `steps` of DDIM. */
const command = (steps: number, ...more: string[]) => [
  ...['generate', 'model.safetensors', '--size', '16', '--sampler', 'ddim'],
  ...['--sample-steps', String(steps), ...more],
];

/** Images that have their final name. */
const finished = async (folder: string): Promise<string[]> =>
  (await readdir(folder).catch(() => [])).filter((name) => /^\d+\.png$/.test(name));

/** Waits until some images are there, and not all. */
async function untilSome(folder: string): Promise<void> {
  while ((await finished(folder)).length < 3) await setTimeout(5);
}

test('Invalid flags exit with 2, say what was expected, and leave nothing behind', async (t) => {
  const cwd = await folderWithModel(t);
  await writeFile(join(cwd, 'file'), '');
  await writeFile(join(cwd, 'broken.safetensors'), 'x');
  await mkdir(join(cwd, 'empty'));
  const bad: [RegExp, ...string[]][] = [
    [/--count: expected a whole number/, '--count', '0'],
    [/--count: expected a whole number/, '--count', '1e12'],
    [/--batch: expected a whole number/, '--batch', '0'],
    [/--workers: expected a whole number/, '--workers', 'two'],
    [/--workers: expected as many as --threads, 2, got 3/, '--workers', '3', '--threads', '2'],
    ...['0/2', '3/2', '1', '1/0', 'a/b', '-1/2', '1/2/3'].map((shard): [RegExp, ...string[]] => [
      /--shard: expected i\/n/,
      `--shard=${shard}`,
    ]),
    [/--format: expected one of png, npz, safetensors, got jpg/, '--format', 'jpg'],
    [/--count: npz holds at most/, '--format', 'npz', '--count', '50000000'],
    [/--out file: expected a folder/, '--out', 'file'],
    [/--resum/, '--resum'],
  ];
  for (const [message, ...flags] of bad) {
    const { code, stderr, stdout } = await haze(cwd, command(4, ...flags));
    t.is(code, 2, stderr);
    t.regex(stderr, message);
    t.true(stderr.trim().split('\n').length <= 2, stderr);
    t.is(stdout, '');
  }
  for (const model of ['none.safetensors', 'broken.safetensors', 'empty']) {
    const { code, stderr } = await haze(cwd, ['generate', model]);
    t.is(code, 2, stderr);
  }
  t.deepEqual((await readdir(cwd)).sort(), [
    'broken.safetensors',
    'empty',
    'file',
    'model.safetensors',
  ]);
});

test('The command reports how many images it drew, and the second time that all exist', async (t) => {
  const cwd = await folderWithModel(t);
  const first = await haze(cwd, command(4, '--count', '5', '--out', 'a'));
  t.is(first.code, 0, first.stderr);
  t.regex(first.stdout, /^a: 5 images made in .* s, .* images\/s; 0 kept\n$/);
  t.regex(first.stderr, /5 images; wasm \((relaxed|strict) SIMD, \d+ workers?\), batches of/);
  t.regex(first.stderr, /image 5\/5 · .* images\/s/);
  const again = await haze(cwd, command(4, '--count', '5', '--out', 'a'));
  t.is(again.stdout, 'a: 0 images made; 5 kept\n');
  const other = await haze(cwd, command(4, '--count', '5', '--out', 'a', '--seed', '1'));
  t.is(other.code, 2);
  t.regex(
    other.stderr,
    /^haze: --seed: the images in a were drawn with 0, got 1; give another --out\n$/,
  );
});

test('A killed process leaves only complete files, and the next run completes the identical set', async (t) => {
  const cwd = await folderWithModel(t);
  const args = (out: string) => command(40, '--count', '60', '--batch', '1', '--out', out);
  t.is((await haze(cwd, args('whole'))).code, 0);
  const expected = await hashes(join(cwd, 'whole'));
  for (let round = 0; round < 2; round++) {
    const { process: child, exit } = startHaze(t, cwd, args('killed'));
    const before = (await finished(join(cwd, 'killed'))).length;
    while ((await finished(join(cwd, 'killed'))).length < before + 3) await setTimeout(5);
    child.kill('SIGKILL');
    t.is((await exit).code, null);
    const found = await hashes(join(cwd, 'killed'));
    for (const name of await finished(join(cwd, 'killed'))) t.is(found[name], expected[name]);
  }
  const last = await haze(cwd, [...args('killed'), '--resume']);
  t.is(last.code, 0, last.stderr);
  t.deepEqual(await hashes(join(cwd, 'killed')), expected);
});

test('A second process on a folder is refused until the first one has ended', async (t) => {
  const cwd = await folderWithModel(t);
  // By one worker, so that the first one still draws when the second one starts, however many cores there are.
  const args = (out: string) =>
    command(300, '--count', '60', '--batch', '1', '--workers', '1', '--out', out);
  t.is((await haze(cwd, args('whole'))).code, 0);
  const { process: first, exit } = startHaze(t, cwd, args('shared'));
  await untilSome(join(cwd, 'shared'));
  const second = await haze(cwd, args('shared'));
  t.is(second.code, 2, second.stderr);
  t.is(
    second.stderr,
    `haze: --out shared: process ${first.pid} is already drawing images there; wait for it, or give another --out\n`,
  );
  first.kill('SIGKILL');
  await exit;
  const last = await haze(cwd, args('shared'));
  t.is(last.code, 0, last.stderr);
  t.deepEqual(await hashes(join(cwd, 'shared')), await hashes(join(cwd, 'whole')));
});

test('Ctrl-C exits with 130, reports how much is finished, and keeps it', async (t) => {
  const cwd = await folderWithModel(t);
  const args = command(40, '--count', '200', '--batch', '1', '--out', 'a');
  const { process: child, exit } = startHaze(t, cwd, args);
  await untilSome(join(cwd, 'a'));
  child.kill('SIGINT');
  const { code, stderr } = await exit;
  t.is(code, 130, stderr);
  const kept = Number(/interrupted; (\d+) of 200 images are finished/.exec(stderr)?.[1]);
  t.is(Object.keys(await hashes(join(cwd, 'a'))).length, kept);
  const manifest = await readFile(join(cwd, 'a', 'manifest-1-of-1.jsonl'), 'utf8');
  t.is(manifest.trim().split('\n').length, kept + 1);
});

test('A worker thread that dies is replaced, and the files are the same', async (t) => {
  const cwd = await folderWithModel(t);
  const args = (out: string) => command(300, '--count', '40', '--batch', '20', '--out', out);
  t.is((await haze(cwd, [...args('whole'), '--workers', '2'])).code, 0);
  // In the middle of its one long batch, which begins after the manifest.
  const env = await killingFirstWorker(t, 'out/manifest-1-of-1.jsonl', 50);
  const { exit } = startHaze(t, cwd, [...args('out'), '--workers', '2'], env);
  const { code, stderr } = await exit;
  t.is(code, 0, stderr);
  t.regex(stderr, /worker \d stopped while running \w+: .*; images \d+ to \d+ are drawn again/);
  t.regex(stderr, /1 worker lost/);
  t.deepEqual(await hashes(join(cwd, 'out')), await hashes(join(cwd, 'whole')));
});
