/** Files of torch.save as bytes, put together without PyTorch. */
import { strToU8, zipSync } from 'fflate';

/** A pickle of protocol 2 from its parts: texts are written as they are, byte for byte. */
export const pickle = (...parts: (string | Uint8Array)[]): Buffer =>
  Buffer.concat(
    ['\x80\x02', ...parts, '.'].map((part) =>
      typeof part === 'string' ? Buffer.from(part, 'latin1') : part,
    ),
  );

/** A text as BINUNICODE pushes it. */
export function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  const head = Buffer.alloc(5, 'X');
  head.writeUInt32LE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

/** A whole number, as LONG1 of 8 bytes. */
export function whole(value: number | bigint): Buffer {
  const bytes = Buffer.from('8a080000000000000000', 'hex');
  bytes.writeBigInt64LE(BigInt(value), 2);
  return bytes;
}

/** A class or function: GLOBAL. */
export const global = (module: string, name: string): Buffer =>
  Buffer.from(`c${module}\n${name}\n`);

/** A tuple of what the parts push. */
export const tuple = (...parts: Buffer[]): Buffer =>
  Buffer.concat([Buffer.from('('), ...parts, Buffer.from('t')]);

/** A dictionary of what the values push. */
export const dictionary = (entries: Record<string, Buffer>): Buffer =>
  Buffer.concat([
    Buffer.from('}('),
    ...Object.entries(entries).flatMap(([key, value]) => [text(key), value]),
    Buffer.from('u'),
  ]);

/** `function(*arguments)`: REDUCE. */
export const called = (made: Buffer, ...args: Buffer[]): Buffer =>
  Buffer.concat([made, tuple(...args), Buffer.from('R')]);

export interface View {
  readonly storage?: string;
  readonly length?: number | bigint;
  readonly type?: string;
  readonly offset?: number | bigint;
  readonly shape: readonly (number | bigint)[];
  readonly strides: readonly (number | bigint)[];
}

/** A tensor that is a view of storage 0, by default of 4 floats. */
export function tensor({
  storage = '0',
  length = 4,
  type = 'FloatStorage',
  ...view
}: View): Buffer {
  const id = tuple(
    text('storage'),
    global('torch', type),
    text(storage),
    text('cpu'),
    whole(length),
  );
  return called(
    global('torch._utils', '_rebuild_tensor_v2'),
    Buffer.concat([id, Buffer.from('Q')]),
    whole(view.offset ?? 0),
    tuple(...view.shape.map(whole)),
    tuple(...view.strides.map(whole)),
    Buffer.from('\x89', 'latin1'),
    called(global('collections', 'OrderedDict')),
  );
}

/** A zip of torch.save: the pickle, and storages by their keys. */
export const torchZip = (
  data: Uint8Array,
  storages: Record<string, Uint8Array> = { 0: new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer) },
  others: Record<string, Uint8Array> = { byteorder: strToU8('little') },
): Buffer => {
  const named = Object.entries(storages).map(([key, bytes]) => [`a/data/${key}`, bytes] as const);
  const beside = Object.entries(others).map(([name, bytes]) => [`a/${name}`, bytes] as const);
  const files = Object.fromEntries([['a/data.pkl', data], ...named, ...beside]);
  return Buffer.from(zipSync(files, { level: 0 }));
};
