import { RunError } from '../errors.js';

/** Called with the number of bytes received, and in total. */
export type OnBytes = (done: number, total: number) => void;

/** The bytes at an address. @throws RunError if it cannot be fetched */
export async function download(
  url: string | URL,
  onBytes: OnBytes = () => {},
): Promise<Uint8Array> {
  const response = await fetch(url).catch((cause: unknown) => {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new RunError(`${url}: cannot be fetched: ${why}`, { cause });
  });
  if (!response.ok || !response.body)
    throw new RunError(`${url}: cannot be fetched: the server says ${response.status}`);
  return collect(
    response.body.getReader(),
    Number(response.headers.get('content-length')),
    onBytes,
  );
}

interface Reader {
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>;
}

/** @param expected the content length, which counts the bytes sent: compressed files have more */
async function collect(reader: Reader, expected: number, onBytes: OnBytes): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done || !value) break;
    pieces.push(value);
    size += value.length;
    onBytes(size, Math.max(size, expected));
  }
  const all = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}
