/** The part of protobuf's wire format that TensorBoard's events need (protobuf.dev/programming-guides/encoding). */

const [VARINT, I64, BYTES, I32] = [0, 1, 2, 5];

/** A base-128 number of at most 53 bits. */
function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  bytes.push(rest);
  return Buffer.from(bytes);
}

const tag = (field: number, wire: number): Buffer => varint(field * 8 + wire);

export const integer = (field: number, value: number): Buffer =>
  Buffer.concat([tag(field, VARINT), varint(value)]);

export function double(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return Buffer.concat([tag(field, I64), bytes]);
}

export function float(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return Buffer.concat([tag(field, I32), bytes]);
}

/** Bytes, UTF-8 text, or a message made of fields. */
export function field(number: number, ...content: readonly (Uint8Array | string)[]): Buffer {
  const bytes = Buffer.concat(content.map((part) => Buffer.from(part as Uint8Array)));
  return Buffer.concat([tag(number, BYTES), varint(bytes.length), bytes]);
}

/** The number in a message's own field; 0 if it is missing, as in protobuf. */
export function integerOf(message: Uint8Array, number: number): number {
  let at = 0;
  const read = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = message[at++] ?? 0;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < message.length) {
    const key = read();
    const wire = key % 8;
    if (wire === VARINT) {
      const value = read();
      if (Math.floor(key / 8) === number) return value;
    } else if (wire === I64) at += 8;
    else if (wire === I32) at += 4;
    else if (wire === BYTES) {
      const length = read();
      at += length;
    } else return 0;
  }
  return 0;
}
