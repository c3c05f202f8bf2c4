/** `haze worker`: makes images for whoever asks for them through Redis. */
import type { Args } from '../config/args.js';
import { COMPUTING_DEFAULTS, readComputing, threadCount } from '../config/computing.js';
import { readLostAfter } from '../config/queue.js';
import { Interrupted } from '../errors.js';
import { JobMaker } from '../generate/job-maker.js';
import { BlobCache } from '../queue/blob-cache.js';
import { processName } from '../queue/board.js';
import { buildId } from '../queue/build.js';
import { connect } from '../queue/connect.js';
import { type ServeEvent, serve } from '../queue/serve.js';
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
  const build = buildId(strict);
  const cache = new BlobCache();
  await cache.open();
  const progress = openProgress('image');
  const onNote = (text: string) => progress.line(text);
  const connection = await connect('--queue', address, onNote);
  const maker = new JobMaker(connection, { threads, strict, wide, cache, onNote });
  onNote(
    `worker ${processName()} of ${address.shown}: ${build}, ${plural(threads, 'thread')}; waiting for jobs`,
  );
  try {
    const images = await interruptible('stopping; jobs in work go back to the queue', (signal) =>
      serve(connection, maker, { build, lostAfter, onEvent: teller(progress) }, signal),
    );
    throw new Interrupted(`interrupted; ${plural(images, 'image')} made, and no job is lost`);
  } finally {
    connection.close();
    progress.stop();
  }
}

/** Tells what a worker does, which has no end: how many images there are, now and then. */
function teller(progress: Progress): (event: ServeEvent) => void {
  let last = performance.now();
  return (event) => {
    const now = performance.now();
    if (event.kind === 'note') progress.line(event.text);
    else if (now - last > INTERVAL) {
      last = now;
      const pace = `${significant(event.imagesPerSecond)} images/s`;
      progress.line(`${plural(event.images, 'image')} · ${pace}`);
    }
  };
}

/** Milliseconds between two such lines. */
const INTERVAL = 10_000;
