/**
 * TFRecord: a file of records, each `u64 length · u32 masked CRC of the length · data · u32 masked CRC of the data`, little-endian
 * (tensorflow/core/lib/io/record_writer.h).
 */
import { openPlain } from '../plain-file.js';
import { maskedCrc32c } from './crc32c.js';

const HEADER = 12;
const FOOTER = 4;

/** Size limit of a record in bytes; a grid of samples has some hundred thousand. */
const LONGEST = 64 << 20;

/** Encodes data as a record. */
export function record(data: Uint8Array): Buffer {
  const bytes = Buffer.alloc(HEADER + data.length + FOOTER);
  bytes.writeBigUInt64LE(BigInt(data.length), 0);
  bytes.writeUInt32LE(maskedCrc32c(bytes.subarray(0, 8)), 8);
  bytes.set(data, HEADER);
  bytes.writeUInt32LE(maskedCrc32c(data), HEADER + data.length);
  return bytes;
}

/**
 * The data of a file's records, up to its end or the first damaged one: a crash may have torn it, and later records cannot
 * be found.
 * @throws UsageError if it is not a plain file; the system's error if it cannot be read
 */
export async function* readRecords(path: string): AsyncGenerator<Buffer> {
  const file = await openPlain(path);
  try {
    for (let at = 0; ; ) {
      const header = Buffer.alloc(HEADER);
      if ((await file.read(header, 0, HEADER, at)).bytesRead < HEADER) return;
      const length = Number(header.readBigUInt64LE(0));
      const sound = header.readUInt32LE(8) === maskedCrc32c(header.subarray(0, 8));
      if (!sound || length > LONGEST) return;
      const rest = Buffer.alloc(length + FOOTER);
      if ((await file.read(rest, 0, rest.length, at + HEADER)).bytesRead < rest.length) return;
      const data = rest.subarray(0, length);
      if (rest.readUInt32LE(length) !== maskedCrc32c(data)) return;
      yield data;
      at += HEADER + rest.length;
    }
  } finally {
    await file.close();
  }
}
