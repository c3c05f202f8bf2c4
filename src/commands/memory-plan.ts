import type { ModelConfig, TrainingConfig } from '../config/config.js';
import { optimizerOf } from '../config/training.js';
import { planRoom } from '../engine/arena.js';
import { type Extension, largestBatch, planBytes } from '../engine/network/plan.js';
import { planBatch } from '../wasm/batch-program.js';

/** Bytes by use. */
export interface PlannedBytes {
  readonly total: number;
  readonly groups: Readonly<Record<string, number>>;
}

/** The wasm device's memory for a model and batch. */
export interface MemoryPlan {
  readonly batch: number;
  readonly threads: number;
  /** Bytes available: the part of WebAssembly's 4 GiB that this process may use. */
  readonly limit: number;
  /** What limits it, if it is less than 4 GiB; else null. */
  readonly limitedBy: string | null;
  readonly training: PlannedBytes;
  readonly sampling: PlannedBytes;
  /** Bytes that training needs beside it, between its steps. */
  readonly between: number;
  /** Largest batch whose training fits; 0 if none does. */
  readonly largestBatch: number;
}

/**
 * Plans the memory of a model without allocating any.
 * @param training how it is trained, and the batch
 * @param reserve what training needs between its steps, in bytes
 */
export function planModelMemory(
  model: ModelConfig,
  timesteps: number,
  training: TrainingConfig,
  threads: number,
  reserve = 0,
): MemoryPlan {
  const { batch, ema, accumulate, snrGamma } = training;
  const options = {
    ...{ architecture: model, size: model.size, timesteps, threads, reserve },
    ...{ optimizer: optimizerOf(training), ema, accumulate, weighted: snrGamma !== null },
  };
  const room = planRoom(options);
  const { size, channels } = model;
  const extend: Extension = (arena, unet) =>
    planBatch(arena, { batch: unet.shape.batch, size, channels }, unet);
  return {
    batch,
    threads,
    limit: room.bytes,
    limitedBy: room.of ?? null,
    between: reserve,
    training: asPlan(planBytes({ ...options, batch }, extend)),
    sampling: asPlan(planBytes({ ...options, batch, training: false })),
    largestBatch: largestBatch(options, extend),
  };
}

const asPlan = ({ total, groups }: ReturnType<typeof planBytes>): PlannedBytes => ({
  total,
  groups: Object.fromEntries(groups),
});
