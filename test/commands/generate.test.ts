import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { haze, meanwhile, type Running, startHaze } from '../helpers/cli.js';
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

/** Waits until so many images are there. */
const untilSome = (running: Running, folder: string, count = 3): Promise<void> =>
  meanwhile(running, async () => (await finished(folder)).length >= count);

/** So many that they are not finished within a test. */
const ENDLESS = ['--count', '1000000', '--batch', '1'];

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
  const folder = join(cwd, 'killed');
  for (let kills = 0; kills < 2; ) {
    const running = startHaze(t, cwd, args('killed'));
    const before = (await finished(folder)).length;
    await untilSome(running, folder, Math.min(before + 3, 60));
    running.process.kill('SIGKILL');
    if ((await running.exit).code === null) {
      kills++;
      const found = await hashes(folder);
      for (const name of await finished(folder)) t.is(found[name], expected[name]);
    } else {
      // It was done before this process took notice.
      kills = 0;
      await rm(folder, { recursive: true });
    }
  }
  const last = await haze(cwd, [...args('killed'), '--resume']);
  t.is(last.code, 0, last.stderr);
  t.deepEqual(await hashes(join(cwd, 'killed')), expected);
});

test('A second process on a folder is refused until the first one has ended', async (t) => {
  const cwd = await folderWithModel(t);
  const args = command(4, ...ENDLESS, '--out', 'shared');
  const running = startHaze(t, cwd, args);
  const { process: first, exit } = running;
  await untilSome(running, join(cwd, 'shared'));
  const second = await haze(cwd, args);
  t.is(second.code, 2, second.stderr);
  t.is(
    second.stderr,
    `haze: --out shared: process ${first.pid} is already drawing images there; wait for it, or give another --out\n`,
  );
  first.kill('SIGKILL');
  await exit;
  const next = startHaze(t, cwd, args);
  const before = (await finished(join(cwd, 'shared'))).length;
  await untilSome(next, join(cwd, 'shared'), before + 3);
});

test('Ctrl-C exits with 130, reports how much is finished, and keeps it', async (t) => {
  const cwd = await folderWithModel(t);
  const running = startHaze(t, cwd, command(40, ...ENDLESS, '--out', 'a'));
  const { process: child, exit } = running;
  await untilSome(running, join(cwd, 'a'));
  child.kill('SIGINT');
  const { code, stderr } = await exit;
  t.is(code, 130, stderr);
  const kept = Number(/interrupted; (\d+) of 1000000 images are finished/.exec(stderr)?.[1]);
  t.is(Object.keys(await hashes(join(cwd, 'a'))).length, kept);
  const manifest = await readFile(join(cwd, 'a', 'manifest-1-of-1.jsonl'), 'utf8');
  t.is(manifest.trim().split('\n').length, kept + 1);
});

test('A worker thread that dies is replaced, and the files are the same', async (t) => {
  const cwd = await folderWithModel(t);
  const args = (out: string) => command(300, '--count', '40', '--batch', '20', '--out', out);
  t.is((await haze(cwd, [...args('whole'), '--workers', '2'])).code, 0);
  // In the middle of its one long batch.
  const env = await killingFirstWorker(t, 50);
  const { exit } = startHaze(t, cwd, [...args('out'), '--workers', '2'], env);
  const { code, stderr } = await exit;
  t.is(code, 0, stderr);
  t.regex(stderr, /worker \d stopped while running \w+: .*; images \d+ to \d+ are drawn again/);
  t.regex(stderr, /1 worker lost/);
  t.deepEqual(await hashes(join(cwd, 'out')), await hashes(join(cwd, 'whole')));
});
