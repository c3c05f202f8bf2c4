/** Writes a file of latents, and goes on where a process ended that had begun it. */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { RunError } from '../errors.js';
import { remove, sync, systemReason, writeFully } from '../io/atomic.js';
import { bytesOf } from '../io/tensor-data.js';
import { bytesOfFile, type Layout, placeOf, soundValues, sumOf } from './latents-file.js';

/**
 * Latents from the `first` number on, which begins a piece. Each part lies in one piece. Those of a number are the same bits at each
 * call.
 */
export type LatentsFrom = (first: number) => AsyncIterable<Float32Array>;

/** A file that cannot be written, unlike latents that cannot be made. */
export class Unwritable extends RunError {}

/** What is there is kept. */
const FLAGS = constants.O_RDWR | constants.O_CREAT;

/**
 * Writes what a file lacks; sound pieces stay. If it fails, the pieces that are whole are in the file, which is removed if there are
 * none.
 * @throws Unwritable; errors of `from`
 */
export async function writeLatents(path: string, layout: Layout, from: LatentsFrom): Promise<void> {
  const file = await attempt(path, () => open(path, FLAGS));
  let whole = 0;
  try {
    whole = await attempt(path, () => soundValues(file, layout));
    const pieces = inPieces(from(whole), whole, layout);
    for await (const piece of pieces) {
      await attempt(path, () => writePiece(file, piece, placeOf(whole, layout)));
      whole += piece.length;
    }
    await attempt(path, async () => {
      await file.truncate(bytesOfFile(layout));
      await sync(file);
    });
  } catch (error) {
    await file.close();
    if (whole === 0) await remove(path).catch(() => undefined);
    throw error;
  }
  await attempt(path, () => file.close());
}

/** A piece and its checksum in one call, so that a process that is killed leaves both, or hardly anything. */
const writePiece = (file: FileHandle, piece: Float32Array, at: number): Promise<void> =>
  writeFully(file, Buffer.concat([bytesOf(piece), sumOf(piece)]), at);

/** Parts put together. The pieces share their memory. */
async function* inPieces(
  parts: AsyncIterable<Float32Array>,
  first: number,
  { values, piece }: Layout,
): AsyncGenerator<Float32Array, void, undefined> {
  const room = new Float32Array(Math.min(piece, values));
  let [done, filled] = [first, 0];
  for await (const part of parts) {
    room.set(part, filled);
    filled += part.length;
    if (filled < Math.min(piece, values - done)) continue;
    yield room.subarray(0, filled);
    done += filled;
    filled = 0;
  }
}

async function attempt<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const reason = systemReason(error);
    if (reason === undefined) throw error;
    throw new Unwritable(`cannot write ${path}: ${reason}`, { cause: error });
  }
}
