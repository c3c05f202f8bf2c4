/**
 * A process that serves the page of one run while it trains. Reading and thinning for pages run at a lower priority than training.
 * It ends with the process that started it, however that ends.
 */
import { setPriority } from 'node:os';
import { UsageError } from '../errors.js';
import { serve } from './server.js';
import { WatchedRuns } from './watched-runs.js';

/** Its message to the process that started it. */
export type Told =
  | { readonly url: string }
  | { readonly refused: string }
  | { readonly failed: string };

const [place = '', host = '', port = ''] = process.argv.slice(2);

// Ctrl-C reaches all processes of a terminal; the training process first saves its run, and shows it.
for (const name of ['SIGINT', 'SIGHUP'] as const) process.on(name, () => {});
process.on('disconnect', () => process.exit());
try {
  setPriority(10);
} catch {
  // Some systems do not allow this.
}
try {
  const { url } = await serve(WatchedRuns.ofRun(place), { host, port: Number(port) });
  tell({ url });
} catch (error) {
  const { message } = error as Error;
  tell(error instanceof UsageError ? { refused: message } : { failed: message });
}

function tell(told: Told): void {
  process.send?.(told);
}
