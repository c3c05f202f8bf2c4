import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { argv, exit } from 'node:process';
import { median } from '../src/bench/statistics.js';
import { runConfig, train } from '../src/index.js';
import { readMetrics } from '../src/io/metrics.js';
import { buildNetwork } from '../src/network/network.js';
import { countParameters } from '../src/network/parameters.js';
import { present } from '../src/queue/board.js';
import { type Cluster, roundCost } from '../src/train/round-model.js';
import { CLI } from '../test/helpers/cli-path.js';
import { freePort, RedisServer } from '../test/helpers/redis-server.js';
import { until } from '../test/helpers/until.js';

/*
 * Measures rounds of workers in network namespaces, each with a link limited by `tc` (tbf), and compares them with the model in
 * `train/round-model.ts`. Needs root, `ip` and `tc`; Redis and the coordinator are in the default namespace.
 *
 *   node dist/bench/namespaces.js [workers] [megabits] [rounds] [steps] [preset]
 */

const [workers = 3, megabits = 50, rounds = 6, steps = 4] = argv.slice(2, 6).map(Number);
const preset = (argv[6] ?? 'tiny') as 'tiny';

const BRIDGE = 'hazebr';
const HERE = '10.213.77.1';
const hostName = (i: number): string => `haze-host-${i}`;

function command(line: string): void {
  const [name, ...words] = line.split(' ');
  const { status, stderr, error } = spawnSync(name!, words, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${line}: ${error?.message ?? stderr.trim()}`);
}

const slow = (device: string): string =>
  `tc qdisc add dev ${device} root tbf rate ${megabits}mbit burst 128kb latency 400ms`;

function makeHosts(): void {
  command(`ip link add ${BRIDGE} type bridge`);
  command(`ip addr add ${HERE}/24 dev ${BRIDGE}`);
  command(`ip link set ${BRIDGE} up`);
  for (let i = 0; i < workers; i++) {
    const [host, outer, inner] = [hostName(i), `hazeo${i}`, `hazei${i}`];
    command(`ip netns add ${host}`);
    command(`ip link add ${outer} type veth peer name ${inner} netns ${host}`);
    command(`ip link set ${outer} master ${BRIDGE} up`);
    command(`ip -n ${host} addr add 10.213.77.${i + 10}/24 dev ${inner}`);
    command(`ip -n ${host} link set ${inner} up`);
    command(slow(outer));
    command(`ip netns exec ${host} ${slow(inner)}`);
  }
}

function removeHosts(): void {
  for (let i = 0; i < workers; i++) spawnSync('ip', ['netns', 'del', hostName(i)]);
  spawnSync('ip', ['link', 'del', BRIDGE]);
}

const seconds = (milliseconds: number): string => (milliseconds / 1000).toFixed(2).padStart(8);

async function measure(folder: string, server: RedisServer): Promise<void> {
  const url = `redis://${HERE}:${new URL(server.url).port}`;
  const config = runConfig({
    ...{ data: 'toy-cars', preset, replicas: workers, syncEvery: steps },
    ...{ steps: steps * rounds, saveEvery: 0, sampleEvery: 0, threads: 1 },
  });
  await train({ config, out: join(folder, 'run'), queue: url });
  const log = await readMetrics(join(folder, 'run', 'metrics.jsonl'));
  const parts = log.flatMap((line) => ('ms' in line && 'compute' in line.ms ? [line.ms] : []));
  // The first round fetches the images, and opens trainers.
  const of = (part: string) => median(parts.slice(1).map((ms) => ms[part]!));
  const link = (megabits * 1e6) / 8;
  const cluster: Cluster = {
    ...{ workers, replicas: workers, averages: 0, steps, spread: 0 },
    parameters: countParameters(buildNetwork(config.model)),
    stepSeconds: of('compute') / 1000 / steps,
    ...{ workerLink: link, redisLink: 1e12, coordinatorLink: 1e12, averageSeconds: 0 },
  };
  const cost = roundCost(cluster);
  const measured = of('upload') + of('wait') + of('download');
  process.stdout.write(
    [
      `${workers} workers at ${megabits} Mbit/s, ${cluster.parameters} parameters, ${steps} steps a round; medians of ${parts.length - 1} rounds`,
      '            measured   model, seconds',
      `load      ${seconds(of('load'))} ${seconds(1000 * cost.load)}`,
      `compute   ${seconds(of('compute'))} ${seconds(1000 * cost.compute)}`,
      `send      ${seconds(of('send'))} ${seconds(1000 * cost.send)}`,
      `round     ${seconds(measured)} ${seconds(1000 * cost.total)}   ${((measured / 1000 / cost.total) * 100).toFixed(0)} %`,
      '',
    ].join('\n'),
  );
}

const folder = await mkdtemp(join(tmpdir(), 'haze-bench-'));
process.env.HAZE_CACHE = join(folder, 'cache');
const server = new RedisServer(await freePort(), folder, [
  '--bind',
  HERE,
  '127.0.0.1',
  '--protected-mode',
  'no',
]);
const processes: ChildProcess[] = [];
try {
  makeHosts();
  await server.start();
  for (let i = 0; i < workers; i++)
    processes.push(
      spawn(
        'ip',
        [
          ...['netns', 'exec', hostName(i), process.execPath, CLI, 'worker', '--threads', '1'],
          ...['--queue', `redis://${HERE}:${new URL(server.url).port}`],
        ],
        { stdio: 'ignore', env: { ...process.env, HAZE_CACHE: join(folder, `cache-${i}`) } },
      ),
    );
  const client = server.client();
  await until(async () => (await present(client, 'worker')).length === workers);
  client.disconnect();
  await measure(folder, server);
} finally {
  for (const child of processes) child.kill('SIGKILL');
  server.kill();
  removeHosts();
  await rm(folder, { recursive: true, force: true });
}
exit();
