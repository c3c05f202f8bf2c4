/**
 * Which Host headers are answered. Another site can point its name here (DNS rebinding) and read the answers of a server on this
 * machine; but then the browser's Host header names that site.
 */

import { isIP } from 'node:net';
import { hostname } from 'node:os';

const LOCAL = ['127.0.0.1', 'localhost', '::1'];

/** Addresses that stand for all addresses of a machine. */
const ALL = ['0.0.0.0', '::'];

/** Whether a server that listens on `host` answers a request with this Host header. Ports may differ: tunnels have their own. */
export function isOwnHost(host: string, header: string | undefined): boolean {
  const name = nameOf(header ?? '');
  if (name === undefined) return false;
  if (LOCAL.includes(name) || name === host.toLowerCase()) return true;
  // A server on all addresses is reached by any of them; a host name that points here is not an address.
  return ALL.includes(host) && (isIP(name) !== 0 || name === hostname().toLowerCase());
}

/** The name in `name:port` or `[::1]:port`; undefined for another form. */
function nameOf(header: string): string | undefined {
  const found = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::\d{1,5})?$/i.exec(header);
  return (found?.[1] ?? found?.[2])?.toLowerCase();
}

/** A host as written in a URL. */
export const inUrl = (host: string): string => (isIP(host) === 6 ? `[${host}]` : host);
