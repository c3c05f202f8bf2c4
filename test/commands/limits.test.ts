/** What the program does where the machine allows it little. */
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import sharp from 'sharp';
import { CLI, type Outcome } from '../helpers/cli.js';
import { temporaryFolder } from '../helpers/folder.js';
import { realGroup, shell } from '../helpers/limits.js';

const SMALL = '--size 8 --widths 4,8 --batch 4 --threads 1 --steps 4 --sample-every 0'.split(' ');

/** Runs the program after a line of shell that limits it. */
const under = (folder: string, limit: string, args: readonly string[]): Promise<Outcome> =>
  shell(folder, `${limit} && exec "$@"`, [process.execPath, CLI, ...args]);

async function withPhotos(t: ExecutionContext, count = 6): Promise<string> {
  const folder = await temporaryFolder(t);
  await mkdir(join(folder, 'photos'));
  for (let i = 0; i < count; i++) {
    const background = { r: 40 * i, g: 90, b: 10 };
    const plain = { create: { width: 12, height: 12, channels: 3, background } } as const;
    await writeFile(join(folder, 'photos', `${i}.png`), await sharp(plain).png().toBuffer());
  }
  return folder;
}

const onLinux = process.platform === 'linux' ? test : test.skip;

onLinux(
  'too little address space is said in one line that names the limit, and no file is skipped',
  async (t) => {
    const folder = await withPhotos(t);
    // For the engine's memory; for its workers; for a worker that decodes.
    for (const gib of [7, 11.5, 16]) {
      const limit = `ulimit -v ${gib * 2 ** 20}`;
      const { code, stderr } = await under(folder, limit, ['train', 'photos', ...SMALL]);
      t.is(code, 1, `${gib} GiB: ${stderr}`);
      t.regex(stderr, /^haze: .*ulimit -v leaves [\d.]+ (?:bytes|[KMG]iB)/m, `${gib} GiB`);
      t.regex(stderr, /NODE_OPTIONS=--disable-wasm-trap-handler/);
      t.notRegex(stderr, /skipped|cannot be read|\b0\.00 GiB|Fatal/);
    }
    t.deepEqual(await readdir(folder), ['photos']);
  },
);

/**
 * The least address space, within 64 MiB, in which this Node runs a script, and 256 MiB more: with less, what a start takes differs
 * from one to the next, and Node itself may end before any script begins.
 */
async function leastToStart(): Promise<string> {
  for (let mebibytes = 512; ; mebibytes += 64) {
    const limit = `ulimit -v ${mebibytes * 2 ** 10}`;
    const { code } = await shell('.', `${limit} && exec "$@"`, [process.execPath, '-e', '0']);
    if (code === 0) return `ulimit -v ${(mebibytes + 256) * 2 ** 10}`;
  }
}

onLinux('where Node itself barely starts, one line says so before V8 aborts', async (t) => {
  const folder = await withPhotos(t);
  const limit = await leastToStart();
  for (const args of [
    ['inspect', '--preset', 'tiny'],
    ['train', 'photos', ...SMALL],
    ['noise', 'photos/0.png', '--out', 'strip.png'],
  ]) {
    const { code, stderr } = await under(folder, limit, args);
    t.is(code, 1, stderr);
    t.regex(stderr, /^haze: ulimit -v leaves too little address space: [^\n]+\n$/);
  }
});

onLinux('what the message advises does: the same limit, with less reserved', async (t) => {
  const folder = await withPhotos(t);
  const limit = `ulimit -v ${8 * 2 ** 20} && export NODE_OPTIONS=--disable-wasm-trap-handler`;
  const args = ['train', 'photos', ...SMALL.slice(0, -1), '2', '--timesteps', '5'];
  const { code, stderr } = await under(folder, limit, args);
  t.is(code, 0, stderr);
  t.notRegex(stderr, /warning|skipped/);
});

