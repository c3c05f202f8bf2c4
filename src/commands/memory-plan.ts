import type { ModelConfig } from '../config/config.js';
import { MAX_BYTES } from '../engine/arena.js';
import { planBytes } from '../engine/unet/wasm-unet.js';

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
  const plan = (size: number, training: boolean): Plan => {
    const options = { architecture: model, size: model.size, timesteps, threads };
    const { total, groups } = planBytes({ ...options, batch: size, training });
    return { total, groups: Object.fromEntries(groups) };
  };
  return {
    batch,
    threads,
    limit: MAX_BYTES,
    training: plan(batch, true),
    sampling: plan(batch, false),
    largestBatch: largest((size) => plan(size, true).total <= MAX_BYTES),
  };
}

/** The largest number that fits, where every smaller one does too. */
function largest(fits: (n: number) => boolean): number {
  let low = 0;
  let high = 1;
  while (fits(high)) [low, high] = [high, 2 * high];
  while (low + 1 < high) {
    const middle = Math.floor((low + high) / 2);
    if (fits(middle)) low = middle;
    else high = middle;
  }
  return low;
}
