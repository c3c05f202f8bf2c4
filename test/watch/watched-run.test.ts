import {
  appendFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { cutBack } from '../../src/io/metrics.js';
import type { RunList, RunMessage } from '../../src/watch/messages.js';
import { WatchedRun } from '../../src/watch/watched-run.js';
import { WatchedRuns } from '../../src/watch/watched-runs.js';
import { temporaryFolder } from '../helpers/folder.js';
import {
  appendSteps,
  ask,
  askJson,
  linesOf,
  range,
  serving,
  stepOf,
  writePng,
  writeRun,
} from '../helpers/watch.js';

/** A served run, and what its page is told. What was read is kept for a moment, so each question waits for that. */
async function watched(t: ExecutionContext, steps: number, config: object = {}) {
  const folder = await temporaryFolder(t);
  const run = writeRun(folder, 'run', steps, config);
  const url = await serving(t, await WatchedRuns.open(run));
  const told = async (query = '') => {
    await new Promise((resolve) => setTimeout(resolve, 250));
    return askJson<RunMessage>(url, `/run/run${query}`);
  };
  return { folder, run, url, told };
}

test('a page receives the whole log, and then only what is new', async (t) => {
  const { run, told } = await watched(t, 25);
  const all = await told();
  t.is(all.state, 'training');
  t.deepEqual(all.steps.first, range(1, 25));
  t.deepEqual(
    all.steps.means.loss,
    range(1, 25).map((step) => 1 / step),
  );
  t.deepEqual(Object.keys(all.steps.means).sort(), [
    ...['imagesPerSecond', 'loss', 'lr', 'ms prepare', 'ms unet', 'q0', 'q3'],
  ]);
  t.deepEqual(all.heldOuts.first, [10, 20]);
  t.deepEqual(all.heldOuts.means.heldOutLoss, [1.1 / 10, 1.1 / 20]);
  t.like(all, { totalSteps: 40, heldOut: { step: 20, loss: 1.1 / 20 } });
  t.like(all.now, { step: 25, epoch: 3, imagesPerSecond: 50 });
  // Four images a step at fifty a second, and fifteen steps.
  t.true(Math.abs(all.secondsLeft! - 1.2) < 1e-9);
  appendSteps(run, 26, 27);
  const more = await told(`?steps=${all.steps.generation}.24&heldOut=${all.heldOuts.generation}.1`);
  t.is(more.steps.from, 24);
  t.deepEqual(more.steps.first, [25, 26, 27]);
  t.deepEqual(more.heldOuts.first, [20]);
});

test('a run is finished at its last step, and quiet if there was no step for long', async (t) => {
  const { run, told } = await watched(t, 12);
  const metrics = join(run, 'metrics.jsonl');
  const longAgo = Date.now() / 1000 - 3600;
  utimesSync(metrics, longAgo, longAgo);
  const quiet = await told();
  t.is(quiet.state, 'quiet');
  t.true(quiet.idle! > 3590);
  appendSteps(run, 13, 40);
  t.is((await told()).state, 'finished');
});

test('a run of rounds, which workers may log at once, is quiet after two of them', async (t) => {
  const training = { batch: 4, steps: 4000, replicas: 2, syncEvery: 100 };
  const { run, told } = await watched(t, 100, { training });
  // Eight images a step at fifty a second: sixteen seconds a round.
  for (const [seconds, state] of [
    [25, 'training'],
    [40, 'quiet'],
  ] as const) {
    const then = Date.now() / 1000 - seconds;
    utimesSync(join(run, 'metrics.jsonl'), then, then);
    t.is((await told()).state, state, `${seconds} s`);
  }
});

test('the length of a run in epochs is known once the run has said it, and anew after a resume', async (t) => {
  const training = { batch: 4, epochs: 5, steps: null };
  const { run, told } = await watched(t, 9, { training });
  t.is((await told()).totalSteps, null);
  const said = (totalSteps: unknown, memory: unknown) =>
    appendFileSync(
      join(run, 'notes.jsonl'),
      linesOf([{ step: 0, kind: 'note', text: 'length', facts: { totalSteps, memory } }]),
    );
  said(50, ['1 MiB', 'for batches of 4']);
  t.like(await told(), { totalSteps: 50, memory: ['1 MiB', 'for batches of 4'] });
  said('many', undefined);
  said(70, undefined);
  t.like(await told(), { totalSteps: 70, memory: ['1 MiB', 'for batches of 4'] });
});

test('a resume that truncates the log removes the later steps from the page', async (t) => {
  const { run, told } = await watched(t, 30);
  const before = await told();
  await cutBack(join(run, 'metrics.jsonl'), 12);
  const after = await told(`?steps=${before.steps.generation}.29`);
  t.not(after.steps.generation, before.steps.generation);
  t.deepEqual(after.steps.first, range(1, 12));
  t.like(after.heldOut, { step: 10 });
});

test('the sound part of a truncated or damaged log is shown, with a message', async (t) => {
  const { run, told } = await watched(t, 5);
  const metrics = join(run, 'metrics.jsonl');
  const sound = readFileSync(metrics, 'utf8');
  writeFileSync(metrics, `${sound}{"step": 6, "epo`);
  t.deepEqual((await told()).faults, []);
  writeFileSync(metrics, `${sound}no metrics\n${linesOf([stepOf(3), stepOf(6)])}`);
  const { steps, faults } = await told();
  t.deepEqual(steps.first, [1, 2, 3, 4, 5, 6]);
  t.deepEqual(faults, ['metrics.jsonl: 2 lines skipped: not metrics, or out of order']);
});

test('a run that is deleted stays as it was shown, with a message, and is read again if it returns', async (t) => {
  const { folder, run, told } = await watched(t, 20);
  await writePng(join(run, 'film.png'), 1);
  t.is((await told()).pictures.length, 1);
  rmSync(run, { recursive: true });
  const gone = await told();
  t.is(gone.state, 'gone');
  t.is(gone.steps.first.length, 20);
  t.is(gone.pictures.length, 1);
  writeRun(folder, 'run', 3);
  const back = await told();
  t.is(back.state, 'training');
  t.is(back.steps.first.length, 3);
});

test('an unreadable config is named, and the losses are still shown', async (t) => {
  const { run, told } = await watched(t, 4);
  writeFileSync(join(run, 'config.json'), '{"training": ');
  const { faults, steps } = await told();
  t.regex(faults[0]!, /^config\.json: .*expected a JSON object, got none/);
  t.is(steps.first.length, 4);
});

test('a message has settings as rows of text, and the notes, samples and pictures of the folder', async (t) => {
  const { run, told } = await watched(t, 2, { model: { widths: [8, 16] }, note: '<b>' });
  writeFileSync(
    join(run, 'notes.jsonl'),
    linesOf([
      { step: 0, kind: 'note', text: 'memory  1 MiB' },
      { step: 1, kind: 'warning', text: 'slow' },
      { step: 1, kind: 'other', text: 'not ours' },
    ]),
  );
  await writePng(join(run, 'samples', 'step-1.png'), 1);
  await writePng(join(run, 'samples', 'step-12.png'), 2);
  await writePng(join(run, 'samples', 'step-2.png'), 3);
  await writePng(join(run, 'loss.png'), 3);
  writeFileSync(join(run, 'drawing.svg'), '<svg/>');
  await writePng(join(run, 'film.png'), 4);
  const { config, remarks, samples, pictures } = await told();
  t.deepEqual(config, [
    ['version', '1'],
    ['training.batch', '4'],
    ['training.steps', '40'],
    ['model.widths', '[8,16]'],
    ['note', '<b>'],
  ]);
  t.deepEqual(remarks, [
    { kind: 'note', text: 'memory  1 MiB' },
    { kind: 'warning', text: 'slow' },
  ]);
  t.deepEqual(
    samples.map(([step]) => step),
    [1, 2, 12],
  );
  t.deepEqual(
    pictures.map(({ name }) => name),
    ['film.png'],
  );
});

test('a long log is read in parts to its end, and thinned', async (t) => {
  const folder = await temporaryFolder(t);
  const run = writeRun(folder, 'run', 0, { training: { batch: 4, steps: 60_000 } });
  writeFileSync(join(run, 'metrics.jsonl'), linesOf(range(1, 60_000).map((step) => stepOf(step))));
  const url = await serving(t, await WatchedRuns.open(run));
  let message = await askJson<RunMessage>(url, '/run/run');
  t.is(message.state === 'reading', message.read < 1);
  while (message.state === 'reading') message = await askJson<RunMessage>(url, '/run/run');
  t.is(message.state, 'finished');
  t.true(message.steps.first.length <= 2048);
  t.is(message.steps.last.at(-1), 60_000);
});

test('all runs of a folder are shown, also later ones; a path that is neither a run nor such a folder is refused', async (t) => {
  const folder = await temporaryFolder(t);
  const nothing = join(folder, 'nothing');
  await t.throwsAsync(WatchedRuns.open(nothing), {
    message: /nothing: expected a run .*got nothing/,
  });
  mkdirSync(nothing);
  await t.throwsAsync(WatchedRuns.open(nothing), { message: /or a folder of runs, got neither/ });
  const runs = join(folder, 'runs');
  writeRun(runs, '1', 3);
  const name = '<img src=x onerror=alert(1)> ü %2e';
  writeRun(runs, name, 4);
  mkdirSync(join(runs, 'no run'));
  const url = await serving(t, await WatchedRuns.open(runs));
  t.like(await askJson<RunList>(url, '/runs'), { place: runs, single: false });
  t.deepEqual([...(await askJson<RunList>(url, '/runs')).runs].sort(), ['1', name]);
  const odd = await askJson<RunMessage>(url, `/run/${encodeURIComponent(name)}`);
  t.like(odd, { name, state: 'training' });
  writeRun(runs, '3', 5);
  t.is((await askJson<RunList>(url, '/runs')).runs.length, 3);
  renameSync(join(runs, name), join(folder, 'moved'));
  t.true((await askJson<RunList>(url, '/runs')).runs.includes(name), 'it was shown, so it stays');
});

test('a future run is waited for', async (t) => {
  const folder = await temporaryFolder(t);
  const url = await serving(t, WatchedRuns.ofRun(join(folder, 'run')));
  t.like(await askJson<RunMessage>(url, '/run/run'), { state: 'waiting', now: null });
  t.is((await ask(url, '/picture/run/film.png')).status, 404);
  writeRun(folder, 'run', 3);
  t.like(await askJson<RunMessage>(url, '/run/run'), { state: 'training' });
});

test('a message with a step has the total number of steps, even if the run starts meanwhile', async (t) => {
  const folder = await realpath(await temporaryFolder(t));
  const run = new WatchedRun(folder, join(folder, 'run'), 'run');
  // The run begins between two readings.
  const { losses } = run as unknown as { losses: { follow(): Promise<unknown> } };
  const follow = losses.follow.bind(losses);
  losses.follow = () => {
    writeRun(folder, 'run', 3);
    return follow();
  };
  const nothing = { generation: '', from: 0 };
  const message = await run.message(nothing, nothing);
  t.like(message, { state: 'training', totalSteps: 40 });
  t.is(message.now?.step, 3);
});

test('a run without a step is waiting, whatever files it has', async (t) => {
  const { told } = await watched(t, 0);
  t.like(await told(), { state: 'waiting', now: null });
});

test('a page receives what ended a run, until the run continues', async (t) => {
  const { run, told } = await watched(t, 12);
  const notes = join(run, 'notes.jsonl');
  const ended = linesOf([
    { step: 0, kind: 'note', text: 'device  wasm' },
    { step: 12, kind: 'ended', text: 'step 13: the loss is NaN' },
  ]);
  writeFileSync(notes, ended);
  const stopped = await told();
  t.like(stopped, { state: 'stopped', secondsLeft: null });
  t.deepEqual(stopped.remarks.at(-1), { kind: 'ended', text: 'step 13: the loss is NaN' });
  appendFileSync(notes, linesOf([{ step: 12, kind: 'note', text: 'resuming at step 12' }]));
  appendSteps(run, 13, 13);
  t.is((await told()).state, 'training');
});

test('unreadable files are named, and the rest is shown', async (t) => {
  const { run, told } = await watched(t, 4);
  mkdirSync(join(run, 'notes.jsonl'));
  rmSync(join(run, 'samples'), { recursive: true });
  symlinkSync('/', join(run, 'samples'));
  const { faults, steps } = await told();
  t.regex(faults[0]!, /^notes\.jsonl: .*expected a file, got a folder$/);
  t.regex(faults[1]!, /^samples: .*got a link out of it$/);
  t.is(faults.length, 2);
  t.is(steps.first.length, 4);
});

test('a log that becomes unreadable is a fault, and is not waited for', async (t) => {
  const { run, told } = await watched(t, 4);
  t.is((await told()).state, 'training');
  const metrics = join(run, 'metrics.jsonl');
  rmSync(metrics);
  mkdirSync(metrics);
  const { faults, state, steps } = await told();
  t.regex(faults[0]!, /^metrics\.jsonl: .*expected a file, got a folder$/);
  t.not(state, 'reading');
  t.is(steps.first.length, 4);
});

test('a file in place of a run’s folder is not a run', async (t) => {
  const { run, told } = await watched(t, 4);
  t.is((await told()).state, 'training');
  rmSync(run, { recursive: true });
  writeFileSync(run, 'a file');
  t.like(await told(), { state: 'gone', faults: [] });
});

test('invalid numbers and very many names break no page and fill no memory', async (t) => {
  const { run, told } = await watched(t, 3);
  const odd = JSON.stringify(stepOf(4)).replace('"epoch":0', '"epoch":null');
  const many = range(6, 201).map((step) =>
    stepOf(step, { ms: Object.fromEntries(range(1, 30).map((i) => [`part ${step} ${i}`, 1])) }),
  );
  const long = stepOf(5, { ms: { ['x'.repeat(10_000)]: 1, own: 2 } });
  appendFileSync(join(run, 'metrics.jsonl'), `${odd}\n${linesOf([long, ...many])}`);
  const name = 'n'.repeat(10_000);
  const config = { [name]: { [name]: 1 }, training: { steps: 300 } };
  writeFileSync(join(run, 'config.json'), JSON.stringify(config));
  const message = await told();
  t.is(message.now?.step, 201);
  const names = Object.keys(message.steps.means);
  t.true(names.length <= 64);
  t.true(names.every((name) => name.length < 200));
  t.true(JSON.stringify(message).length < 400_000);
  t.deepEqual(message.faults, ['metrics.jsonl: 1 line skipped: not metrics, or out of order']);
});

test('new and changed grids are noticed, long after the others', async (t) => {
  const { run, told } = await watched(t, 20);
  const samples = join(run, 'samples');
  const longAgo = Date.now() / 1000 - 3600;
  for (const step of [5, 10]) await writePng(join(samples, `step-${step}.png`), step);
  utimesSync(samples, longAgo, longAgo);
  const stepsIn = ({ samples }: RunMessage) => samples.map(([step]) => step);
  const before = await told();
  t.deepEqual(stepsIn(before), [5, 10]);
  t.deepEqual((await told()).samples, before.samples);
  await writePng(join(samples, 'other'), 1);
  utimesSync(join(samples, 'other'), longAgo, longAgo);
  renameSync(join(samples, 'other'), join(samples, 'step-10.png'));
  await writePng(join(samples, 'step-20.png'), 1);
  const after = await told();
  t.deepEqual(stepsIn(after), [5, 10, 20]);
  t.not(after.samples[1]![1], before.samples[1]![1]);
});

test('concurrent requests for a run read its files once', async (t) => {
  const folder = await temporaryFolder(t);
  writeRun(folder, 'run', 20);
  const url = await serving(t, await WatchedRuns.open(folder));
  const all = await Promise.all(range(1, 50).map(() => askJson<RunMessage>(url, '/run/run')));
  t.is(new Set(all.map(({ steps }) => steps.generation)).size, 1);
});
