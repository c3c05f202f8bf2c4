/**
 * Which Host headers are answered. A page of another site can have its name point here (DNS rebinding) and read what a server on this
 * machine says; but then the browser names that site.
 */

import { isIP } from 'node:net';
import { hostname } from 'node:os';

const LOCAL = ['127.0.0.1', 'localhost', '::1'];

/** Addresses that stand for all of a machine's. */
const ALL = ['0.0.0.0', '::'];

/** Whether a server that listens on `host` answers a request with this Host header. Ports may differ: tunnels have their own. */
export function isOwnHost(host: string, header: string | undefined): boolean {
  const name = nameOf(header ?? '');
  if (name === undefined) return false;
  if (LOCAL.includes(name) || name === host.toLowerCase()) return true;
  // Whoever listens on all addresses is reached by any of them; a name that points here needs more than an address.
  return ALL.includes(host) && (isIP(name) !== 0 || name === hostname().toLowerCase());
}

/** The name in `name:port` or `[::1]:port`; undefined for another form. */
function nameOf(header: string): string | undefined {
  const found = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::\d{1,5})?$/i.exec(header);
  return (found?.[1] ?? found?.[2])?.toLowerCase();
}

/** A host as it stands in an address. */
export const inUrl = (host: string): string => (isIP(host) === 6 ? `[${host}]` : host);
