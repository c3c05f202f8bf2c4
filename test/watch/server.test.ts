import { mkdir, readdir, readlink, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { ASSET_PATHS } from '../../src/watch/assets.js';
import type { RunList, RunMessage } from '../../src/watch/messages.js';
import { serve } from '../../src/watch/server.js';
import { WatchedRuns } from '../../src/watch/watched-runs.js';
import { temporaryFolder } from '../helpers/folder.js';
import { ask, askJson, serving, writePng, writeRun } from '../helpers/watch.js';

const SECRET = 'nobody but the owner reads this';

/** A folder of runs with a secret beside it, and links to it from within. */
async function guarded(t: ExecutionContext): Promise<{ url: string; runs: string }> {
  const folder = await temporaryFolder(t);
  const runs = join(folder, 'runs');
  const run = writeRun(runs, '1', 12);
  await writePng(join(run, 'samples', 'step-10.png'), 10);
  await writePng(join(run, 'film.png'), 200);
  await writeFile(join(folder, 'secret.png'), SECRET);
  await writeFile(join(folder, 'secret.json'), SECRET);
  await symlink(join(folder, 'secret.png'), join(run, 'linked.png'));
  await symlink(join(folder, 'secret.png'), join(run, 'samples', 'step-20.png'));
  await symlink(folder, join(run, 'out'));
  await mkdir(join(runs, 'false'));
  await symlink(join(folder, 'secret.json'), join(runs, 'false', 'config.json'));
  writeRun(folder, 'elsewhere', 3);
  await symlink(join(folder, 'elsewhere'), join(runs, 'linked'));
  return { url: await serving(t, await WatchedRuns.open(runs)), runs };
}

test('pictures of runs are served with their type and an ETag', async (t) => {
  const { url } = await guarded(t);
  for (const path of ['/picture/1/film.png', '/picture/1/samples/step-10.png?v=1']) {
    const { status, headers, body } = await ask(url, path);
    t.is(status, 200, path);
    t.is(headers['content-type'], 'image/png');
    t.is(body.subarray(1, 4).toString(), 'PNG');
    const again = await ask(url, path, { 'if-none-match': headers.etag! });
    t.is(again.status, 304);
    t.is(again.body.length, 0);
    const head = await ask(url, path, { method: 'HEAD' });
    t.is(head.status, 200);
    t.is(Number(head.headers['content-length']), body.length);
    t.is(head.body.length, 0);
  }
});

test('only files of runs are served: no parent folders, no links out, no other kinds of files', async (t) => {
  const { url } = await guarded(t);
  const { runs } = await askJson<RunList>(url, '/runs');
  t.deepEqual(runs, ['1']);
  for (const path of [
    ...['/../secret.png', '/picture/1/../../../secret.png', '/picture/../secret.png'],
    ...['/picture/1/%2e%2e/%2e%2e/secret.png', '/picture/1/..%2f..%2fsecret.png'],
    ...['/picture/%2e%2e/secret.png', '/picture/..%2fsecret.png', '/picture/1/%2e%2e%5csecret.png'],
    ...['/picture/1/samples/..%2f..%2f..%2fsecret.png', '/picture/1/samples/../film.png'],
    ...[
      '/picture/1/%252e%252e%252fsecret.png',
      '/picture/1/film.png%00.png',
      '/picture/1//film.png',
    ],
    ...['/picture/1/linked.png', '/picture/1/samples/step-20.png', '/picture/1/out/secret.png'],
    ...['/picture/1/config.json', '/picture/1/metrics.jsonl', '/picture/1/checkpoints/latest'],
    ...[
      '/run/linked',
      '/run/false',
      '/run/..',
      '/run/%2e%2e',
      '/run/.',
      '/run/',
      '/run/1/x',
      '/run',
    ],
    ...[
      '/assets/../server.js',
      '/assets/%2e%2e/server.js',
      '/assets/',
      '/assets/main.ts',
      '/etc/passwd',
    ],
    ...['//etc/passwd', '/picture/1/film.png/', '/picture/constructor/film.png', '/picture/1/.png'],
  ]) {
    const { status, body } = await ask(url, path);
    t.is(status, 404, path);
    t.false(body.includes(SECRET), path);
    t.true(body.length < 200, path);
  }
  t.is((await ask(url, '/run/%ff')).status, 400);
  t.is((await ask(url, '/run/%')).status, 400);
});

test('a run is shown without files that are links out of it, and they are named', async (t) => {
  const folder = await temporaryFolder(t);
  await writeFile(join(folder, 'secret'), SECRET);
  const run = writeRun(folder, 'run', 0);
  await rm(join(run, 'metrics.jsonl'));
  await symlink(join(folder, 'secret'), join(run, 'metrics.jsonl'));
  const url = await serving(t, await WatchedRuns.open(run));
  const { status, body } = await ask(url, '/run/run');
  t.is(status, 200);
  t.false(body.includes(SECRET));
  t.regex(body.toString(), /metrics\.jsonl: .*got a link out of it/);
});

test('other hosts and methods are refused', async (t) => {
  const { url } = await guarded(t);
  for (const host of [
    'evil.example',
    `evil.example:${new URL(url).port}`,
    'localhost.evil.example',
  ])
    for (const path of ['/', '/runs', '/run/1', '/picture/1/film.png']) {
      const { status, body } = await ask(url, path, { host });
      t.is(status, 403, `${host} ${path}`);
      t.true(body.length < 200);
    }
  for (const host of ['localhost', '[::1]:80', `127.0.0.1:${new URL(url).port}`])
    t.is((await ask(url, '/runs', { host })).status, 200, host);
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'TRACE']) {
    const { status, headers } = await ask(url, '/runs', { method });
    t.is(status, 405, method);
    t.is(headers.allow, 'GET, HEAD');
  }
});

