/** `haze watch`: serves a page of runs until Ctrl-C. */
import type { Args } from '../config/args.js';
import { readListening } from '../config/watching.js';
import { serve } from '../watch/server.js';
import { WatchedRuns } from '../watch/watched-runs.js';
import { interruptible } from './interrupt.js';
import { print } from './text.js';

export async function run(args: Args): Promise<void> {
  const place = args.positional('runs', 'a run or a folder of runs');
  const listening = readListening(args);
  const runs = await WatchedRuns.open(place);
  // Listen for Ctrl-C before announcing it.
  await interruptible('the page is closed', async (signal) => {
    const server = await serve(runs, listening);
    try {
      print(`${place}: ${server.url}\n`);
      process.stderr.write('Ctrl-C ends it\n');
      await aborted(signal);
    } finally {
      await server.close();
    }
  });
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
