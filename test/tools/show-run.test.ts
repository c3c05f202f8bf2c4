import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { temporaryFolder } from '../helpers/folder.js';
import { writeRun } from '../helpers/watch.js';

const TOOL = new URL('../../../tools/show-run.js', import.meta.url);

/** What `npm start` does at its end, by its own function. */
interface Tool {
  showRun(
    folder: string,
    isTerminal: boolean,
    haze: (...args: string[]) => void,
    print?: (text: string) => void,
  ): void;
}

test('without a terminal, npm start ends by printing the command that shows its run', async (t) => {
  const { showRun } = (await import(TOOL.href)) as Tool;
  const said: string[] = [];
  showRun(
    'runs/1',
    false,
    () => t.fail('nothing is served'),
    (text) => said.push(text),
  );
  t.deepEqual(said, ['  npx haze watch runs/1    the run as a page in the browser']);
});

test('on a terminal, npm start ends by serving the page of its run', async (t) => {
  const { showRun } = (await import(TOOL.href)) as Tool;
  const calls: string[][] = [];
  showRun(
    'runs/1',
    true,
    (...args) => calls.push(args),
    () => {},
  );
  t.deepEqual(calls, [['watch', 'runs/1']]);
});

/** A terminal of Python's, in which a program as start.js runs the page, and Ctrl-C is typed. */
const TERMINAL = `
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
seen = b''
while b'http://' not in seen or b'ends it' not in seen:
    seen += os.read(terminal, 1000)
os.write(terminal, b'\\x03')
try:
    while os.read(terminal, 1000):
        pass
except OSError:
    pass
print('code', os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`;

const RUN = new URL('../../../tools/haze.js', import.meta.url);

/** start.js without the minutes before its end. */
const program = (run: string) => `
import { hazeUntilCtrlC } from '${RUN.href}';
import { showRun } from '${TOOL.href}';
showRun('${run}', process.stdout.isTTY === true, hazeUntilCtrlC);
`;

const hasPython = spawnSync('python3', ['-c', 'import pty']).status === 0;

for (const [title, words] of [
  ['Ctrl-C on a terminal ends the page of npm start with 0', [process.execPath, 'start.mjs']],
  ['Ctrl-C ends the page with 0 in a shell, as npm starts it', ['/bin/sh', '-c', 'node start.mjs']],
] as const)
  (hasPython ? test : test.skip)(title, async (t) => {
    const folder = await temporaryFolder(t);
    await writeFile(join(folder, 'start.mjs'), program(writeRun(folder, 'run', 3)));
    const { stdout, stderr } = spawnSync('python3', ['-c', TERMINAL, ...words], {
      cwd: folder,
      encoding: 'utf8',
    });
    t.regex(stdout, /code 0$/m, stderr);
  });
