import { spawnSync } from 'node:child_process';
import { appendFile, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import test from 'ava';
import { RunError, UsageError } from '../../src/errors.js';
import { cutBack, type Metrics, MetricsLog, readMetrics } from '../../src/io/metrics.js';
import { temporaryFolder } from '../helpers/folder.js';

const step = (n: number): Metrics => ({
  step: n,
  epoch: 0,
  loss: 1 / n,
  lr: 1e-3,
  imagesPerSecond: 50,
  ms: { unet: 12.5 },
});

const heldOut = (n: number): Metrics => ({ step: n, epoch: 1, heldOutLoss: 0.5 });

async function logged(path: string, lines: readonly Metrics[]): Promise<void> {
  const log = MetricsLog.open(path);
  for (const line of lines) log.append(line);
  log.close();
}

test('lines appended in several sessions are read back', async (t) => {
  const path = join(await temporaryFolder(t), 'metrics.jsonl');
  await logged(path, [step(1), step(2)]);
  await logged(path, [heldOut(2), step(3)]);
  t.deepEqual(await readMetrics(path), [step(1), step(2), heldOut(2), step(3)]);
  t.is((await readFile(path, 'utf8')).split('\n').length, 5);
});

test('a line can be read as soon as it is appended', async (t) => {
  const path = join(await temporaryFolder(t), 'metrics.jsonl');
  const log = MetricsLog.open(path);
  log.append(step(1));
  t.deepEqual(await readMetrics(path), [step(1)]);
  log.flush();
  log.close();
  log.close();
  t.throws(() => log.append(step(2)), { instanceOf: RunError, message: /the log is closed/ });
});

test('a resume truncates the log to its checkpoint, including held-out lines', async (t) => {
  const path = join(await temporaryFolder(t), 'metrics.jsonl');
  await logged(path, [step(1), step(2), heldOut(2), step(3), heldOut(3)]);
  await cutBack(path, 2);
  t.deepEqual(await readMetrics(path), [step(1), step(2), heldOut(2)]);
  await cutBack(path, 0);
  t.is(await readFile(path, 'utf8'), '');
});

test('truncation keeps the bytes of the remaining lines', async (t) => {
  const path = join(await temporaryFolder(t), 'metrics.jsonl');
  const line = `{"note": "kept", ${JSON.stringify(step(1)).slice(1)}\n`;
  await writeFile(path, `${line}${JSON.stringify(step(2))}\n`);
  await cutBack(path, 1);
  t.is(await readFile(path, 'utf8'), line);
});

test('a last line truncated by a crash is ignored and removed', async (t) => {
  const path = join(await temporaryFolder(t), 'metrics.jsonl');
  const whole = JSON.stringify(step(2));
  for (const torn of [whole.slice(0, 1), whole.slice(0, -1), '\0\0\0', '2']) {
    await writeFile(path, '');
    await logged(path, [step(1)]);
    await appendFile(path, torn);
    t.deepEqual(await readMetrics(path), [step(1)], torn);
    await cutBack(path, 5);
    await logged(path, [step(2)]);
    t.deepEqual(await readMetrics(path), [step(1), step(2)], torn);
  }
});

test('a complete last line without a newline counts', async (t) => {
  const path = join(await temporaryFolder(t), 'metrics.jsonl');
  await writeFile(path, `${JSON.stringify(step(1))}\n${JSON.stringify(step(2))}`);
  await cutBack(path, 9);
  await logged(path, [step(3)]);
  t.deepEqual(await readMetrics(path), [step(1), step(2), step(3)]);
});

test('a malformed line in the middle is refused by its number', async (t) => {
  const path = join(await temporaryFolder(t), 'metrics.jsonl');
  for (const line of [
    '',
    '{',
    'null',
    '[1]',
    '{"step":1}',
    '{"step":"1","epoch":0,"heldOutLoss":1}',
  ]) {
    await writeFile(path, `${JSON.stringify(step(1))}\n${line}\n${JSON.stringify(step(3))}\n`);
    for (const read of [readMetrics(path), cutBack(path, 1)]) {
      const error = await t.throwsAsync(read, { instanceOf: UsageError }, line);
      t.true(error?.message.startsWith(`${path}:2: expected a step's metrics`), error?.message);
    }
  }
});

test('a loss that was not a number reads as NaN', async (t) => {
  const path = join(await temporaryFolder(t), 'metrics.jsonl');
  await logged(path, [{ ...step(1), loss: Number.NaN } as Metrics]);
  const [read] = await readMetrics(path);
  t.true(read !== undefined && 'loss' in read && Number.isNaN(read.loss));
});

test('a run without a log has no metrics, and nothing to truncate', async (t) => {
  const path = join(await temporaryFolder(t), 'metrics.jsonl');
  t.deepEqual(await readMetrics(path), []);
  await cutBack(path, 3);
  t.deepEqual(await readMetrics(path), []);
});

test('a log that cannot be opened or read says why', async (t) => {
  const dir = await temporaryFolder(t);
  const path = join(dir, 'none', 'metrics.jsonl');
  t.throws(() => MetricsLog.open(path), {
    instanceOf: RunError,
    message: `cannot write ${path}: no such file or folder (ENOENT)`,
  });
  await mkdir(path, { recursive: true });
  await t.throwsAsync(readMetrics(path), { instanceOf: UsageError, message: /got a folder/ });
});

test('a log that is a pipe or a device is refused without waiting', async (t) => {
  if (process.platform === 'win32') return t.pass();
  const pipe = join(await temporaryFolder(t), 'metrics.jsonl');
  spawnSync('mkfifo', [pipe]);
  for (const [path, kind] of [
    [pipe, 'a pipe'],
    ['/dev/null', 'a device'],
  ] as const) {
    const refusal = { instanceOf: UsageError, message: `${path}: expected a file, got ${kind}` };
    t.throws(() => MetricsLog.open(path), refusal);
    await t.throwsAsync(readMetrics(path), refusal);
  }
  await t.throwsAsync(cutBack(pipe, 3), { instanceOf: UsageError });
  t.deepEqual(await readdir(dirname(pipe)), ['metrics.jsonl']);
});

test('truncation keeps the lines of a long log, and reports what was logged for its last step', async (t) => {
  const path = join(await temporaryFolder(t), 'metrics.jsonl');
  const lines = Array.from({ length: 6000 }, (_, i) => step(i + 1));
  await logged(path, [...lines, heldOut(6000), step(6001)]);
  t.deepEqual(await cutBack(path, 6000), [step(6000), heldOut(6000)]);
  t.deepEqual(await readMetrics(path), [...lines, heldOut(6000)]);
});

test('a deleted log is rewritten with all its lines, and a replaced one is continued', async (t) => {
  const path = join(await temporaryFolder(t), 'metrics.jsonl');
  const log = MetricsLog.open(path);
  log.append(step(1));
  log.append(step(2));
  await rm(path);
  log.flush();
  log.append(step(3));
  t.deepEqual(await readMetrics(path), [step(1), step(2), step(3)]);
  await writeFile(`${path}.edited`, `${JSON.stringify(step(1))}\n`);
  await rename(`${path}.edited`, path);
  log.flush();
  log.append(step(4));
  log.close();
  t.deepEqual(await readMetrics(path), [step(1), step(4)]);
});

test('a log with CRLF line ends is read', async (t) => {
  const path = join(await temporaryFolder(t), 'metrics.jsonl');
  const lines = [
    { step: 1, epoch: 0, heldOutLoss: 0.5 },
    { step: 2, epoch: 0, heldOutLoss: 0.25 },
  ];
  await writeFile(path, lines.map((line) => `${JSON.stringify(line)}\r\n`).join(''));
  t.deepEqual(await readMetrics(path), lines);
});
