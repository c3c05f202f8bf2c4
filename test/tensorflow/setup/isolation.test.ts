import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { setupTensorflow } from '../../../src/tensorflow/setup/index.js';
import { findPython } from '../../../src/tensorflow/setup/pip.js';
import { temporaryFolder } from '../../helpers/folder.js';
import { pythonTest } from '../../helpers/python.js';
import { fakeMachine } from '../../helpers/setup.js';

const OTHERS = 'a pip.py in the folder where Python runs, or on PYTHONPATH, is not run';
pythonTest(OTHERS, ['sys'], async (t) => {
  const folder = await temporaryFolder(t);
  const mark = path.join(folder, 'mark');
  await writeFile(path.join(folder, 'pip.py'), `open(${JSON.stringify(mark)}, 'w').close()\n`);
  // Whether this Python has a pip of its own does not matter.
  await findPython({ ...process.env, PYTHONPATH: folder }, folder).catch(() => undefined);
  t.false(existsSync(mark));
});

test('each program of a set-up runs in its own folder, and Python runs isolated', async (t) => {
  const folder = await temporaryFolder(t);
  const log = path.join(folder, 'log');
  const note = (name: string) => `echo "${name} $PWD $*" >> ${log}`;
  const machine = await fakeMachine(folder, {
    python3: `${note('python')}\n[ "$4" = --version ] || /bin/cp "$WHEEL" "$LAST"`,
    'g++': `${note('compiler')}\nwhile [ $# -gt 0 ]; do [ "$1" = -o ] && echo nonsense > "$2"; shift; done`,
  });
  const { cache, env, bundle } = machine;
  await mkdir(cache);
  await t.throwsAsync(setupTensorflow({ env, bundle }), { message: /does not work here/ });
  const lines = (await readFile(log, 'utf8')).trim().split('\n');
  t.true(lines.length >= 5, lines.join('\n'));
  for (const line of lines) {
    const [name, cwd, first] = line.split(' ');
    t.true(cwd!.startsWith(`${cache}${path.sep}`), line);
    if (name === 'python') t.is(first, '-I', line);
  }
});
