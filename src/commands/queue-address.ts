import type { Args } from '../config/args.js';
import { type Address, BY_ENVIRONMENT, parseAddress } from '../queue/address.js';

/** The address that `--queue` names, else REDIS_URL. @throws UsageError */
export function readQueueAddress(args: Args): Address {
  hidePassword(args);
  return parseAddress('--queue', args.text('queue') ?? BY_ENVIRONMENT);
}

/** Other users see the words of a command line in the list of processes: not for longer than can be helped, if one is a password. */
export function hidePassword(args: Args): void {
  if (args.text('queue')?.includes('@')) process.title = 'haze';
}
