/** Where the page of `haze watch` and `haze train --watch` is served. */
import { UsageError } from '../errors.js';
import type { Args } from './args.js';
import type { Flags } from './flag.js';

export const watchingFlags: Flags = {
  host: {
    describe: 'Address to listen on; 0.0.0.0 lets any other machine see the page',
    value: 'ADDRESS',
    default: '127.0.0.1',
  },
  port: { describe: 'Port; 0 takes any free one', value: 'N', default: '0' },
};

/** @throws UsageError */
export function readListening(args: Args): { host: string; port: number } {
  const host = args.text('host') ?? '127.0.0.1';
  if (!/^[\w.:%-]+$/.test(host))
    throw new UsageError(
      `${args.where('host')}: expected an address or name of this machine, without a port`,
    );
  return { host, port: args.whole('port', { min: 0, max: 65535 }) ?? 0 };
}