test('every answer forbids foreign scripts, frames, guessed types and other sites', async (t) => {
  const { url } = await guarded(t);
  for (const path of ['/', '/runs', '/run/1', '/picture/1/film.png', '/nowhere']) {
    const { headers } = await ask(url, path);
    const policy = String(headers['content-security-policy']);
    t.regex(policy, /^default-src 'self';/, path);
    t.notRegex(policy, /unsafe|data:|\*/, path);
    t.is(headers['x-content-type-options'], 'nosniff', path);
    t.is(headers['cross-origin-resource-policy'], 'same-origin', path);
    t.is(headers['access-control-allow-origin'], undefined, path);
  }
});

test('all files of the page exist, weigh less than 120 kB, and refer to no other site', async (t) => {
  const { url } = await guarded(t);
  let total = 0;
  for (const path of ASSET_PATHS) {
    const { status, body } = await ask(url, path);
    t.is(status, 200, path);
    total += body.length;
    // An address in a licence's comment is none that is loaded; an SVG's namespace neither.
    const text = body.toString().replaceAll(/\/\*[\s\S]*?\*\/|xmlns="[^"]*"/g, '');
    t.notRegex(text, /https?:\/\//, path);
    for (const [, name] of text.matchAll(/from '\.\/([^']+)'/g))
      t.true(ASSET_PATHS.includes(`/assets/${name}`), `${path} imports ${name}`);
  }
  t.true(total < 120_000, `${total} bytes`);
});

test('two hundred connections at once are all answered', async (t) => {
  const { url } = await guarded(t);
  const paths = ['/', '/runs', '/run/1', '/picture/1/film.png', '/assets/uplot.js'];
  const all = await Promise.all(
    Array.from({ length: 200 }, (_, i) => ask(url, paths[i % paths.length]!)),
  );
  t.true(all.every(({ status, body }) => status === 200 && body.length > 0));
});

test('a port in use and an address of another machine are refused with the names of the flags', async (t) => {
  const { url, runs } = await guarded(t);
  const taken = Number(new URL(url).port);
  const watched = await WatchedRuns.open(runs);
  await t.throwsAsync(serve(watched, { host: '127.0.0.1', port: taken }), {
    message: `--port: expected a port that is free on 127.0.0.1, got ${taken}`,
  });
  await t.throwsAsync(serve(watched, { host: '203.0.113.7', port: 0 }), {
    message: '--host: expected an address of this machine, got 203.0.113.7',
  });
});

test('the server listens on an IPv6 address if the machine has one', async (t) => {
  const { runs } = await guarded(t);
  const server = await serve(await WatchedRuns.open(runs), { host: '::1', port: 0 }).catch(
    () => undefined,
  );
  if (!server) {
    t.pass('this machine has no IPv6');
    return;
  }
  t.teardown(() => server.close());
  t.regex(server.url, /^http:\/\/\[::1\]:\d+\/$/);
  t.is((await fetch(`${server.url}runs`)).status, 200);
});

test('any number of idle connections are cut, and others are answered', async (t) => {
  const { runs } = await guarded(t);
  const listening = { host: '127.0.0.1', port: 0 };
  const patience = { asking: 300, silence: 60_000 };
  const server = await serve(await WatchedRuns.open(runs), listening, patience);
  t.teardown(() => server.close());
  const port = Number(new URL(server.url).port);
  const closed = await Promise.all(
    Array.from({ length: 600 }, async () => {
      const socket = connect(port, '127.0.0.1');
      socket.on('error', () => {});
      socket.resume();
      socket.write('GET / HTTP/1.1\r\nHost: ');
      return { gone: new Promise((resolve) => socket.once('close', resolve)) };
    }),
  );
  let status = 0;
  while (status !== 200)
    status = await ask(server.url, '/runs').then(
      (reply) => reply.status,
      () => 0,
    );
  await Promise.all(closed.map(({ gone }) => gone));
  t.pass();
});

const onLinux = process.platform === 'linux' ? test : test.skip;

onLinux('a picture is closed when its reader leaves, or takes nothing any more', async (t) => {
  const folder = await realpath(await temporaryFolder(t));
  const run = writeRun(folder, 'run', 1);
  const picture = join(run, 'large.png');
  // More than the system keeps for a connection.
  await writeFile(picture, Buffer.alloc(64 << 20));
  const listening = { host: '127.0.0.1', port: 0 };
  const patience = { asking: 10_000, silence: 300 };
  const server = await serve(await WatchedRuns.open(run), listening, patience);
  t.teardown(() => server.close());
  const port = Number(new URL(server.url).port);
  for (const leaves of [true, false]) {
    const socket = connect(port, '127.0.0.1');
    t.teardown(() => socket.destroy());
    socket.on('error', () => {});
    socket.write('GET /picture/run/large.png HTTP/1.1\r\nHost: localhost\r\n\r\n');
    // More than the headers: the file is open by then.
    let received = 0;
    await new Promise<void>((resolve) => {
      socket.once('close', () => resolve());
      socket.on('data', ({ length }) => {
        received += length;
        if (received > 4096) resolve();
      });
    });
    t.true(received > 4096);
    socket.pause();
    if (leaves) socket.destroy();
    while (await isOpen(picture)) await setTimeout(5);
    t.pass();
  }
});

/** Whether this process has a file open. */
async function isOpen(path: string): Promise<boolean> {
  const names = await readdir('/proc/self/fd');
  const targets = await Promise.all(
    names.map((name) => readlink(`/proc/self/fd/${name}`).catch(() => '')),
  );
  return targets.includes(path);
}

test('everything that the page lists can be requested, whatever its name', async (t) => {
  const folder = await temporaryFolder(t);
  const run = writeRun(folder, 'a b%2e?#ü', 1);
  for (const name of ['a b%2f?#ü.png', '.hidden.png', 'plain.PNG'])
    await writePng(join(run, name), 1);
  if (process.platform !== 'win32') await writePng(join(run, 'a\\b.png'), 1);
  const url = await serving(t, await WatchedRuns.open(folder));
  const [run1] = (await askJson<RunList>(url, '/runs')).runs;
  const { pictures } = await askJson<RunMessage>(url, `/run/${encodeURIComponent(run1!)}`);
  t.deepEqual(pictures.map(({ name }) => name).sort(), ['a b%2f?#ü.png', 'plain.PNG']);
  for (const { name } of pictures) {
    const path = `/picture/${encodeURIComponent(run1!)}/${encodeURIComponent(name)}`;
    t.is((await ask(url, path)).status, 200, name);
  }
});
