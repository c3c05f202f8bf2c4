import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { RunError, UsageError } from '../../src/errors.js';
import { checkNewRun, createRun, openRun, runPaths, writeConfig } from '../../src/io/run.js';
import { temporaryFolder } from '../helpers/folder.js';

const CONFIG = { seed: 7, kind: 'simple', widths: [16, 32], data: { path: 'cars', fit: 'squash' } };

test('a new run gets its folders and its config, and opens with the same config', async (t) => {
  const dir = join(await temporaryFolder(t), 'runs', 'first');
  const paths = await createRun(dir, CONFIG);
  t.deepEqual(paths, runPaths(dir));
  t.deepEqual((await readdir(dir)).sort(), ['checkpoints', 'config.json', 'samples']);
  t.deepEqual(await openRun(dir), { paths, config: CONFIG });
});

test('a run that exists is never written over: the error names --resume and another --out', async (t) => {
  const dir = await temporaryFolder(t);
  await createRun(dir, CONFIG);
  for (const create of [checkNewRun(dir), createRun(dir, { seed: 8 })])
    await t.throwsAsync(create, {
      instanceOf: UsageError,
      message: /holds a run \(config\.json, .*Add --resume .* another --out/,
    });
  t.deepEqual((await openRun(dir)).config, CONFIG);
});

test('a folder with anything of a run is not taken for a new one', async (t) => {
  const dir = await temporaryFolder(t);
  await mkdir(join(dir, 'checkpoints'));
  await t.throwsAsync(createRun(dir, CONFIG), {
    instanceOf: UsageError,
    message: /\(checkpoints\)/,
  });
  t.deepEqual(await readdir(dir), ['checkpoints']);
});

test('an empty folder and one with other files can hold a new run', async (t) => {
  const dir = await temporaryFolder(t);
  await writeFile(join(dir, 'notes.txt'), 'x');
  await createRun(dir, CONFIG);
  t.true((await readdir(dir)).includes('notes.txt'));
});

test('a file in the place of the run is refused', async (t) => {
  const file = join(await temporaryFolder(t), 'file');
  await writeFile(file, 'x');
  for (const dir of [file, join(file, 'run')])
    await t.throwsAsync(createRun(dir, CONFIG), {
      instanceOf: UsageError,
      message: `--out ${dir}: expected a folder to write to: part of the path is a file, not a folder (ENOTDIR)`,
    });
});

test('a folder without a run does not open', async (t) => {
  const dir = await temporaryFolder(t);
  for (const path of [dir, join(dir, 'none')])
    await t.throwsAsync(openRun(path), {
      instanceOf: UsageError,
      message: `${path}: expected a run (a folder with config.json), got none`,
    });
});

test('a config that is no JSON object is refused by its path', async (t) => {
  const dir = await temporaryFolder(t);
  const { config } = await createRun(dir, CONFIG);
  for (const text of ['', '{"seed":', '[1]', 'null', '{"seed":1,"seed":2}']) {
    await writeFile(config, text);
    const error = await t.throwsAsync(openRun(dir), { instanceOf: UsageError }, text);
    t.true(error?.message.startsWith(`${config}: expected a JSON object`), error?.message);
  }
});

test('a config is replaced whole, and stays when it cannot be written', async (t) => {
  const dir = await temporaryFolder(t);
  const paths = await createRun(dir, CONFIG);
  await writeConfig(paths, { ...CONFIG, steps: 30 });
  t.deepEqual((await openRun(dir)).config, { ...CONFIG, steps: 30 });
  t.true((await readFile(paths.config, 'utf8')).endsWith('}\n'));
  const nowhere = { ...paths, config: join(paths.config, 'config.json') };
  await t.throwsAsync(writeConfig(nowhere, {}), { instanceOf: RunError, message: /ENOTDIR/ });
  t.deepEqual((await readdir(dir)).sort(), ['checkpoints', 'config.json', 'samples']);
});
