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
import { type ServeEvent, serve } from '../queue/serve.js';
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
  const connection = await connect('--queue', address, onNote);
  const how = { threads, strict, wide, cache, onNote };
  const options = { build, lostAfter };
  const images = teller(progress, 'image');
  const steps = teller(progress, 'step');
  onNote(
    `worker ${processName()} of ${address.shown}: ${build}, ${plural(threads, 'thread')}; waiting for jobs`,
  );
  try {
    const [made, taken] = await interruptible(
      'stopping; current jobs go back to the queue',
      (signal) =>
        Promise.all([
          serve(
            GENERATE,
            connection,
            new JobMaker(connection, how),
            { ...options, onEvent: images },
            signal,
          ),
          serve(
            TRAIN,
            connection,
            new TrainMaker(connection, how),
            { ...options, onEvent: steps },
            signal,
          ),
        ]),
    );
    const training = taken === 0 ? '' : ` and ${plural(taken, 'step')} taken`;
    throw new Interrupted(
      `interrupted; ${plural(made, 'image')} drawn${training}, and no job is lost`,
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
function teller(progress: Progress, noun: string): (event: ServeEvent) => void {
  let last = performance.now();
  return (event) => {
    const now = performance.now();
    if (event.kind === 'note') progress.line(event.text);
    else if (now - last > INTERVAL) {
      last = now;
      const pace = `${significant(event.perSecond)} ${noun}s/s`;
      progress.line(`${plural(event.count, noun)} · ${pace}`);
    }
  };
}

/** Milliseconds between two such reports. */
const INTERVAL = 10_000;
