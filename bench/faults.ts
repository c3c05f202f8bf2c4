import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PRESET_NAMES } from '../src/config/presets.js';
import { choose } from '../src/config/source.js';
import { hashFile } from '../src/io/hash.js';
import { CLI } from '../test/helpers/cli-path.js';
import { freePort, RedisServer } from '../test/helpers/redis-server.js';

/*
 * The same work done locally, and by workers of a queue that lose one another: every few seconds a worker is killed, or
 * frozen for longer than its lock, or Redis is stopped and started, or the command is killed and run again, in turn. Every
 * file must be the same.
 *
 *   node dist/bench/faults.js [generate|train] [images|steps] [seconds between faults] [preset]
 */

const task = choose('the work', process.argv[2] ?? 'generate', ['generate', 'train']);
const count = Number(process.argv[3] ?? (task === 'generate' ? 512 : 200));
const pause = Number(process.argv[4] ?? 3);
const preset = choose('the preset', process.argv[5] ?? 'minutes-32', PRESET_NAMES);
/** Seconds after which a worker counts as lost. */
const LOST_AFTER = 5;

const folder = await mkdtemp(join(tmpdir(), 'haze-bench-'));
process.env.HAZE_CACHE = join(folder, 'cache');

const NETWORK = ['toy-cars', '--preset', preset, '--sample-every', '0', '--seed', '1'];
const REPLICAS = ['--replicas', '4', '--sync-every', '25', '--batch', '4', '--save-every', '25'];

/** The words of the work that writes `out`, and of its continuation. */
function wordsOf(out: string): string[] {
  if (task === 'generate')
    return ['generate', join(folder, 'model'), '--count', `${count}`, '--out', out];
  // A command that was killed before its first checkpoint has nothing to resume.
  const begun = existsSync(join(out, 'checkpoints')) && checkpointsOf(out).length > 0;
  return begun
    ? ['train', '--out', out, '--resume']
    : ['train', ...NETWORK, ...REPLICAS, '--steps', `${count}`, '--out', out];
}

const checkpointsOf = (out: string): string[] =>
  readdirSync(join(out, 'checkpoints')).filter((name) => /^step-\d+$/.test(name));

/** Hashes of what the work came to, by name. */
async function resultOf(out: string): Promise<Map<string, string>> {
  const at = task === 'generate' ? out : join(out, 'checkpoints', `step-${count}`);
  const names = readdirSync(at).filter((name) => /\.(png|safetensors)$/.test(name));
  return new Map(
    await Promise.all(
      names.map(async (name) => [name, await hashFile(join(at, name))] as [string, string]),
    ),
  );
}

const haze = (words: readonly string[]): ChildProcess =>
  spawn(process.execPath, [CLI, ...words], { stdio: ['ignore', 'ignore', 'pipe'] });

/** Runs a command to its end. @throws Error with what it said if it fails */
async function done(command: ChildProcess): Promise<void> {
  let said = '';
  command.stderr!.on('data', (chunk: Buffer) => {
    said = (said + chunk).slice(-2000);
  });
  const [code] = (await once(command, 'close')) as [number | null];
  if (code !== 0 && command.signalCode !== 'SIGKILL') throw new Error(`exit code ${code}: ${said}`);
}

/** Work through the queue, and what befalls it. */
class Faulty {
  readonly counts = { killed: 0, frozen: 0, redis: 0, command: 0 };
  private readonly server: RedisServer;
  private readonly out: string;
  private readonly workers: ChildProcess[];
  private command!: ChildProcess;
  private ended = false;

  constructor(server: RedisServer, workers: number, out: string) {
    this.server = server;
    this.out = out;
    this.workers = Array.from({ length: workers }, () => this.worker());
  }

  private worker(): ChildProcess {
    const own = ['--lost-after', `${LOST_AFTER}`, '--threads', '1'];
    const worker = haze(['worker', '--queue', this.server.url, ...own]);
    worker.stderr!.resume();
    return worker;
  }

  async run(): Promise<void> {
    const faults = this.befall();
    try {
      do {
        this.command = haze([...wordsOf(this.out), '--queue', this.server.url]);
        await done(this.command);
      } while (this.command.signalCode === 'SIGKILL');
    } finally {
      this.ended = true;
      for (const worker of this.workers) worker.kill('SIGKILL');
      await faults;
    }
  }

  private async befall(): Promise<void> {
    const faults = [
      (i: number) => this.kill(i),
      (i: number) => this.freeze(i),
      (i: number) => this.kill(i),
      () => this.restartRedis(),
      (i: number) => this.kill(i),
      () => this.killCommand(),
    ];
    for (let i = 0; ; i++) {
      await sleep(1000 * pause);
      if (this.ended) return;
      await faults[i % faults.length]!(i % this.workers.length);
    }
  }

  private kill(i: number): void {
    this.workers[i]!.kill('SIGKILL');
    this.workers[i] = this.worker();
    this.counts.killed++;
  }

  private async freeze(i: number): Promise<void> {
    this.workers[i]!.kill('SIGSTOP');
    this.counts.frozen++;
    await sleep(1000 * (LOST_AFTER + 3));
    this.workers[i]!.kill('SIGCONT');
  }

  private async restartRedis(): Promise<void> {
    this.counts.redis++;
    await this.server.stop();
    await sleep(2000);
    await this.server.start();
  }

  private killCommand(): void {
    this.counts.command++;
    this.command.kill('SIGKILL');
  }
}

const server = new RedisServer(await freePort(), folder, ['--appendonly', 'yes']);
try {
  await server.start();
  if (task === 'generate')
    await done(haze(['train', ...NETWORK, '--steps', '4', '--out', join(folder, 'model')]));
  const local = join(folder, 'local');
  await done(haze(wordsOf(local)));
  const expected = await resultOf(local);
  for (const workers of task === 'generate' ? [1, 2, 3] : [1, 2, 4]) {
    const begun = Date.now();
    const out = join(folder, `by-${workers}`);
    const work = new Faulty(server, workers, out);
    await work.run();
    const got = await resultOf(out);
    const same = [...expected].filter(([name, hash]) => got.get(name) === hash).length;
    const { killed, frozen, redis, command } = work.counts;
    console.log(
      `${workers} workers, ${Math.round((Date.now() - begun) / 1000)} s: workers killed ${killed} times and frozen ${frozen} times, ` +
        `Redis restarted ${redis} times, the command killed ${command} times: ${same} of ${expected.size} files the same`,
    );
    if (same !== expected.size || got.size !== expected.size) process.exitCode = 1;
  }
} finally {
  server.kill();
  await rm(folder, { recursive: true, force: true });
}
