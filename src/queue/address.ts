/** Redis's address, which may include a password that is never shown. */
import { UsageError } from '../errors.js';

export interface Address {
  readonly host: string;
  readonly port: number;
  readonly database: number;
  readonly username?: string;
  readonly password?: string;
  /** Whether it uses TLS: `rediss://`. */
  readonly secure: boolean;
  /** The address without user and password, for messages. */
  readonly shown: string;
}

const FORM = 'redis://[user:password@]host[:port][/database], or rediss://… over TLS';

/** Stands for the address in REDIS_URL on the command line, to keep a password from other users. */
export const BY_ENVIRONMENT = 'env';

/**
 * Reads an address.
 * @param where the user's name for the setting, for messages
 * @throws UsageError, which does not repeat a possible password
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
  if (`${url.pathname}${url.search}${url.hash}`.includes('@'))
    throw new UsageError(
      `${where}: user and password: expected a literal /, ? and # to be written as %2F, %3F and %23`,
    );
  const database = /^\/?(\d{0,5})$/.exec(url.pathname)?.[1];
  if (database === undefined || url.search !== '' || url.hash !== '')
    throw new UsageError(
      `${where}: expected only a database number after ${url.protocol}//${url.host}`,
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
    throw new UsageError(`${where}: user and password: expected a literal % to be written as %25`);
  }
}

/** A text with the passwords of such addresses removed, but not the form of an address. */
export const withoutPasswords = (text: string): string =>
  text.replaceAll(/(rediss?:\/\/)(?!\[user:password@\])\S*@/gi, '$1***@');
