/** Flags of the commands that use Redis. */
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

/** Seconds. */
const USUAL_LOST_AFTER = 30;

/** Flags of a worker. */
export const servingFlags: Flags = {
  'lost-after': {
    describe: "Seconds without a sign of life after which other workers take over this one's jobs",
    value: 'N',
    default: String(USUAL_LOST_AFTER),
  },
};

/** Seconds: between the shortest interruption of a network and a day. */
export const readLostAfter = (source: Source): number =>
  source.whole('lostAfter', { min: 1, max: 86_400 }) ?? USUAL_LOST_AFTER;
