import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import test from 'ava';
import { Interrupted, RunError } from '../../src/errors.js';
import { runPaths } from '../../src/io/run.js';
import { train } from '../../src/train/train.js';
import { prepared } from '../helpers/run.js';

interface Note {
  readonly step: number;
  readonly kind: string;
  readonly text: string;
}

const notesOf = (out: string): Note[] =>
  readFileSync(runPaths(out).notes, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Note);

test('the last note says what ended a run, until it continues', async (t) => {
  const { options } = await prepared(t, { steps: 2 });
  await train(options);
  t.true(notesOf(options.out).every(({ kind }) => kind !== 'ended'));
  const longer = (steps: number, change: object = {}) => ({
    ...options,
    config: { ...options.config, training: { ...options.config.training, steps, ...change } },
    resume: true,
  });
  // As if it had been begun with another rate.
  const begunAt = (lr: number) => {
    const { config } = longer(9, { lr });
    writeFileSync(runPaths(options.out).config, JSON.stringify(config));
  };
  begunAt(1e30);
  const error = await t.throwsAsync(train(longer(9, { lr: 1e30 })), { instanceOf: RunError });
  t.deepEqual(notesOf(options.out).at(-1), { step: 3, kind: 'ended', text: error.message });
  begunAt(options.config.training.lr);
  await train(longer(4));
  t.not(notesOf(options.out).at(-1)!.kind, 'ended');
});

test('the last note says that a run was interrupted; a run without a step leaves nothing', async (t) => {
  const { options } = await prepared(t);
  const early = new AbortController();
  early.abort();
  await t.throwsAsync(train({ ...options, signal: early.signal }), { instanceOf: Interrupted });
  t.false(existsSync(options.out));
  const controller = new AbortController();
  const onEvent = ({ kind }: { readonly kind: string }) => {
    if (kind === 'step') controller.abort();
  };
  await t.throwsAsync(train({ ...options, signal: controller.signal, onEvent }), {
    instanceOf: Interrupted,
  });
  const { kind, text } = notesOf(options.out).at(-1)!;
  t.is(kind, 'ended');
  t.regex(text, /^interrupted at step \d+; saved /);
});
