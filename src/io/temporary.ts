/**
 * Names of files that are being written: hidden, in the same folder as the final file, and recognisable for a
 * clean-up.
 */
import { randomBytes } from 'node:crypto';
import { basename, dirname, join } from 'node:path';

/** Length limit of a temporary name in bytes, whatever the file's name. */
const SHORT = 64;

/** The random part, and the marker of a temporary name. */
const TAIL = /^\.[0-9a-f]{8}\.tmp$/;
const TAIL_LENGTH = '.1a2b3c4d.tmp'.length;

/** A temporary name for writing `path`. `owner`, a word, becomes part of it, for clean-ups that need to know whose it is. */
export function temporaryPath(path: string, owner?: string): string {
  const tail = `.${randomBytes(4).toString('hex')}.tmp`;
  return join(dirname(path), `${head(basename(path), owner)}${tail}`);
}

/** The name of the final file, with the owner after it; undefined if the name is not a temporary one. */
export function baseOfTemporary(name: string): string | undefined {
  const at = name.length - TAIL_LENGTH;
  return name.startsWith('.') && at > 1 && TAIL.test(name.slice(at))
    ? name.slice(1, at)
    : undefined;
}

/** The part before the random one; truncated if the whole would be longer than the file's own name. */
function head(base: string, owner?: string): string {
  const middle = owner === undefined ? '' : `.${owner}`;
  const room = Math.max(SHORT, Buffer.byteLength(base)) - TAIL_LENGTH - middle.length - 1;
  return `.${cut(base, room)}${middle}`;
}

/** The start of a text: whole characters of at most `bytes` bytes. */
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
