/** The computed time of a round with 10, 100 and 1,000 workers: `node dist/bench/cluster.js [PARAMETERS [STEP_SECONDS [STEPS]]]`. */
import { argv } from 'node:process';
import { type Cluster, roundCost } from '../src/train/round-model.js';

const [parameters = 62_438_883, stepSeconds = 10, steps = 100] = argv.slice(2).map(Number);

/** Gigabits per second, in bytes. */
const gigabit = 1e9 / 8;

const cluster: Omit<Cluster, 'workers' | 'replicas'> = {
  ...{ parameters, averages: 0, steps, stepSeconds, spread: 0.05 },
  ...{ workerLink: gigabit, redisLink: 25 * gigabit, coordinatorLink: 25 * gigabit },
  averageSeconds: parameters / 2e8,
};

const seconds = (value: number): string => value.toFixed(value < 10 ? 1 : 0);

const rows = [1, 10, 100, 1000].map((count) => {
  const cost = roundCost({ ...cluster, workers: count, replicas: count });
  const { upload, load, compute, send, download, average, total, bytes, efficiency } = cost;
  const cells = [upload, load, compute, send, download, average, total].map(seconds);
  return [count, ...cells, (bytes / 1e9).toFixed(1), `${(100 * efficiency).toFixed(0)} %`];
});

const head = [
  ...['workers', 'upload s', 'load s', 'compute s', 'send s', 'download s', 'average s', 'round s'],
  ...['GB through Redis', 'efficiency'],
];
const line = (cells: readonly unknown[]) => `| ${cells.join(' | ')} |`;
process.stdout.write(
  `${[
    `Computed: ${parameters} parameters, rounds of ${steps} steps of ${stepSeconds} s, 5 % between machines, workers at 1 Gbit/s, Redis and coordinator at 25, averaging of 200 million values a second.`,
    '',
    line(head),
    line(head.map(() => '---:')),
    ...rows.map(line),
  ].join('\n')}\n`,
);