onLinux('inspect and doctor say it without computing', async (t) => {
  const limit = `ulimit -v ${7 * 2 ** 20}`;
  const inspect = await under('.', limit, ['inspect', '--preset', 'tiny']);
  t.is(inspect.code, 0, inspect.stderr);
  t.regex(inspect.stdout, /^It cannot be trained here: .*ulimit -v leaves/m);
  const doctor = await under('.', limit, ['doctor']);
  t.regex(doctor.stdout, /^. Memory +7\.00 GiB \(ulimit -v\)/m);
  t.regex(doctor.stdout, /^✗ Shared memory .*ulimit -v leaves/m);
});

onLinux(
  "a plan above a container's limit is refused before it computes, and one that is said to fit does",
  async (t) => {
    const value = String(400 * 2 ** 20);
    const group = realGroup(t, [
      { folder: '/sys/fs/cgroup/memory', file: 'memory.limit_in_bytes', value },
      { folder: '/sys/fs/cgroup', file: 'memory.max', value },
    ]);
    if (!group) {
      t.pass('no control group can be made here: test/machine has what the kernel would show');
      return;
    }
    const join = `echo $$ > '${group}/cgroup.procs'`;
    const folder = await temporaryFolder(t);
    const { stdout } = await under(folder, join, [
      'inspect',
      '--preset',
      'tiny',
      '--json',
      '--threads',
      '2',
    ]);
    const { memory } = JSON.parse(stdout);
    t.true(memory.limit < 400 * 2 ** 20);
    t.regex(memory.limitedBy, /^the container's limit \(cgroup\): 400\.00 MiB/);
    const train = (batch: number) =>
      under(folder, join, [
        ...['train', 'toy-cars', '--preset', 'tiny', '--threads', '2', '--out', 'run'],
        ...['--batch', String(batch), '--steps', '1', '--sample-every', '1', '--timesteps', '5'],
      ]);
    const refused = await train(memory.largestBatch + 60);
    t.is(refused.code, 2, refused.stderr);
    t.regex(refused.stderr, /^haze: memory: this needs .*container's limit.*; the largest batch/);
    t.deepEqual(await readdir(folder), []);
    const largest = await train(memory.largestBatch);
    t.is(largest.code, 0, largest.stderr);
  },
);

onLinux(
  "a picture that takes more to decode than the container's limit is no skipped file",
  async (t) => {
    const value = String(400 * 2 ** 20);
    const group = realGroup(t, [
      { folder: '/sys/fs/cgroup/memory', file: 'memory.limit_in_bytes', value },
      { folder: '/sys/fs/cgroup', file: 'memory.max', value },
    ]);
    if (!group) {
      t.pass('no control group can be made here: test/machine has what the kernel would show');
      return;
    }
    const folder = await withPhotos(t);
    const large = {
      create: { width: 12_000, height: 10_000, channels: 3, background: '#fff' },
    } as const;
    await sharp(large)
      .toColourspace('b-w')
      .png({ compressionLevel: 1 })
      .toFile(join(folder, 'photos', 'large.png'));
    const enter = `echo $$ > '${group}/cgroup.procs'`;
    const { code, stderr } = await under(folder, enter, ['train', 'photos', ...SMALL]);
    t.is(code, 1, stderr);
    t.regex(
      stderr,
      /^haze: cannot read .*photos\/large\.png: its 12000x10000 pixels take [\d.]+ MiB to decode: out of memory \(the container's limit \(cgroup\): 400\.00 MiB\)$/m,
    );
    t.notRegex(stderr, /skipped/);
    t.deepEqual(await readdir(folder), ['photos']);
  },
);

onLinux("threads are as many as a container's quota pays for", async (t) => {
  const group = realGroup(t, [
    { folder: '/sys/fs/cgroup/cpu', file: 'cpu.cfs_quota_us', value: '100000' },
    { folder: '/sys/fs/cgroup', file: 'cpu.max', value: '100000 100000' },
  ]);
  if (!group) {
    t.pass('no control group can be made here: test/machine has what the kernel would show');
    return;
  }
  const { stdout } = await under('.', `echo $$ > '${group}/cgroup.procs'`, ['inspect', '--json']);
  t.is(JSON.parse(stdout).memory.threads, 1);
});

onLinux(
  'few descriptors: what comes after the last checkpoint warns, and the run is a success',
  async (t) => {
    const folder = await withPhotos(t);
    const { code, stdout, stderr } = await under(folder, 'ulimit -n 90', [
      'train',
      'photos',
      ...SMALL,
    ]);
    t.is(code, 0, stderr);
    t.notRegex(stderr, /skipped/);
    t.regex(stdout, /^checkpoint {2}runs\/1\/checkpoints\/step-4$/m);
  },
);

onLinux(
  'few descriptors are enough, or are named as what a command cannot be loaded for',
  async (t) => {
    const folder = await withPhotos(t);
    const { code, stdout, stderr } = await under(folder, 'ulimit -n 70', [
      'train',
      'photos',
      ...SMALL,
    ]);
    // Node 20 opens all modules of a command at one time, newer ones do not.
    if (code === 0) t.regex(stdout, /^checkpoint .*step-4$/m);
    else t.is(stderr, 'haze: train cannot be loaded: too many open files (ulimit -n is 70)\n');
  },
);

// With fewer, Node itself fails.
onLinux('too few descriptors to load the program are named in a line', async (t) => {
  for (const files of [40, 60]) {
    const { code, stderr } = await under('.', `ulimit -n ${files}`, ['inspect']);
    t.is(code, 1);
    const expected = `expected at least 70, got ${files}; raise it`;
    t.is(stderr, `haze: ulimit -n leaves too few open files: ${expected}\n`);
  }
  const { code, stderr } = await under('.', 'ulimit -n 70', ['--help']);
  t.is(code, 0, stderr);
});

onLinux(
  'a curve that cannot be drawn, and a stdout that is full, take nothing from a run that is saved',
  async (t) => {
    const folder = await withPhotos(t);
    await mkdir(join(folder, 'run', 'loss.png', 'in-the-way'), { recursive: true });
    const script = '"$@" > /dev/full';
    const args = [process.execPath, CLI, 'train', 'photos', ...SMALL, '--out', 'run'];
    const { code, stderr } = await shell(folder, script, args);
    t.is(code, 0, stderr);
    t.regex(stderr, /^warning: the loss curve was not drawn: /m);
    t.regex(stderr, /^warning: the result cannot be written to stdout: /m);
    t.true((await readdir(join(folder, 'run', 'checkpoints'))).includes('step-4'));
  },
);

onLinux('a result that a full stdout does not take is an error in a line', async (t) => {
  const folder = await temporaryFolder(t);
  for (const args of [['inspect', '--json'], ['doctor'], ['--help'], ['train', '--help']]) {
    const { code, stderr } = await shell(folder, '"$@" > /dev/full', [
      process.execPath,
      CLI,
      ...args,
    ]);
    t.is(code, 1);
    t.is(stderr, 'haze: the result cannot be written to stdout: the disk is full (ENOSPC)\n');
  }
});

onLinux(
  'a sample grid that cannot be written is a warning, and the run goes on to its last checkpoint',
  async (t) => {
    const folder = await withPhotos(t);
    const args = [...SMALL.slice(0, -1), '2', '--timesteps', '5', '--out', 'run'];
    const short = args.map((word, i) => (args[i - 1] === '--steps' ? '2' : word));
    t.is((await under(folder, 'true', ['train', 'photos', ...short])).code, 0);
    await mkdir(join(folder, 'run', 'samples', 'step-4.png', 'in-the-way'), { recursive: true });
    const resume = ['train', '--out', 'run', '--resume', '--steps', '4'];
    const { code, stderr } = await under(folder, 'true', resume);
    t.is(code, 0, stderr);
    t.regex(stderr, /^warning: step 4: no samples: /m);
    t.regex(stderr, /^step 4: saved run\/checkpoints\/step-4$/m);
  },
);
