import { cp, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { RunError } from '../../src/errors.js';
import { latestCheckpoint, writeCheckpoint } from '../../src/io/checkpoint.js';
import { readCheckpoint, sampleCheckpoint, sampleParts } from '../helpers/checkpoints.js';
import { type Fault, withFault } from '../helpers/faulty-files.js';
import { temporaryFolder } from '../helpers/folder.js';

// Serial: the faults are put into the one `fs` that all tests of this process share.

/** Writes a checkpoint over and over, each time with a fault one operation later, until none strikes. */
async function everyFault(
  t: ExecutionContext,
  fault: Fault,
  step: number,
  check: (run: string, error: unknown) => Promise<void>,
): Promise<void> {
  const base = await temporaryFolder(t);
  const before = join(base, 'before');
  for (const old of [10, 20]) await writeCheckpoint(before, old, sampleCheckpoint(old), 2);
  let at = 0;
  for (let struck = true; struck; at++) {
    const run = join(base, `run-${at}`);
    await cp(before, run, { recursive: true });
    const result = await withFault(fault, at, () =>
      writeCheckpoint(run, step, sampleCheckpoint(30, step), 2),
    );
    struck = result.struck;
    if (struck) await check(run, result.error);
    else t.is(result.error, undefined);
  }
  t.true(at > 20, `${at} operations`);
}

/** The latest checkpoint must be whole: the new one, or the one before. */
async function checkLatest(t: ExecutionContext, run: string): Promise<void> {
  const latest = await latestCheckpoint(run);
  if (latest === undefined) return t.fail('no checkpoint is left');
  const { step, ...read } = await readCheckpoint(latest);
  const isNew = step === 30 || read.state.epoch === 30;
  t.deepEqual(read, sampleParts(isNew ? 30 : 20, step));
}

/** The next run goes on as if nothing had been. */
async function checkNext(t: ExecutionContext, run: string): Promise<void> {
  await writeCheckpoint(run, 40, sampleCheckpoint(40), 1);
  t.deepEqual((await readdir(join(run, 'checkpoints'))).sort(), ['latest', 'step-40']);
}

for (const [step, what] of [
  [30, 'a new checkpoint'],
  [20, 'a checkpoint that replaces the latest'],
] as const) {
  test.serial(`a crash at any operation of ${what} leaves a complete checkpoint`, async (t) => {
    await everyFault(t, 'crash', step, async (run) => {
      await checkLatest(t, run);
      await checkNext(t, run);
    });
  });

  test.serial(
    `a full disk at any operation of ${what} is a RunError and leaves a complete checkpoint`,
    async (t) => {
      await everyFault(t, 'ENOSPC', step, async (run, error) => {
        if (error !== undefined) {
          t.true(error instanceof RunError, String(error));
          t.regex(String(error), /cannot write .*: the disk is full \(ENOSPC\)/);
        }
        const names = await readdir(join(run, 'checkpoints'));
        t.false(
          names.some((name) => name.endsWith('.tmp')),
          names.join(),
        );
        await checkLatest(t, run);
        await checkNext(t, run);
      });
    },
  );
}
