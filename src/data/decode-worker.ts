/** What a worker of the decoding pool does: a few items at a time, straight into shared memory. */
import { workerData } from 'node:worker_threads';
import sharp from 'sharp';
import { machineFault } from '../machine/faults.js';
import { decode, imageBytes, type Target } from './decode.js';
import { DecodingMemory } from './decoding-memory.js';
import { reasonOf } from './reason.js';
import type { Item } from './source.js';

export interface DecodeTask {
  readonly items: readonly Item[];
  /** Where the images go, one after the other; null when the items are only tried. */
  readonly out: { readonly buffer: SharedArrayBuffer; readonly offset: number } | null;
}

/** What the workers of a pool are started with. */
export interface DecodeWorkerData {
  readonly target: Target;
  readonly memory: { readonly budget: number; readonly shared: SharedArrayBuffer };
}

/** What a task found out beside the pixels. */
export interface DecodeResult {
  /** Items that gave no image. */
  readonly failures: readonly Failure[];
  /** Items whose image may not look as it was meant. */
  readonly doubts: readonly Failure[];
}

/** An item of the task, by its position in it, and what is the matter with it. */
export interface Failure {
  readonly item: number;
  /**
   * One line. libvips keeps its messages in one place for the whole process: where others were decoded at the same
   * time, this may be the reason of one of them.
   */
  readonly reason: string;
  /** What of the machine has run out, where it is not the item's fault. */
  readonly fault?: string;
}

// The pool is the parallelism, and no file is decoded twice in a row.
sharp.concurrency(1);
sharp.cache(false);
// For each kind that it knows, libvips looks into each file twice. A JPEG with a gain map is read as the JPEG that it also
// is, and libvips's own format is nobody's photographs: without these two, a twentieth less time. Drawings in files are
// never rendered; those of the cars come from memory.
sharp.block({
  operation: ['VipsForeignLoadUhdr', 'VipsForeignLoadVips', 'VipsForeignLoadSvgFile'],
});

/** Piscina hands over its own workerData wrapped in a list with its environment's. */
const { target, memory } = (
  Array.isArray(workerData) ? workerData[1] : workerData
) as DecodeWorkerData;

const decodingMemory = new DecodingMemory(memory.budget, memory.shared);

/** Items of a task in hand at a time: one is scaled on this thread while libvips decodes the next on another. */
const LANES = 2;

/** Decodes the items; those that fail are reported and leave their place as it was. */
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
