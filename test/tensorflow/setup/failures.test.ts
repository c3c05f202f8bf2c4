import { mkdir, readFile, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { RunError } from '../../../src/errors.js';
import { installFolder } from '../../../src/tensorflow/setup/folders.js';
import { setupTensorflow } from '../../../src/tensorflow/setup/index.js';
import { withFault } from '../../helpers/faulty-files.js';
import { temporaryFolder } from '../../helpers/folder.js';
import { type FakeMachine, fakeMachine, filesBelow, PROGRAMS } from '../../helpers/setup.js';

/** Sets up on a fake machine, which must fail in one line that matches all patterns. */
async function fails(
  t: ExecutionContext,
  machine: FakeMachine,
  ...patterns: RegExp[]
): Promise<void> {
  const { env, bundle } = machine;
  const error = await t.throwsAsync(() => setupTensorflow({ env, bundle }), {
    instanceOf: RunError,
  });
  t.false(error.message.includes('\n'));
  for (const pattern of patterns) t.regex(error.message, pattern);
}

const { python, compiler, pipSays } = PROGRAMS;

test('without Python, the error says what to install, and nothing is left', async (t) => {
  const machine = await fakeMachine(await temporaryFolder(t), { 'g++': compiler });
  await fails(t, machine, /no python3 on the PATH/, /apt install python3-pip/);
  t.deepEqual(await filesBelow(machine.cache), []);
});

test('without pip, the error says what to install', async (t) => {
  const programs = { python3: PROGRAMS.pythonWithoutPip, 'g++': compiler };
  const machine = await fakeMachine(await temporaryFolder(t), programs);
  await fails(t, machine, /python3 has no pip/, /apt install python3-pip/);
});

test('a missing compiler is reported before anything is downloaded', async (t) => {
  const machine = await fakeMachine(await temporaryFolder(t), { python3: python });
  await fails(t, machine, /no C\+\+ compiler/, /apt install g\+\+/);
  t.deepEqual(await filesBelow(machine.cache), []);
});

test('a wheel whose hash pip refuses is reported as such', async (t) => {
  const message = 'ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.';
  const programs = { python3: pipSays(message), 'g++': compiler };
  const machine = await fakeMachine(await temporaryFolder(t), programs);
  await fails(t, machine, /does not have the expected sha256 [0-9a-f]{64}/);
  t.deepEqual(await filesBelow(machine.cache), []);
});

test('a wheel with another hash is refused even if pip accepts it', async (t) => {
  const machine = await fakeMachine(await temporaryFolder(t), { python3: python, 'g++': compiler });
  await writeFile(machine.wheel, 'another file');
  await fails(t, machine, /does not have the expected sha256/);
  t.deepEqual(await filesBelow(machine.cache), []);
});

test('offline, the error has the reason and what to check', async (t) => {
  const message = 'ERROR: No matching distribution found for tensorflow-cpu==2.21.0';
  const programs = { python3: pipSays(message), 'g++': compiler };
  const machine = await fakeMachine(await temporaryFolder(t), programs);
  await fails(t, machine, /\(No matching distribution/, /network/, /PIP_INDEX_URL/);
});

test('a disk that fills up during the download is reported', async (t) => {
  const message = 'ERROR: Could not install: [Errno 28] No space left on device';
  const programs = { python3: pipSays(message), 'g++': compiler };
  const machine = await fakeMachine(await temporaryFolder(t), programs);
  await fails(t, machine, /the disk filled up/);
});

test('too little disk space is reported first, with free and needed space and what to do', async (t) => {
  const machine = await fakeMachine(await temporaryFolder(t), { python3: python, 'g++': compiler });
  const { tensorflow } = machine.bundle;
  const bundle = { ...machine.bundle, tensorflow: { ...tensorflow, unpacked: 1e18 } };
  await fails(t, { ...machine, bundle }, /MB free/, /\d{12} MB are needed/, /HAZE_CACHE/);
});

test('a partially downloaded wheel is downloaded again', async (t) => {
  const machine = await fakeMachine(await temporaryFolder(t), { python3: python, 'g++': compiler });
  const wheel = path.join(machine.cache, 'wheels', machine.bundle.tensorflow.file);
  await mkdir(path.dirname(wheel), { recursive: true });
  await writeFile(wheel, await readFile(machine.wheel));
  await truncate(wheel, 100);
  await fails(t, machine, /does not work here/);
  t.deepEqual(await readFile(wheel), await readFile(machine.wheel));
});

test('a downloaded wheel is used again without Python', async (t) => {
  const machine = await fakeMachine(await temporaryFolder(t), { 'g++': PROGRAMS.compilerFails });
  const wheel = path.join(machine.cache, 'wheels', machine.bundle.tensorflow.file);
  await mkdir(path.dirname(wheel), { recursive: true });
  await writeFile(wheel, await readFile(machine.wheel));
  await fails(t, machine, /could not compile the binding: .*missing\.h/);
  const { file } = machine.bundle.tensorflow;
  t.deepEqual(await filesBelow(machine.cache), [path.join('wheels', file)]);
});

test('a failed set-up keeps an earlier set-up and the downloaded wheel', async (t) => {
  const programs = { python3: python, 'g++': PROGRAMS.compilerFails };
  const machine = await fakeMachine(await temporaryFolder(t), programs);
  const earlier = path.join(machine.cache, 'tensorflow', 'cpu-2.20.0-0123456789abcdef');
  await mkdir(earlier, { recursive: true });
  await writeFile(path.join(earlier, 'manifest.json'), '{}');
  await fails(t, machine, /could not compile/);
  const { file } = machine.bundle.tensorflow;
  t.deepEqual(await filesBelow(machine.cache), [
    'tensorflow/cpu-2.20.0-0123456789abcdef/manifest.json',
    `wheels/${file}`,
  ]);
});

test('a library that does not load is not installed', async (t) => {
  const machine = await fakeMachine(await temporaryFolder(t), { python3: python, 'g++': compiler });
  const { cache, bundle } = machine;
  await fails(t, machine, /does not work here/, /tfjs_binding\.node|invalid ELF|file too short/);
  t.deepEqual(await filesBelow(installFolder(cache, bundle)), []);
  t.deepEqual(await filesBelow(path.join(cache, 'tensorflow')), []);
});

test('the remains of a killed set-up are removed', async (t) => {
  const programs = { python3: python, 'g++': PROGRAMS.compilerFails };
  const machine = await fakeMachine(await temporaryFolder(t), programs);
  const left = path.join(machine.cache, 'tensorflow', '.building-1', 'tensorflow');
  await mkdir(left, { recursive: true });
  await writeFile(path.join(left, 'libtensorflow_cc.so.2'), 'half');
  await fails(t, machine, /could not compile/);
  t.deepEqual(await filesBelow(path.join(machine.cache, 'tensorflow')), []);
});

test('a cache that cannot be written is reported with its path', async (t) => {
  const machine = await fakeMachine(await temporaryFolder(t), {});
  await writeFile(machine.cache, 'a file where the folder should be');
  await fails(t, machine, /cannot write .*cache/);
});

test.serial('a full disk at any step is reported, and an earlier set-up is kept', async (t) => {
  const folder = await temporaryFolder(t);
  for (let at = 0, struck = true; struck; at++) {
    const programs = { python3: python, 'g++': compiler };
    const machine = await fakeMachine(path.join(folder, String(at)), programs);
    const earlier = path.join(machine.cache, 'tensorflow', 'cpu-2.20.0-0123456789abcdef');
    await mkdir(earlier, { recursive: true });
    await writeFile(path.join(earlier, 'manifest.json'), '{}');
    const { env, bundle } = machine;
    const result = await withFault('ENOSPC', at, () => setupTensorflow({ env, bundle }));
    struck = result.struck;
    const { message } = result.error as Error;
    t.true(result.error instanceof RunError, message);
    t.regex(message, struck ? /cannot write .*cache: the disk is full/ : /does not work here/);
    t.deepEqual(await filesBelow(earlier), ['manifest.json']);
  }
});
