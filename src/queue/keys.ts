/** Names in Redis: all of Haze's begin alike, and databases keep groups of machines apart. */

/** What BullMQ's keys begin with, too. */
export const PREFIX = 'haze';

export const keyOf = (...parts: readonly (string | number)[]): string =>
  [PREFIX, ...parts].join(':');

/** Seconds after which what nobody asks for any more goes: results, weights. Whoever uses it sets the time anew. */
export const EXPIRY = 3600;

/** The most bytes of a string that are asked for: Redis allows 512 MiB. */
export const MOST_BYTES = 256 << 20;
