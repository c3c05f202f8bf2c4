/** Keys in Redis: all of Haze's have the same prefix, and databases separate groups of machines. */

/** Also the prefix of BullMQ's keys. */
export const PREFIX = 'haze';

export const keyOf = (...parts: readonly (string | number)[]): string =>
  [PREFIX, ...parts].join(':');

/** Seconds after which unused data expire: results, weights. Each use renews them. */
export const EXPIRY = 3600;

/** The largest string to request: Redis allows 512 MiB. */
export const MOST_BYTES = 256 << 20;

/** A sorted set: the builds in use, with the seconds at which they were last. */
export const BUILDS = keyOf('builds');
