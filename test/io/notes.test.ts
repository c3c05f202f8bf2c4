import { execFileSync } from 'node:child_process';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { NotesLog, parseNote } from '../../src/io/notes.js';
import { train } from '../../src/train/train.js';
import { temporaryFolder } from '../helpers/folder.js';
import { prepared } from '../helpers/run.js';

const notesIn = async (path: string) =>
  (await readFile(path, 'utf8')).trim().split('\n').map(parseNote);

test('notes are kept until the run has begun, and while its folder is deleted', async (t) => {
  const folder = join(await temporaryFolder(t), 'run');
  await mkdir(folder);
  const path = join(folder, 'notes.jsonl');
  const log = new NotesLog(path);
  const [a, b, c] = ['a', 'b\nb', 'c'].map((text, step) => ({ step, kind: 'note' as const, text }));
  log.add(a!);
  await t.throwsAsync(readFile(path), { code: 'ENOENT' });
  log.begin();
  t.deepEqual(await notesIn(path), [a]);
  await rm(folder, { recursive: true });
  log.add(b!);
  await mkdir(folder);
  log.add(c!);
  t.deepEqual(await notesIn(path), [b, c]);
});

const withPipes = process.platform === 'win32' ? test.skip : test;

withPipes('a log that is a pipe is not waited for', async (t) => {
  const path = join(await temporaryFolder(t), 'notes.jsonl');
  execFileSync('mkfifo', [path]);
  const log = new NotesLog(path);
  log.begin();
  const note = { step: 1, kind: 'note', text: 'kept' } as const;
  log.add(note);
  await rm(path);
  log.add(note);
  t.deepEqual(await notesIn(path), [note, note]);
});

test('malformed notes are ignored', (t) => {
  for (const line of ['', '{}', 'null', '[1]', '{"step":1,"kind":"other","text":"x"}', '{"step":1'])
    t.is(parseNote(line), undefined, line);
});

test('a run keeps its notes and warnings, each with its step; a resume adds its own', async (t) => {
  const { options } = await prepared(t, { steps: 2 });
  const path = join(options.out, 'notes.jsonl');
  await train(options);
  const first = await notesIn(path);
  t.like(first[0], { step: 0, kind: 'note' });
  t.regex(first[0]!.text, /^model /);
  t.true(first.some((note) => note!.text.startsWith('memory ')));
  const config = { ...options.config, training: { ...options.config.training, steps: 3 } };
  await train({ ...options, config, resume: true });
  const both = await notesIn(path);
  t.deepEqual(both.slice(0, first.length), first);
  t.true(both.slice(first.length).some((note) => /^resuming at step 2 /.test(note!.text)));
});
