import test from 'ava';
import { RunError } from '../../src/errors.js';
import { machineFault, requireMemory, throwIfMachines } from '../../src/machine/faults.js';

const system = (code: string) => Object.assign(new Error(`${code}: it failed`), { code });

test('an exhausted resource is distinguished from a faulty file', (t) => {
  t.regex(machineFault(system('EMFILE'))!, /^too many open files/);
  t.regex(machineFault(system('ENOMEM'))!, /^out of memory \(.+: [\d.]+ GiB\)$/);
  t.regex(
    machineFault(new RangeError('WebAssembly.Memory(): could not allocate memory'))!,
    /^out of memory/,
  );
  t.regex(machineFault(new RangeError('Array buffer allocation failed'))!, /^out of memory/);
  t.regex(machineFault(new Error('unable to open: Too many open files'))!, /^too many open files/);
  for (const error of [system('EACCES'), system('ENOENT'), new Error('bad seek'), 'EMFILE', null])
    t.is(machineFault(error), undefined);
});

test('a native library that cannot start a thread counts as an exhausted resource', (t) => {
  const error = new Error('glib: Error creating thread: Resource temporarily unavailable');
  t.regex(machineFault(error)!, /^(?:no thread could be started|out of memory)/);
});

test('a file that claims more memory than the machine has is faulty, unless another limit applies', (t) => {
  t.is(machineFault(new Error('vips: out of memory --- size == 80GB')), undefined);
});

test('the error says what could not be done, and other errors are unchanged', (t) => {
  t.throws(() => throwIfMachines(system('ENFILE'), 'photos/a'), {
    instanceOf: RunError,
    message: /^photos\/a: too many open files/,
  });
  t.notThrows(() => throwIfMachines(system('EACCES'), 'photos/a'));
});

test('an allocation beyond the available memory fails before it is attempted', (t) => {
  t.notThrows(() => requireMemory('its pixels', 2 ** 20));
  const error = t.throws(() => requireMemory('its pixels', Number.MAX_SAFE_INTEGER));
  t.regex(machineFault(error)!, /^its pixels: out of memory \(.+: [\d.]+ GiB\)$/);
});
