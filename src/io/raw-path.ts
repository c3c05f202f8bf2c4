/**
 * Paths whose names are not UTF-8, as archives of other systems leave them. Linux takes any bytes for a name; a JavaScript
 * string cannot hold them, so such a path stays bytes.
 */
import { isUtf8 } from 'node:buffer';
import { readdir, stat } from 'node:fs/promises';
import { isAbsolute, join, sep } from 'node:path';
import { UsageError } from '../errors.js';

/** A text wherever the path is UTF-8, else its bytes. */
export type RawPath = string | Uint8Array;

/** What `fs` takes: bytes come out of a worker's message as a plain array. */
export const fsPath = (path: RawPath): string | Buffer =>
  typeof path === 'string' ? path : Buffer.from(path.buffer, path.byteOffset, path.byteLength);

/** The path of an entry of a folder. */
export function joinRaw(folder: RawPath, name: Buffer): RawPath {
  if (typeof folder === 'string' && isUtf8(name)) return join(folder, name.toString());
  return Buffer.concat([Buffer.from(fsPath(folder)), Buffer.from(sep), name]);
}

/** A name for messages and for order: bytes that are not UTF-8 as `\xe9`. */
export function nameText(name: Buffer): string {
  if (isUtf8(name)) return name.toString();
  let text = '';
  for (let at = 0; at < name.length; ) {
    const length = characterAt(name, at);
    text += length > 0 ? name.toString('utf8', at, at + length) : escaped(name[at]!);
    at += Math.max(1, length);
  }
  return text;
}

/** Bytes of the character at `at`; 0 where there is none. */
function characterAt(bytes: Buffer, at: number): number {
  const first = bytes[at]!;
  const length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  const whole = at + length <= bytes.length && isUtf8(bytes.subarray(at, at + length));
  return whole ? length : 0;
}

const escaped = (byte: number): string => `\\x${byte.toString(16).padStart(2, '0')}`;

/** What Node makes of bytes in its arguments that are not UTF-8. */
const LOST = '\ufffd';

/**
 * The path that an argument names. Of bytes that are not UTF-8 an argument has only U+FFFD left; they are found again by
 * the names on disk that read the same. A text that names something, or nothing, stays as it is.
 * @throws UsageError where two names on disk read the same
 */
export async function resolveRaw(text: string): Promise<RawPath> {
  if (!text.includes(LOST) || (await exists(text))) return text;
  let path: RawPath = isAbsolute(text) ? sep : '.';
  for (const part of text.split(sep).filter((word) => word !== '')) {
    const found = part.includes(LOST) ? await lookUp(path, part, text) : Buffer.from(part);
    if (!found) return text;
    path = joinRaw(path, found);
  }
  return path;
}

async function lookUp(folder: RawPath, part: string, text: string): Promise<Buffer | undefined> {
  const names = await readdir(fsPath(folder), { encoding: 'buffer' }).catch(() => []);
  const found = names.filter((name) => name.toString() === part);
  if (found.length > 1)
    throw new UsageError(
      `${text}: expected one such name, got ${found.map(nameText).join(' and ')}; name the folder above them`,
    );
  return found[0];
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );
