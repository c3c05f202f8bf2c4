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

/**
 * The bytes at several addresses, of which some may be null; they are fetched at once, and `onBytes` is told their sums.
 * @throws RunError if one cannot be fetched
 */
export function downloadAll(
  urls: readonly (URL | null)[],
  onBytes: OnBytes,
): Promise<(Uint8Array | undefined)[]> {
  const wanted = urls.filter((url) => url !== null).length;
  const told = new Map<URL, readonly [done: number, total: number]>();
  const sum = (which: 0 | 1) => [...told.values()].reduce((all, sizes) => all + sizes[which], 0);
  return Promise.all(
    urls.map(async (url) => {
      if (url === null) return undefined;
      return download(url, (done, total) => {
        told.set(url, [done, total]);
        // Before all have begun, their total is not known.
        if (told.size === wanted) onBytes(sum(0), sum(1));
      });
    }),
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
