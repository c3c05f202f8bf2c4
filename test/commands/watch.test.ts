import { createInterface } from 'node:readline';
import test from 'ava';
import { refuses, startHaze } from '../helpers/cli.js';
import { temporaryFolder } from '../helpers/folder.js';
import { ask, writeRun } from '../helpers/watch.js';

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

test('haze watch refuses what is no run, and settings that no server can have', async (t) => {
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
  await refuses(t, ['watch', run, '--host', 'a b'], /--host: expected an address or a name/);
  await refuses(
    t,
    ['watch', run, '--host', '203.0.113.7'],
    /--host: expected an address of this machine/,
  );
});
