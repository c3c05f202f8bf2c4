/** SHA-256 of bytes and files, in hexadecimal. */
import { createHash } from 'node:crypto';
import { openPlain } from './plain-file.js';

export const sha256 = (bytes: Uint8Array): string =>
  createHash('sha256').update(bytes).digest('hex');

/** Hashes a plain file of any length in little memory. @throws like `openPlain` */
export async function hashFile(path: string): Promise<string> {
  const file = await openPlain(path);
  try {
    const hash = createHash('sha256');
    const chunk = Buffer.alloc(Math.max(1, Math.min((await file.stat()).size, CHUNK)));
    for (let got = 1; got > 0; ) {
      got = (await file.read(chunk, 0, chunk.length, null)).bytesRead;
      hash.update(chunk.subarray(0, got));
    }
    return hash.digest('hex');
  } finally {
    await file.close();
  }
}

/** Bytes per read. */
const CHUNK = 1 << 20;
