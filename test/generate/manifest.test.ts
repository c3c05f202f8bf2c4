import { spawnSync } from 'node:child_process';
import { truncateSync } from 'node:fs';
import { appendFile, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { RunError, UsageError } from '../../src/errors.js';
import {
  headerLine,
  type Line,
  Manifest,
  manifests,
  readManifest,
} from '../../src/generate/manifest.js';
import { temporaryFolder } from '../helpers/folder.js';

const maker = { version: '1', device: 'wasm', arithmetic: 'wasm', build: 'strict' };
const header = headerLine({ seed: 1, format: 'png' }, maker);
const image = (index: number) => ({ index, seed: 1, file: `${index}.png`, sha256: 'ab' });

async function lines(path: string): Promise<Line[]> {
  const read: Line[] = [];
  for await (const line of readManifest(path)) read.push(line);
  return read;
}

test('A manifest written in several sessions is read back unchanged', async (t) => {
  const path = join(await temporaryFolder(t), 'manifest-1-of-1.jsonl');
  const written = [header, image(0), image(1), { file: 'images.npz', images: 2, sha256: 'cd' }];
  for (const line of written) {
    const manifest = await Manifest.open(path);
    manifest.append(line);
    manifest.close();
    manifest.close();
  }
  t.deepEqual(await lines(path), written);
});

test('A line truncated at any byte by a crash is skipped, and removed before the next line', async (t) => {
  const path = join(await temporaryFolder(t), 'manifest-1-of-1.jsonl');
  const whole = `${JSON.stringify(header)}\n${JSON.stringify(image(0))}\n`;
  const last = JSON.stringify(image(1));
  for (let length = 0; length < last.length; length += 7) {
    await writeFile(path, whole + last.slice(0, length));
    t.deepEqual(await lines(path), [header, image(0)]);
    const manifest = await Manifest.open(path);
    manifest.append(image(2));
    manifest.close();
    t.is(await readFile(path, 'utf8'), `${whole}${JSON.stringify(image(2))}\n`);
  }
});

test('Damaged lines are skipped, and lines without a header before them are ignored', async (t) => {
  const path = join(await temporaryFolder(t), 'manifest-1-of-1.jsonl');
  const bad = [
    '{',
    '[]',
    'null',
    '{"index":"0"}',
    '{"settings":3}',
    '{"file":"x"}',
    '\u0000\u00ff',
  ];
  const text = [image(0), header, image(1)].map((line) => JSON.stringify(line));
  await writeFile(path, `${[text[0], ...bad, ...text.slice(1), ...bad].join('\n')}\n`);
  await appendFile(path, `${JSON.stringify(image(2))}\n`);
  t.deepEqual(await lines(path), [header, image(1), image(2)]);
});

test('A damaged header is not mistaken for one with other settings', async (t) => {
  const path = join(await temporaryFolder(t), 'manifest-1-of-1.jsonl');
  const text = JSON.stringify(header);
  const after = [header, image(0)].map((line) => JSON.stringify(line)).join('\n');
  for (let at = 0; at < text.length; at++)
    for (const byte of ['0', 'x', '"', ' ']) {
      if (text[at] === byte) continue;
      await writeFile(path, `${text.slice(0, at)}${byte}${text.slice(at + 1)}\n${after}\n`);
      t.deepEqual(await lines(path), [header, image(0)], `${byte} at ${at}`);
    }
});

test('All manifests of shards in a folder are found, and none without a folder', async (t) => {
  const folder = await temporaryFolder(t);
  t.deepEqual(await manifests(join(folder, 'none')), []);
  const names = ['manifest-1-of-2.jsonl', 'manifest-2-of-2.jsonl'];
  for (const name of [...names, 'manifest.jsonl', '000000.png'])
    await writeFile(join(folder, name), '');
  t.deepEqual(
    await manifests(folder),
    names.map((name) => join(folder, name)),
  );
});

test('A manifest that is a pipe or endless is refused without waiting', async (t) => {
  if (process.platform === 'win32') return t.pass();
  const path = join(await temporaryFolder(t), 'manifest-1-of-1.jsonl');
  await writeFile(path, '');
  truncateSync(path, 2 ** 40);
  await t.throwsAsync(lines(path), { instanceOf: UsageError, message: /got a longer one/ });
  await rm(path);
  spawnSync('mkfifo', [path]);
  for (const open of [lines(path), Manifest.open(path)])
    await t.throwsAsync(open, {
      instanceOf: UsageError,
      message: `${path}: expected a file, got a pipe`,
    });
});

test('A run whose manifest is deleted meanwhile fails at its end', async (t) => {
  const path = join(await temporaryFolder(t), 'manifest-1-of-1.jsonl');
  const manifest = await Manifest.open(path);
  manifest.append(header);
  await rm(path);
  t.throws(() => manifest.close(), {
    instanceOf: RunError,
    message: `${path}: the manifest was deleted while images were drawn`,
  });
  manifest.close();
});
