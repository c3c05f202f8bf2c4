import { spawn } from 'node:child_process';
import { once } from 'node:events';
import test from 'ava';
import { stopSignals } from '../../src/commands/interrupt.js';
import { endWith } from '../helpers/child.js';
import { fixture } from '../helpers/data.js';

/** Work whose native thread never ends: librsvg draws a billion rectangles. */
const PROGRAM = `
  const [interrupt, resolve] = process.argv.slice(1);
  const { interruptible } = await import(interrupt);
  const { default: sharp } = await import(resolve);
  const uses = (id) => ('<use href="#a' + id + '"/>').repeat(10);
  const groups = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((i) => '<g id="a' + i + '">' + uses(i - 1) + '</g>');
  const rectangle = '<g id="a0"><rect width="900" height="900" opacity=".1"/></g>';
  const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="900" height="900"><defs>'
    + rectangle + groups.join('') + '</defs>' + uses(9) + '</svg>';
  await interruptible('stopping', (signal) => {
    const drawing = sharp(Buffer.from(svg)).raw().toBuffer();
    setTimeout(() => process.stdout.write('busy'), 300);
    return drawing;
  });
`;

for (const name of ['SIGINT', 'SIGTERM'] as const)
  test(`a second ${name} ends the process, even while native code never returns`, async (t) => {
    const interrupt = new URL('../../src/commands/interrupt.js', import.meta.url).href;
    const args = ['--input-type=module', '-e', PROGRAM, interrupt, import.meta.resolve('sharp')];
    const cwd = fixture('.');
    const child = spawn(process.execPath, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    endWith(t, child);
    await once(child.stdout, 'data');
    child.kill(name);
    const [said] = await once(child.stderr, 'data');
    t.regex(String(said), /haze: stopping/);
    t.is(child.exitCode, null);
    child.kill(name);
    const [code, signal] = await once(child, 'exit');
    // A shell shows it as 128 and the signal's number: 130 for Ctrl-C.
    t.deepEqual([code, signal], [null, name]);
  });

test('Ctrl-Break stops work on Windows', (t) => {
  t.deepEqual(stopSignals('win32'), ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGBREAK']);
  for (const platform of ['linux', 'darwin'] as const)
    t.deepEqual(stopSignals(platform), ['SIGINT', 'SIGTERM', 'SIGHUP']);
});
