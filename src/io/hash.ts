/** SHA-256 of bytes and files, in hexadecimal. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';

export const sha256 = (bytes: Uint8Array): string =>
  createHash('sha256').update(bytes).digest('hex');

/** Reads a file of any length in little memory. @throws the system's error when it cannot be read */
export async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 }))
    hash.update(chunk as Buffer);
  return hash.digest('hex');
}
