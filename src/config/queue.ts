/** Flags of what goes through Redis. */
import type { Flags } from './flag.js';
import type { Source } from './source.js';

/** Where Redis is. */
export const queueFlag: Flags = {
  queue: {
    describe:
      'Redis: redis://[user:password@]host[:port][/database], rediss:// over TLS; env takes REDIS_URL',
    value: 'URL|env',
    default: 'env',
  },
};

/** Flags of a worker. */
export const servingFlags: Flags = {
  'lost-after': {
    describe: 'Seconds without a sign of life after which others take up what this worker has',
    value: 'N',
    default: '30',
  },
};

/** What other machines may not see of a worker for, at most: between the shortest break in a network and a day. Seconds. */
export const readLostAfter = (source: Source): number =>
  source.whole('lostAfter', { min: 1, max: 86_400 }) ?? 30;
