/** A worker of the decoding pool: decodes a few items at a time directly into shared memory. */
import { workerData } from 'node:worker_threads';
import sharp from 'sharp';
import { machineFault } from '../machine/faults.js';
import { decode, imageBytes, type Target } from './decode.js';
import { DecodingMemory } from './decoding-memory.js';
import { reasonOf } from './reason.js';
import type { Item } from './source.js';

export interface DecodeTask {
  readonly items: readonly Item[];
  /** Where the images go, one after the other; null if the items are only checked. */
  readonly out: { readonly buffer: SharedArrayBuffer; readonly offset: number } | null;
}

/** The data that the workers of a pool start with. */
export interface DecodeWorkerData {
  readonly target: Target;
  readonly memory: { readonly budget: number; readonly shared: SharedArrayBuffer };
}

/** A task's findings about its items. */
export interface DecodeResult {
  /** Items without a readable image. */
  readonly failures: readonly Failure[];
  /** Items whose image may not look as intended. */
  readonly doubts: readonly Failure[];
}

/** An item of the task, by its index in it, and what is wrong with it. */
export interface Failure {
  readonly item: number;
  /**
   * One line. libvips keeps its messages in one place per process: if other files were decoded at the same
   * time, this may be the reason of one of them.
   */
  readonly reason: string;
  /** The resource that the machine ran out of, if the item is not at fault. */
  readonly fault?: string;
}

// The pool already runs in parallel, and no file is decoded twice in a row.
sharp.concurrency(1);
sharp.cache(false);
// libvips looks into each file twice for each kind it knows. A JPEG with a gain map is read as a plain JPEG, and
// libvips's own format is not used for photographs: blocking these two saves a twentieth of the time. Vector graphics in
// files are never rendered; the cars' drawings come from memory.
sharp.block({
  operation: ['VipsForeignLoadUhdr', 'VipsForeignLoadVips', 'VipsForeignLoadSvgFile'],
});

/** Piscina passes its own workerData in a list with its environment's. */
const { target, memory } = (
  Array.isArray(workerData) ? workerData[1] : workerData
) as DecodeWorkerData;

const decodingMemory = new DecodingMemory(memory.budget, memory.shared);

/** Items in flight: one is scaled on this thread while libvips decodes the next on another. */
const LANES = 2;

/** Decodes the items; those that fail are reported, and their places stay unchanged. */
export default async function decodeTask({ items, out }: DecodeTask): Promise<DecodeResult> {
  const failures: Failure[] = [];
  const doubts: Failure[] = [];
  const bytes = imageBytes(target);
  const todo = items.entries();
  const lane = async (): Promise<void> => {
    for (const [i, item] of todo) {
      if (decodingMemory.stopped) return;
      try {
        const { pixels, doubt } = await decode(item, target, decodingMemory);
        if (out) new Uint8Array(out.buffer, out.offset + i * bytes, bytes).set(pixels);
        if (doubt !== undefined) doubts.push({ item: i, reason: doubt });
      } catch (error) {
        const fault = machineFault(error);
        failures.push({ item: i, reason: reasonOf(error), ...(fault !== undefined && { fault }) });
      }
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return { failures, doubts };
}
