/** `haze worker`: draws images and trains replicas that others request through Redis. */
import type { Args } from '../config/args.js';
import { COMPUTING_DEFAULTS, readComputing, threadCount } from '../config/computing.js';
import { readLostAfter } from '../config/queue.js';
import { lackOfWideVectors } from '../engine/host/kernels.js';
import { Interrupted, UsageError } from '../errors.js';
import { JobMaker } from '../generate/job-maker.js';
import { BlobCache } from '../queue/blob-cache.js';
import { processName } from '../queue/board.js';
import { buildId } from '../queue/build.js';
import { connect } from '../queue/connect.js';
import { GENERATE, TRAIN } from '../queue/kinds.js';
import { type ServeEvent, serve, service } from '../queue/serve.js';
import { TrainMaker } from '../train/train-maker.js';
import { plural, significant } from '../units.js';
import { interruptible } from './interrupt.js';
import { openProgress, type Progress } from './progress.js';
import { readQueueAddress } from './queue-address.js';

export async function run(args: Args): Promise<void> {
  const address = readQueueAddress(args);
  const computing = { ...COMPUTING_DEFAULTS, ...readComputing(args) };
  const lostAfter = readLostAfter(args);
  const threads = threadCount(computing);
  const { strict, wide } = computing;
  const lack = wide ? lackOfWideVectors() : null;
  if (lack !== null) throw new UsageError(`--wide: ${lack}`);
  const build = buildId(strict);
  const cache = new BlobCache();
  await cache.open();
  const progress = openProgress('image');
  const onNote = (text: string) => progress.line(text);
  const connection = await connect('--queue', address, { onNote });
  const how = { threads, strict, wide, cache, onNote };
  const options = { build, lostAfter, cache: cache.folder, onEvent: teller(progress) };
  onNote(
    `worker ${processName()} of ${address.shown}: ${build}, ${plural(threads, 'thread')}; waiting for jobs`,
  );
  try {
    const services = [
      service(GENERATE, new JobMaker(connection, how)),
      service(TRAIN, new TrainMaker(connection, how)),
    ];
    const tally = await interruptible('stopping; current jobs go back to the queue', (signal) =>
      serve(services, connection, options, signal),
    );
    const taken = tally.count('steps');
    const training = taken === 0 ? '' : ` and ${plural(taken, 'step')} taken`;
    throw new Interrupted(
      `interrupted; ${plural(tally.count('images'), 'image')} drawn${training}, and no job is lost`,
    );
  } finally {
    connection.close();
    progress.stop();
    // While Redis is away, BullMQ waits for its connections forever; nothing depends on them any more.
    setTimeout(() => process.exit(), LINGER).unref();
  }
}

/** Milliseconds that a finished process may linger. */
const LINGER = 500;

/** Reports a worker's progress, which has no end: the number of images or steps, now and then. */
function teller(progress: Progress): (event: ServeEvent) => void {
  const begun = performance.now();
  const last = { images: begun, steps: begun };
  return (event) => {
    const now = performance.now();
    if (event.kind === 'note') progress.line(event.text);
    else if (now - last[event.unit] > INTERVAL) {
      last[event.unit] = now;
      const noun = event.unit.slice(0, -1);
      const pace = `${significant(event.perSecond)} ${noun}s/s`;
      progress.line(`${plural(event.count, noun)} · ${pace}`);
    }
  };
}

/** Milliseconds between two such reports. */
const INTERVAL = 10_000;
