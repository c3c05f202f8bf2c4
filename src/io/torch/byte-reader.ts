/** Reads a pickle's bytes sequentially. */

/** The bytes are not a supported pickle; the message says why. Callers that know the file's name turn it into a UsageError. */
export class PickleError extends Error {
  override readonly name = 'PickleError';
}

export class ByteReader {
  /** Offset of the next byte. */
  at = 0;
  private readonly bytes: Buffer;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  u8 = (): number => this.bytes[this.take(1)]!;
  u16 = (): number => this.bytes.readUInt16LE(this.take(2));
  i32 = (): number => this.bytes.readInt32LE(this.take(4));
  u32 = (): number => this.bytes.readUInt32LE(this.take(4));
  /** From big-endian bytes, as in BINFLOAT. */
  f64 = (): number => this.bytes.readDoubleBE(this.take(8));

  /** A length in 8 bytes. */
  length(): number {
    const length = Number(this.bytes.readBigUInt64LE(this.take(8)));
    if (!Number.isSafeInteger(length)) throw new PickleError(`a length of ${length} bytes`);
    return length;
  }

  /** The next `length` bytes, not copied. */
  slice(length: number): Buffer {
    const begin = this.take(length);
    return this.bytes.subarray(begin, begin + length);
  }

  /** A signed integer of any length, little-endian, in two's complement. */
  integer(length: number): number | bigint {
    const bytes = this.slice(length);
    if (length === 0) return 0;
    const hex = Buffer.from(bytes).reverse().toString('hex');
    const value = BigInt.asIntN(8 * length, BigInt(`0x${hex}`));
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }

  utf8 = (length: number): string => this.slice(length).toString('utf8');
  latin1 = (length: number): string => this.slice(length).toString('latin1');

  /** Up to the next newline. */
  line(): string {
    const end = this.bytes.indexOf(0x0a, this.at);
    if (end < 0) throw this.cutOff();
    const text = this.utf8(end - this.at);
    this.at = end + 1;
    return text;
  }

  private take(length: number): number {
    const begin = this.at;
    if (length > this.bytes.length - begin) throw this.cutOff();
    this.at = begin + length;
    return begin;
  }

  private cutOff = (): PickleError =>
    new PickleError(`it is cut off after ${this.bytes.length} bytes`);
}
