import type { ModelConfig } from '../config/config.js';
import { MAX_BYTES } from '../engine/arena.js';
import { planBatch } from '../engine/batch-program.js';
import { type Extension, largestBatch, planBytes } from '../engine/network/plan.js';

/** Bytes by what they hold. */
export interface Plan {
  readonly total: number;
  readonly groups: Readonly<Record<string, number>>;
}

/** What the wasm device needs of its 4 GiB for a model and batch. */
export interface MemoryPlan {
  readonly batch: number;
  readonly threads: number;
  /** Bytes there are. */
  readonly limit: number;
  readonly training: Plan;
  readonly sampling: Plan;
  /** Largest batch whose training fits; 0 if none does. */
  readonly largestBatch: number;
}

/** Plans the memory of a model without allocating any. */
export function planModelMemory(
  model: ModelConfig,
  timesteps: number,
  batch: number,
  threads: number,
): MemoryPlan {
  const options = { architecture: model, size: model.size, timesteps, threads };
  const { size, channels } = model;
  const extend: Extension = (arena, unet) =>
    planBatch(arena, { batch: unet.shape.batch, size, channels, timesteps }, unet);
  return {
    batch,
    threads,
    limit: MAX_BYTES,
    training: asPlan(planBytes({ ...options, batch }, extend)),
    sampling: asPlan(planBytes({ ...options, batch, training: false })),
    largestBatch: largestBatch(options, extend),
  };
}

const asPlan = ({ total, groups }: ReturnType<typeof planBytes>): Plan => ({
  total,
  groups: Object.fromEntries(groups),
});
