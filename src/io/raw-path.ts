/**
 * Paths whose names are not UTF-8, as archives from other systems contain. On Linux a name may be any bytes; a JavaScript
 * string cannot hold them, so such a path stays bytes.
 */
import { isUtf8 } from 'node:buffer';
import { readdir, stat } from 'node:fs/promises';
import { isAbsolute, join, sep } from 'node:path';
import { UsageError } from '../errors.js';

/** A text if the path is UTF-8, else its bytes. */
export type RawPath = string | Uint8Array;

/** In the form for `fs`: bytes in a worker's message arrive as a plain array. */
export const fsPath = (path: RawPath): string | Buffer =>
  typeof path === 'string' ? path : Buffer.from(path.buffer, path.byteOffset, path.byteLength);

/** The path of an entry of a folder. */
export function joinRaw(folder: RawPath, name: Buffer): RawPath {
  if (typeof folder === 'string' && isUtf8(name)) return join(folder, name.toString());
  return Buffer.concat([Buffer.from(fsPath(folder)), Buffer.from(sep), name]);
}

/** A name for messages and sorting: bytes that are not UTF-8 appear as `\xe9`. */
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

/** Bytes of the character at `at`; 0 if it is invalid. */
function characterAt(bytes: Buffer, at: number): number {
  const first = bytes[at]!;
  const length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  const whole = at + length <= bytes.length && isUtf8(bytes.subarray(at, at + length));
  return whole ? length : 0;
}

const escaped = (byte: number): string => `\\x${byte.toString(16).padStart(2, '0')}`;

/** Node's replacement for bytes in its arguments that are not UTF-8. */
const LOST = '\ufffd';

/**
 * The path that an argument names. Bytes that are not UTF-8 arrive as U+FFFD; they are recovered by
 * comparing with the names on disk. A text that names an existing file, or none, is returned unchanged.
 * @throws UsageError if several names on disk match
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
      `${text}: expected one such name, got ${found.map(nameText).join(' and ')}; give their parent folder`,
    );
  return found[0];
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );
