import { spawnSync } from 'node:child_process';
import { existsSync, truncateSync, unlinkSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { RunError, UsageError } from '../../src/errors.js';
import {
  checkNewRun,
  checkWritable,
  createRun,
  gridPath,
  readJsonFile,
  readJsonFileSync,
  removeLeft,
  restoreRun,
  runPaths,
  writeConfig,
} from '../../src/io/run.js';
import { temporaryFolder } from '../helpers/folder.js';

const CONFIG = { seed: 7, kind: 'simple', widths: [16, 32], data: { path: 'cars', fit: 'squash' } };

test('a new run gets its folders and its config', async (t) => {
  const dir = join(await temporaryFolder(t), 'runs', 'first');
  const paths = await createRun(dir, CONFIG);
  t.deepEqual(paths, runPaths(dir));
  t.deepEqual((await readdir(dir)).sort(), ['checkpoints', 'config.json', 'samples']);
  t.deepEqual(await readJsonFile(paths.config), CONFIG);
});

test('an existing run is never overwritten: the error suggests --resume or another --out', async (t) => {
  const dir = await temporaryFolder(t);
  await createRun(dir, CONFIG);
  for (const create of [checkNewRun(dir), createRun(dir, { seed: 8 })])
    await t.throwsAsync(create, {
      instanceOf: UsageError,
      message: /holds a run \(config\.json, .*Add --resume .* another --out/,
    });
  t.deepEqual(await readJsonFile(runPaths(dir).config), CONFIG);
});

test('a folder with any part of a run is refused for a new one', async (t) => {
  const dir = await temporaryFolder(t);
  await mkdir(join(dir, 'checkpoints'));
  await t.throwsAsync(createRun(dir, CONFIG), {
    instanceOf: UsageError,
    message: /\(checkpoints\)/,
  });
  t.deepEqual(await readdir(dir), ['checkpoints']);
});

test('a new run may use an empty folder or one with other files', async (t) => {
  const dir = await temporaryFolder(t);
  await writeFile(join(dir, 'notes.txt'), 'x');
  await createRun(dir, CONFIG);
  t.true((await readdir(dir)).includes('notes.txt'));
});

test('a file in place of the run is refused', async (t) => {
  const file = join(await temporaryFolder(t), 'file');
  await writeFile(file, 'x');
  for (const dir of [file, join(file, 'run')])
    await t.throwsAsync(createRun(dir, CONFIG), {
      instanceOf: UsageError,
      message: `--out ${dir}: expected a folder to write to: part of the path is a file, not a folder (ENOTDIR)`,
    });
});

test('a file in place of one of its folders is named before a run begins', async (t) => {
  for (const name of ['checkpoints', 'samples']) {
    const run = join(await temporaryFolder(t), 'run');
    await mkdir(run);
    await writeFile(join(run, name), '');
    await t.throwsAsync(checkWritable(run), {
      instanceOf: RunError,
      message: `cannot write ${join(run, name)}: expected a folder, got a file`,
    });
  }
});

test('a config that is not a JSON object is refused with its path', async (t) => {
  const dir = await temporaryFolder(t);
  const { config } = await createRun(dir, CONFIG);
  for (const text of ['', '{"seed":', '[1]', 'null', '{"seed":1,"seed":2}']) {
    await writeFile(config, text);
    const error = await t.throwsAsync(readJsonFile(config), { instanceOf: UsageError }, text);
    t.true(error?.message.startsWith(`${config}: expected a JSON object`), error?.message);
  }
});

test('a config is replaced atomically, and stays if it cannot be written', async (t) => {
  const dir = await temporaryFolder(t);
  const paths = await createRun(dir, CONFIG);
  await writeConfig(paths, { ...CONFIG, steps: 30 });
  t.deepEqual(await readJsonFile(paths.config), { ...CONFIG, steps: 30 });
  t.true((await readFile(paths.config, 'utf8')).endsWith('}\n'));
  const nowhere = { ...paths, config: join(paths.config, 'config.json') };
  await t.throwsAsync(writeConfig(nowhere, {}), { instanceOf: RunError, message: /ENOTDIR/ });
  t.deepEqual((await readdir(dir)).sort(), ['checkpoints', 'config.json', 'samples']);
});

test('a config.json that is a pipe, a device or endless is refused without reading', async (t) => {
  if (process.platform === 'win32') return t.pass();
  const dir = await temporaryFolder(t);
  const { config } = await createRun(dir, CONFIG);
  truncateSync(config, 2 ** 40);
  await t.throwsAsync(readJsonFile(config), {
    instanceOf: UsageError,
    message: `${config}: expected a file of at most 1048576 bytes, got a longer one`,
  });
  unlinkSync(config);
  spawnSync('mkfifo', [config]);
  await t.throwsAsync(readJsonFile(config), {
    instanceOf: UsageError,
    message: `${config}: expected a file, got a pipe`,
  });
  await t.throwsAsync(readJsonFile('/dev/zero'), { message: /got a device/ });
});

test('a new run is locked after its folder is created, and before anything is written', async (t) => {
  const dir = join(await temporaryFolder(t), 'new');
  await createRun(dir, CONFIG, async () => t.deepEqual(await readdir(dir), []));
  // Another began a run, and ended it, between the first look and the lock.
  const other = join(await temporaryFolder(t), 'new');
  const begin = () => createRun(other, { seed: 8 });
  await t.throwsAsync(createRun(other, CONFIG, begin), {
    instanceOf: UsageError,
    message: /holds a run/,
  });
  t.deepEqual(await readJsonFile(runPaths(other).config), { seed: 8 });
  const held = join(await temporaryFolder(t), 'new');
  const refuse = async () => {
    await writeFile(join(held, 'of another'), 'x');
    throw new UsageError('another has it');
  };
  await t.throwsAsync(createRun(held, CONFIG, refuse), { message: 'another has it' });
  t.deepEqual(await readdir(held), ['of another']);
});

test("a clean-up removes Haze's partial files, and no files with other names", async (t) => {
  const dir = await temporaryFolder(t);
  const paths = await createRun(dir, CONFIG);
  const left = [
    '.config.json.1a2b3c4d.tmp',
    '.metrics.jsonl.00000000.tmp',
    '.loss.png.ffffffff.tmp',
  ];
  const stay = [
    '.config.json.tmp',
    '.config.json.1A2B3C4D.tmp',
    '.notes.txt.1a2b3c4d.tmp',
    'config.json.1a2b3c4d.tmp',
    '.anything.old',
    '.swp.tmp',
  ];
  for (const name of [...left, ...stay]) await writeFile(join(dir, name), 'half');
  // A folder that is linked to is another's; a folder by a name of ours is not ours.
  const elsewhere = await temporaryFolder(t);
  await rm(paths.samples, { recursive: true });
  await symlink(elsewhere, paths.samples);
  for (const name of ['.step-20.png.1a2b3c4d.tmp', '.holiday.png.1a2b3c4d.tmp', '.step-1.png.old'])
    await writeFile(join(elsewhere, name), 'half');
  await mkdir(join(elsewhere, '.step-30.png.1a2b3c4d.tmp'));
  await removeLeft(paths);
  const own = ['checkpoints', 'config.json', 'samples'];
  t.deepEqual((await readdir(dir)).sort(), [...own, ...stay].sort());
  t.deepEqual((await readdir(elsewhere)).sort(), [
    '.holiday.png.1a2b3c4d.tmp',
    '.step-1.png.old',
    '.step-30.png.1a2b3c4d.tmp',
  ]);
});

test('a new run removes what a killed process left in its folder', async (t) => {
  const dir = await temporaryFolder(t);
  await writeFile(join(dir, '.config.json.1a2b3c4d.tmp'), '{"se');
  await createRun(dir, CONFIG);
  t.deepEqual((await readdir(dir)).sort(), ['checkpoints', 'config.json', 'samples']);
});

test('a deleted run is rewritten under its lock', async (t) => {
  const dir = join(await temporaryFolder(t), 'run');
  const paths = await createRun(dir, CONFIG);
  let held = 0;
  const hold = async () => {
    t.true(existsSync(dir));
    held++;
  };
  t.false(await restoreRun(paths, CONFIG, hold));
  await rm(dir, { recursive: true });
  t.true(await restoreRun(paths, CONFIG, hold));
  t.deepEqual(await readJsonFile(runPaths(dir).config), CONFIG);
  t.true(existsSync(join(gridPath(paths, 20), '..')));
  t.is(held, 2);
});

test('a config edited on Windows is read, with a byte order mark and CRLF', async (t) => {
  const path = join(await temporaryFolder(t), 'config.json');
  await writeFile(path, '\ufeff{\r\n  "version": 1\r\n}\r\n');
  t.deepEqual(await readJsonFile(path), { version: 1 });
  t.deepEqual(readJsonFileSync(path), { version: 1 });
});
