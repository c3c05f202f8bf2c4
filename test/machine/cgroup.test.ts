import test from 'ava';
import { cgroupMemory, cgroupProcessors } from '../../src/machine/cgroup.js';
import { processors } from '../../src/machine/processors.js';
import { temporaryFolder } from '../helpers/folder.js';
import { kernelFiles } from '../helpers/limits.js';

const V1_MOUNTS = [
  '22 1 8:1 / / rw - ext4 /dev/sda1 rw',
  '30 25 0:26 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct',
  '31 25 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory',
].join('\n');
const V2_MOUNTS = '30 25 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw';

test('version 1: the tightest limit of the group and its ancestors counts', async (t) => {
  const root = await kernelFiles(await temporaryFolder(t), {
    'proc/self/cgroup': '4:memory:/job/step\n3:cpu,cpuacct:/job\n1:name=systemd:/',
    'proc/self/mountinfo': V1_MOUNTS,
    'sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712',
    'sys/fs/cgroup/memory/job/memory.limit_in_bytes': '734003200',
    'sys/fs/cgroup/memory/job/step/memory.limit_in_bytes': '9223372036854771712',
    'sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us': '-1',
    'sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us': '100000',
    'sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us': '250000',
    'sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us': '100000',
  });
  t.is(cgroupMemory(root), 734_003_200);
  t.is(cgroupProcessors(root), 2.5);
});

test('version 1: a group without limits has none', async (t) => {
  const root = await kernelFiles(await temporaryFolder(t), {
    'proc/self/cgroup': '4:memory:/\n3:cpu,cpuacct:/',
    'proc/self/mountinfo': V1_MOUNTS,
    'sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712',
    'sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us': '-1',
    'sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us': '100000',
  });
  t.is(cgroupMemory(root), null);
  t.is(cgroupProcessors(root), null);
});

test('version 1: a container whose path is outside of its mount has its limit at the mount', async (t) => {
  const root = await kernelFiles(await temporaryFolder(t), {
    'proc/self/cgroup': '4:memory:/docker/abc/inner\n',
    'proc/self/mountinfo':
      '31 25 0:27 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory',
    'sys/fs/cgroup/memory/memory.limit_in_bytes': '1000000',
    'sys/fs/cgroup/memory/inner/memory.limit_in_bytes': '2000000',
  });
  t.is(cgroupMemory(root), 1_000_000);
  const elsewhere = await kernelFiles(await temporaryFolder(t), {
    'proc/self/cgroup': '4:memory:/docker/xyz',
    'proc/self/mountinfo':
      '31 25 0:27 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory',
    'sys/fs/cgroup/memory/memory.limit_in_bytes': '3000000',
  });
  t.is(cgroupMemory(elsewhere), 3_000_000);
});

test('version 2: memory.max and cpu.max of the group and its ancestors count', async (t) => {
  const root = await kernelFiles(await temporaryFolder(t), {
    'proc/self/cgroup': '0::/user.slice/run-1.scope',
    'proc/self/mountinfo': V2_MOUNTS,
    'sys/fs/cgroup/user.slice/memory.max': '8589934592',
    'sys/fs/cgroup/user.slice/cpu.max': '150000 100000',
    'sys/fs/cgroup/user.slice/run-1.scope/memory.max': 'max',
    'sys/fs/cgroup/user.slice/run-1.scope/cpu.max': 'max 100000',
  });
  t.is(cgroupMemory(root), 8_589_934_592);
  t.is(cgroupProcessors(root), 1.5);
});

test('version 2: a container sees its own group as the root', async (t) => {
  const root = await kernelFiles(await temporaryFolder(t), {
    'proc/self/cgroup': '0::/',
    'proc/self/mountinfo': V2_MOUNTS,
    'sys/fs/cgroup/memory.max': '734003200',
    'sys/fs/cgroup/cpu.max': 'max 100000',
  });
  t.is(cgroupMemory(root), 734_003_200);
  t.is(cgroupProcessors(root), null);
  const outside = await kernelFiles(await temporaryFolder(t), {
    'proc/self/cgroup': '0::/../../other',
    'proc/self/mountinfo': V2_MOUNTS,
    'sys/fs/cgroup/memory.max': '5000000',
  });
  t.is(cgroupMemory(outside), 5_000_000);
});

test('with both versions, each is read, and mount points may have spaces', async (t) => {
  const root = await kernelFiles(await temporaryFolder(t), {
    'proc/self/cgroup': '4:memory:/job\n0::/job',
    'proc/self/mountinfo': [
      '31 25 0:27 / /my\\040groups/memory rw - cgroup cgroup rw,memory',
      '32 25 0:28 / /my\\040groups/unified rw - cgroup2 cgroup2 rw',
    ].join('\n'),
    'my groups/memory/job/memory.limit_in_bytes': '4000000',
    'my groups/unified/job/cpu.max': '300000 100000',
  });
  t.is(cgroupMemory(root), 4_000_000);
  t.is(cgroupProcessors(root), 3);
});

test('if the kernel shows no groups, there is no limit', async (t) => {
  const root = await temporaryFolder(t);
  t.is(cgroupMemory(root), null);
  t.is(cgroupProcessors(root), null);
});

test('the number of processors is the quota rounded down, and at least one', async (t) => {
  const withQuota = async (quota: string) =>
    kernelFiles(await temporaryFolder(t), {
      'proc/self/cgroup': '0::/',
      'proc/self/mountinfo': V2_MOUNTS,
      'sys/fs/cgroup/cpu.max': quota,
    });
  t.is(processors(await withQuota('250000 100000'), 8), 2);
  t.is(processors(await withQuota('50000 100000'), 8), 1);
  t.is(processors(await withQuota('900000 100000'), 8), 8);
  t.is(processors(await withQuota('max 100000'), 8), 8);
});
