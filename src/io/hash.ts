/** SHA-256 of bytes and files, in hexadecimal. */
import { createHash } from 'node:crypto';
import { openPlain } from './plain-file.js';

export const sha256 = (bytes: Uint8Array): string =>
  createHash('sha256').update(bytes).digest('hex');

/** Reads a plain file of any length in little memory. @throws as `openPlain` does */
export async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  const file = await openPlain(path);
  for await (const chunk of file.createReadStream({ highWaterMark: 1 << 20 }))
    hash.update(chunk as Buffer);
  return hash.digest('hex');
}
