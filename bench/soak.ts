import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { median } from '../src/bench/statistics.js';
import { readMetrics } from '../src/io/metrics.js';
import { CLI } from '../test/helpers/cli-path.js';
import { freePort, RedisServer } from '../test/helpers/redis-server.js';

/*
 * Memory over a long time of rounds: two workers train four replicas through a Redis on this machine. Prints the resident
 * memory of each process and what Redis holds, once a minute, and at the end the medians of the second and the last quarter.
 *
 *   node dist/bench/soak.js [minutes]
 */

const minutes = Number(process.argv[2] ?? 60);

const folder = await mkdtemp(join(tmpdir(), 'haze-bench-'));
process.env.HAZE_CACHE = join(folder, 'cache');
const server = new RedisServer(await freePort(), folder, []);
const started: ChildProcess[] = [];

function haze(words: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, [CLI, ...words], { stdio: 'ignore' });
  started.push(child);
  return child;
}

/** MiB of memory that a process has, as the system counts it. */
const residentOf = ({ pid }: ChildProcess): number =>
  Number(execFileSync('ps', ['-o', 'rss=', '-p', `${pid}`], { encoding: 'utf8' })) / 1024;

/** The columns of the table. */
const COLUMNS = ['worker 1', 'worker 2', 'command', 'Redis', 'keys in Redis'] as const;

const row = (first: string, values: readonly number[]): string =>
  [first.padStart(14), ...values.map((value) => value.toFixed(1).padStart(14))].join('');

try {
  await server.start();
  const workers = [1, 2].map(() => haze(['worker', '--queue', server.url, '--threads', '1']));
  const run = join(folder, 'run');
  const command = haze([
    ...['train', 'toy-cars', '--preset', 'tiny', '--batch', '2', '--replicas', '4', '--sync-every'],
    ...['5', '--steps', '100000000', '--sample-every', '200', '--save-every', '200', '--keep', '2'],
    ...['--out', run, '--queue', server.url],
  ]);
  const ended = once(command, 'exit');
  const client = server.client();
  const samples: number[][] = [];
  console.log(['minute', ...COLUMNS].map((name) => name.padStart(14)).join(''));
  for (let minute = 1; minute <= minutes; minute++) {
    await Promise.race([sleep(60_000), ended]);
    if (command.exitCode !== null) throw new Error(`the command ended with ${command.exitCode}`);
    const used = /used_memory:(\d+)/.exec(await client.info('memory'))![1]!;
    const resident = [...workers, command].map(residentOf);
    samples.push([...resident, Number(used) / 2 ** 20, await client.dbsize()]);
    console.log(row(`${minute}`, samples.at(-1)!));
  }
  client.disconnect();
  command.kill('SIGINT');
  await ended;
  const quarter = (i: number) => samples.slice((i * minutes) / 4, ((i + 1) * minutes) / 4);
  const medians = (i: number) => COLUMNS.map((_, at) => median(quarter(i).map((one) => one[at]!)));
  console.log(row('2nd quarter', medians(1)));
  console.log(row('last quarter', medians(3)));
  const steps = (await readMetrics(join(run, 'metrics.jsonl'))).filter((line) => 'loss' in line);
  console.log(`MiB; ${steps.length / 5} rounds of 5 steps`);
} finally {
  for (const child of started) child.kill('SIGKILL');
  server.kill();
  await rm(folder, { recursive: true, force: true });
}
