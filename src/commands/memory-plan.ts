import type { ModelConfig } from '../config/config.js';
import { MAX_BYTES } from '../engine/arena.js';
import { largestBatch, planBytes } from '../engine/unet/plan.js';

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
  const plan = (training: boolean): Plan => {
    const { total, groups } = planBytes({ ...options, batch, training });
    return { total, groups: Object.fromEntries(groups) };
  };
  return {
    batch,
    threads,
    limit: MAX_BYTES,
    training: plan(true),
    sampling: plan(false),
    largestBatch: largestBatch(options),
  };
}
