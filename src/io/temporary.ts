/**
 * Names of files that are being written: hidden, beside the file they will become, and such that a clean-up knows them
 * from all other names.
 */
import { randomBytes } from 'node:crypto';
import { basename, dirname, join } from 'node:path';

/** Bytes that a temporary name may have whatever its file is called. */
const SHORT = 64;

/** The random part, and what marks a name as temporary. */
const TAIL = /^\.[0-9a-f]{8}\.tmp$/;
const TAIL_LENGTH = '.1a2b3c4d.tmp'.length;

/** A name for a file on its way to `path`. `owner`, a word, goes into it, for clean-ups that have to tell whose it is. */
export function temporaryPath(path: string, owner?: string): string {
  const tail = `.${randomBytes(4).toString('hex')}.tmp`;
  return join(dirname(path), `${head(basename(path), owner)}${tail}`);
}

/** The file that a temporary name says it is of, with the owner behind it; undefined for other names. */
export function baseOfTemporary(name: string): string | undefined {
  const at = name.length - TAIL_LENGTH;
  return name.startsWith('.') && at > 1 && TAIL.test(name.slice(at))
    ? name.slice(1, at)
    : undefined;
}

/** What stands before the random part; cut where the whole would be longer than the file's own name, and so too long. */
function head(base: string, owner?: string): string {
  const middle = owner === undefined ? '' : `.${owner}`;
  const room = Math.max(SHORT, Buffer.byteLength(base)) - TAIL_LENGTH - middle.length - 1;
  return `.${cut(base, room)}${middle}`;
}

/** The beginning of a text, whole characters of at most so many bytes in all. */
function cut(text: string, bytes: number): string {
  let length = 0;
  let used = 0;
  for (const character of text) {
    used += Buffer.byteLength(character);
    if (used > bytes) break;
    length += character.length;
  }
  return text.slice(0, length);
}
