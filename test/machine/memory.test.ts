import { totalmem } from 'node:os';
import test from 'ava';
import { RunError } from '../../src/errors.js';
import {
  lackOfAddressSpace,
  memoryReservation,
  requireRoomToStart,
} from '../../src/machine/address-space.js';
import { allowedMemory, memoryLimits, memoryRoom, nodeBytes } from '../../src/machine/memory.js';
import { processLimit } from '../../src/machine/process-limits.js';
import { temporaryFolder } from '../helpers/folder.js';
import { kernelFiles } from '../helpers/limits.js';

const MIB = 2 ** 20;

/** What the kernel shows with a container of 700 MiB; `limits` as `ulimit -v` sets them. */
const container = {
  'proc/self/cgroup': '0::/',
  'proc/self/mountinfo': '30 25 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw',
  'sys/fs/cgroup/memory.max': String(700 * MIB),
};
const limited = {
  'proc/self/limits': [
    'Limit                     Soft Limit           Hard Limit           Units',
    'Max data size             unlimited            unlimited            bytes',
    `Max open files            60                   1024                 files`,
    `Max address space         ${600 * MIB}            unlimited            bytes`,
  ].join('\n'),
  'proc/self/status': 'Name:\tnode\nVmSize:\t  307200 kB\nVmData:\t  1000 kB',
};

test("without other limits, the machine's memory counts", async (t) => {
  const root = await temporaryFolder(t);
  t.is(allowedMemory(root), totalmem());
  t.is(memoryRoom(2, 0, root).bytes, totalmem() - nodeBytes(2));
});

test("a container's limit counts, less Node's own use and a reserve", async (t) => {
  const root = await kernelFiles(await temporaryFolder(t), container);
  t.is(allowedMemory(root), 700 * MIB);
  const room = memoryRoom(2, 100 * MIB, root);
  t.is(room.bytes, 600 * MIB - nodeBytes(2));
  t.regex(room.of!, /^the container's limit \(cgroup\): 700\.00 MiB, less 160\.00 MiB for Node/);
  t.is(memoryRoom(2, 800 * MIB, root).bytes, 0);
});

test('limits of the shell count less their use, and the one that leaves least is named', async (t) => {
  const root = await kernelFiles(await temporaryFolder(t), { ...container, ...limited });
  t.deepEqual(
    memoryLimits(2, root).map(({ what }) => what),
    ['ulimit -v', "the container's limit (cgroup)", "the machine's memory"],
  );
  t.is(memoryRoom(2, 0, root).bytes, 300 * MIB);
  t.is(processLimit('files', root)?.most, 60);
  t.is(processLimit('data', root), null);
});

test('a process with too little address space does not start', async (t) => {
  t.notThrows(() => requireRoomToStart('/nowhere'));
  const room = await kernelFiles(await temporaryFolder(t), limited);
  t.notThrows(() => requireRoomToStart(room));
  const full = { ...limited, 'proc/self/status': 'VmSize:\t  409600 kB' };
  const root = await kernelFiles(await temporaryFolder(t), full);
  t.throws(() => requireRoomToStart(root), {
    instanceOf: RunError,
    message: /^ulimit -v leaves too little address space: 600\.00 MiB in all, 400\.00 MiB of it/,
  });
});

test('the check of address space includes what V8 reserves around memories and for workers', async (t) => {
  t.is(memoryReservation(65_536, false), 65_536);
  t.true(memoryReservation(65_536, true) >= 8 * 2 ** 30);
  const open = await temporaryFolder(t);
  t.is(lackOfAddressSpace({ workers: 64, memories: [2 ** 32] }, open), null);
  const root = await kernelFiles(await temporaryFolder(t), limited);
  const lack = lackOfAddressSpace({ workers: 2, memories: [] }, root);
  t.regex(lack!, /2\.00 GiB of address space.*ulimit -v leaves 44\.00 MiB \(600\.00 MiB in all\)/);
});
