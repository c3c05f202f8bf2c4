/** `haze queue`: who works on what. */
import type { Args } from '../config/args.js';
import { connect, memoryInWords } from '../queue/connect.js';
import { type Overview, survey } from '../queue/overview.js';
import { grouped, plural, significant } from '../units.js';
import { duration } from './progress.js';
import { readQueueAddress } from './queue-address.js';
import { print, printJson, table } from './text.js';

export async function run(args: Args): Promise<void> {
  const connection = await connect('--queue', readQueueAddress(args));
  try {
    const overview = await survey(connection);
    if (args.boolean('json')) printJson(overview);
    else print(asText(overview));
  } finally {
    connection.close();
  }
}

const rate = (perSecond: number): string => (perSecond > 0 ? significant(perSecond) : '-');

function asText({ address, redis, workers, runs, jobs, failures }: Overview): string {
  const parts = [`${address}: Redis ${redis.version}, ${memoryInWords(redis)}\n`];
  parts.push(`\n${plural(workers.length, 'worker')}\n`);
  if (workers.length > 0)
    parts.push(
      table(
        [
          ['worker', 'build', 'lanes', 'up', 'images', 'images/s', 'steps', 'steps/s', 'failed'],
          ...workers.map((w) => [
            ...[w.name, w.build, `${w.lanes}`, duration(w.seconds), grouped(w.images)],
            ...[rate(w.imagesPerSecond), grouped(w.steps), rate(w.stepsPerSecond), `${w.failed}`],
          ]),
        ],
        [2, 3, 4, 5, 6, 7, 8],
      ),
    );
  const failing = workers.filter(({ inARow }) => inARow > 0);
  if (failing.length > 0)
    parts.push(
      '\nfailing now\n',
      table(failing.map((w) => [w.name, `${w.inARow} in a row, the last: ${w.reason}`])),
    );
  parts.push(`\n${plural(runs.length, 'run')}\n`);
  if (runs.length > 0)
    parts.push(
      table(
        [
          ['run', 'build', 'images', 'of', 'images/s', 'left'],
          ...runs.map((r) => [
            ...[r.name, r.build, grouped(r.done), grouped(r.total), rate(r.imagesPerSecond)],
            r.secondsLeft === null ? '-' : duration(r.secondsLeft),
          ]),
        ],
        [2, 3, 4, 5],
      ),
    );
  if (jobs.length > 0)
    parts.push(
      '\n',
      table(
        [
          ['jobs of', 'to', 'waiting', 'active', 'to be tried again', 'failed'],
          ...jobs.map((j) => [
            ...[j.build, j.kind],
            ...[j.waiting, j.active, j.delayed, j.failed].map((n) => grouped(n)),
          ]),
        ],
        [2, 3, 4, 5],
      ),
    );
  if (failures.length > 0)
    parts.push(
      '\nfailed within the last hour\n',
      table(failures.map(({ what, reason }) => [what ?? 'an invalid job', reason])),
    );
  return parts.join('');
}
