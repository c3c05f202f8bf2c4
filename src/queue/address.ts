/** Where Redis is: an address that may hold a password, which is shown nowhere. */
import { UsageError } from '../errors.js';

export interface Address {
  readonly host: string;
  readonly port: number;
  readonly database: number;
  readonly username?: string;
  readonly password?: string;
  /** Over TLS: `rediss://`. */
  readonly secure: boolean;
  /** The address without user and password, for messages. */
  readonly shown: string;
}

const FORM = 'redis://[user:password@]host[:port][/database], or rediss://… over TLS';

/** What stands for the address in REDIS_URL on the command line, where it keeps a password from others' eyes. */
export const BY_ENVIRONMENT = 'env';

/**
 * Reads an address.
 * @param where what the user calls the setting, for messages
 * @throws UsageError, which does not repeat what may be a password
 */
export function parseAddress(
  where: string,
  text: string,
  env: NodeJS.ProcessEnv = process.env,
): Address {
  if (text !== BY_ENVIRONMENT) return parse(where, text);
  const given = env.REDIS_URL;
  if (given) return parse('REDIS_URL', given);
  throw new UsageError(`${where}: expected ${FORM}, in REDIS_URL, which is not set`);
}

function parse(where: string, text: string): Address {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !['redis:', 'rediss:'].includes(url.protocol) || url.hostname === '')
    throw new UsageError(`${where}: expected ${FORM}, got another text`);
  const database = /^\/?(\d{0,5})$/.exec(url.pathname)?.[1];
  if (database === undefined || url.search !== '' || url.hash !== '')
    throw new UsageError(
      `${where}: expected nothing but the number of a database behind ${url.protocol}//${url.host}`,
    );
  const shown = `${url.protocol}//${url.host}${database === '' ? '' : `/${database}`}`;
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? 6379 : Number(url.port),
    database: Number(database),
    ...(url.username !== '' && { username: decoded(where, url.username) }),
    ...(url.password !== '' && { password: decoded(where, url.password) }),
    secure: url.protocol === 'rediss:',
    shown,
  };
}

function decoded(where: string, part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new UsageError(`${where}: user and password: expected a % that stands for itself as %25`);
  }
}

/** A text in which passwords of such addresses are not to be read. */
export const withoutPasswords = (text: string): string =>
  text.replaceAll(/(rediss?:\/\/)[^\s/@]*(?::[^\s@]*)?@/gi, '$1***@');
