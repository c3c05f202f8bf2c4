import { join } from 'node:path';
import { createInterface } from 'node:readline';
import test from 'ava';
import type { RunMessage } from '../../src/watch/messages.js';
import { WatchedRuns } from '../../src/watch/watched-runs.js';
import { haze, refuses, startHaze } from '../helpers/cli.js';
import { temporaryFolder } from '../helpers/folder.js';
import { writeBars } from '../helpers/run.js';
import { readEvents } from '../helpers/tfevents.js';
import { ask, askJson, serving, writeRun } from '../helpers/watch.js';

const onLinux = process.platform === 'linux' ? test : test.skip;

test('haze watch prints the address of its page, and Ctrl-C ends it with 0', async (t) => {
  const folder = await temporaryFolder(t);
  writeRun(folder, 'runs/1', 3);
  for (const place of ['runs', 'runs/1']) {
    const { process: child, exit } = startHaze(t, folder, ['watch', place]);
    const { value } = await createInterface({ input: child.stdout! })
      [Symbol.asyncIterator]()
      .next();
    const [, url] = /^\S+: (http:\/\/127\.0\.0\.1:\d+\/)$/.exec(value)!;
    t.is((await ask(url!, '/')).status, 200);
    t.is((await ask(url!, '/run/1')).status, 200);
    child.kill('SIGINT');
    const { code, stderr } = await exit;
    t.is(code, 0, stderr);
  }
});

test('haze watch refuses a path that is not a run, and invalid server settings', async (t) => {
  await refuses(t, ['watch'], /<runs>: expected a run, or a folder of runs, got nothing/);
  await refuses(
    t,
    ['watch', 'none'],
    /^haze: none: expected a run or a folder of runs, got nothing there$/m,
  );
  await refuses(t, ['watch', '.'], /^haze: \.: expected a run .* got neither$/m);
  const folder = await temporaryFolder(t);
  const run = writeRun(folder, 'run', 1);
  await refuses(t, ['watch', run, '--port', '65536'], /--port: expected a whole number/);
  await refuses(t, ['watch', run, '--host', 'a b'], /--host: expected an address or name/);
  await refuses(
    t,
    ['watch', run, '--host', '203.0.113.7'],
    /--host: expected an address of this machine/,
  );
});

/** The smallest model there is, for hours. */
const ENDLESS = [
  ...[
    'train',
    'bars.idx',
    '--channels',
    '1',
    '--size',
    '8',
    '--widths',
    '4,8',
    '--batch',
    '4',
    '--threads',
    '1',
  ],
  ...['--steps', '1000000', '--sample-every', '0', '--out', 'r'],
];

/** The address that training prints for its page. */
async function addressOf(stderr: NodeJS.ReadableStream): Promise<string> {
  for await (const line of createInterface({ input: stderr })) {
    const found = /^watch +(http:\S+)$/.exec(line);
    if (found) return found[1]!;
  }
  throw new Error('no address');
}

test('train --watch serves the page of its run, and stops serving when training ends', async (t) => {
  const folder = await temporaryFolder(t);
  writeBars(folder);
  const { process: child, exit } = startHaze(t, folder, [...ENDLESS, '--watch']);
  const url = await addressOf(child.stderr!);
  let message = await askJson<RunMessage>(url, '/run/r');
  while (message.now === null || message.now.step < 5)
    message = await askJson<RunMessage>(url, '/run/r');
  t.is(message.totalSteps, 1_000_000);
  t.is(message.state, 'training');
  child.kill('SIGINT');
  const { code, stderr } = await exit;
  t.is(code, 130, stderr);
  t.regex(stderr, /^To continue: haze train --out r --resume$/m);
  await t.throwsAsync(ask(url, '/'), { code: 'ECONNREFUSED' });
});

onLinux('the page of a training that is killed does not outlive it', async (t) => {
  const folder = await temporaryFolder(t);
  writeBars(folder);
  const { process: child, exit } = startHaze(t, folder, [...ENDLESS, '--watch']);
  const url = await addressOf(child.stderr!);
  t.is((await ask(url, '/')).status, 200);
  child.kill('SIGKILL');
  await exit;
  let serves = true;
  while (serves)
    serves = await ask(url, '/').then(
      () => true,
      () => false,
    );
  t.pass();
});

test('a page that cannot be served is refused before training, and so are its flags without --watch', async (t) => {
  const folder = await temporaryFolder(t);
  const url = await serving(t, await WatchedRuns.open(writeRun(folder, 'run', 1)));
  const { port } = new URL(url);
  await refuses(
    t,
    [...ENDLESS, '--watch', '--port', port],
    new RegExp(`^haze: --port: expected a port that is free on 127\\.0\\.0\\.1, got ${port}$`, 'm'),
  );
  await refuses(
    t,
    [...ENDLESS, '--port', '0'],
    /^haze: --port: belongs to --watch, which is not given$/m,
  );
});

test('train --tensorboard writes events into the run', async (t) => {
  const folder = await temporaryFolder(t);
  writeBars(folder);
  const length = ['--steps', '2', '--out', 'short'];
  const { code, stderr } = await haze(folder, [
    ...ENDLESS.slice(0, 12),
    ...length,
    '--tensorboard',
  ]);
  t.is(code, 0, stderr);
  t.is(readEvents(join(folder, 'short', 'events.out.tfevents.haze')).length, 4);
});
