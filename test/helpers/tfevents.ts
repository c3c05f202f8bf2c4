/** TensorBoard's event files, read by code that shares nothing with what writes them. */
import { readFileSync } from 'node:fs';

export interface Value {
  readonly tag: string;
  readonly scalar?: number;
  readonly image?: { readonly height: number; readonly width: number; readonly png: Buffer };
  readonly text?: string;
  readonly plugin?: string;
}

export interface Event {
  readonly wallTime: number;
  readonly step: number;
  readonly version?: string;
  readonly values: readonly Value[];
}

type Field = readonly [number: number, content: number | Buffer];

/** The fields of a message in order: whole numbers, or bytes of what has a length or a fixed size. */
function fieldsOf(message: Buffer): Field[] {
  const fields: Field[] = [];
  let at = 0;
  const varint = (): number => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = BigInt(message[at++]!);
      value |= (byte & 127n) << shift;
      if (byte < 128n) return Number(value);
    }
  };
  const take = (length: number): Buffer => {
    at += length;
    return message.subarray(at - length, at);
  };
  while (at < message.length) {
    const key = varint();
    const kind = key & 7;
    const content = kind === 0 ? varint() : take(kind === 1 ? 8 : kind === 5 ? 4 : varint());
    fields.push([key >> 3, content]);
  }
  return fields;
}

const bytesOf = (message: Buffer, number: number): Buffer[] =>
  fieldsOf(message).flatMap(([own, content]) =>
    own === number && typeof content !== 'number' ? [content] : [],
  );

const numberOf = (message: Buffer, number: number): number =>
  fieldsOf(message).flatMap(([own, content]) =>
    own === number && typeof content === 'number' ? [content] : [],
  )[0] ?? 0;

function valueIn(message: Buffer): Value {
  const [tag] = bytesOf(message, 1);
  const [scalar] = bytesOf(message, 2);
  const [image] = bytesOf(message, 4);
  const [tensor] = bytesOf(message, 8);
  const [metadata] = bytesOf(message, 9);
  return {
    tag: String(tag),
    ...(scalar && { scalar: scalar.readFloatLE(0) }),
    ...(image && {
      image: {
        height: numberOf(image, 1),
        width: numberOf(image, 2),
        png: bytesOf(image, 4)[0]!,
      },
    }),
    ...(tensor && { text: String(bytesOf(tensor, 8)[0]) }),
    ...(metadata && { plugin: String(bytesOf(bytesOf(metadata, 1)[0]!, 1)[0]) }),
  };
}

/** All events of a file, whose records must be whole; checksums are left to TensorBoard. */
export function readEvents(path: string): Event[] {
  const file = readFileSync(path);
  const events: Event[] = [];
  for (let at = 0; at < file.length; ) {
    const length = Number(file.readBigUInt64LE(at));
    const message = file.subarray(at + 12, at + 12 + length);
    const [version] = bytesOf(message, 3);
    events.push({
      wallTime: bytesOf(message, 1)[0]!.readDoubleLE(0),
      step: numberOf(message, 2),
      ...(version && { version: String(version) }),
      values: bytesOf(message, 5).flatMap((summary) => bytesOf(summary, 1).map(valueIn)),
    });
    at += 12 + length + 4;
  }
  return events;
}
