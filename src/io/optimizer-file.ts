/**
 * Adam's state as safetensors: moments `m/<parameter>` and `v/<parameter>` in PyTorch's layouts, and the
 * number of steps taken as metadata.
 */

import type { OptimizerState } from '../contracts/device.js';
import { UsageError } from '../errors.js';
import { firstNotFinite, type StateDict, type Tensor } from '../network/state.js';
import { show } from './json.js';
import { readSafetensors } from './safetensors.js';

/** The tensors and metadata that `readOptimizer` reads. */
export function optimizerTensors({ step, m, v }: OptimizerState): {
  tensors: StateDict;
  metadata: Record<string, string>;
} {
  const named = (prefix: string, moments: StateDict) =>
    [...moments].map(([name, tensor]): [string, Tensor] => [prefix + name, tensor]);
  return {
    tensors: new Map([...named('m/', m), ...named('v/', v)]),
    metadata: { step: String(step) },
  };
}

/**
 * The state after `expected` steps.
 * @throws UsageError if the file is damaged or of another step, or its moments are not pairs of equal shape, or have values
 *   that Adam cannot produce
 */
export async function readOptimizer(path: string, expected: number): Promise<OptimizerState> {
  const { tensors, metadata } = await readSafetensors(path);
  const step = Number(metadata.step);
  if (!/^\d+$/.test(metadata.step ?? '') || !Number.isSafeInteger(step))
    throw new UsageError(
      `${path}: __metadata__: step: expected a number, got ${show(metadata.step)}`,
    );
  if (step !== expected)
    throw new UsageError(
      `${path}: __metadata__: step: expected ${expected}, the checkpoint's step, got ${step}`,
    );
  const m = new Map<string, Tensor>();
  const v = new Map<string, Tensor>();
  for (const [name, tensor] of tensors) {
    const moments = name.startsWith('m/') ? m : name.startsWith('v/') ? v : undefined;
    if (!moments || tensor.dtype !== 'F32')
      throw new UsageError(
        `${path}: tensor ${show(name)}: expected F32 under a name in m/ or v/, got ${tensor.dtype}`,
      );
    moments.set(name.slice(2), tensor);
  }
  checkPairs(m, v, path);
  checkValues(tensors, path);
  return { step, m, v };
}

function checkPairs(m: StateDict, v: StateDict, path: string): void {
  for (const name of new Set([...m.keys(), ...v.keys()])) {
    const [first, second] = [m.get(name), v.get(name)].map((moment) => show(moment?.shape));
    if (first !== second)
      throw new UsageError(
        `${path}: ${show(name)}: expected both moments in one shape, got m ${first}, v ${second}`,
      );
  }
}

/** m is a mean of gradients, v one of their squares: a step divides by the root of v. */
function checkValues(tensors: StateDict, path: string): void {
  const fault = firstNotFinite(tensors);
  if (fault)
    throw new UsageError(
      `${path}: tensor ${show(fault.name)}: expected finite numbers, got ${fault.value}`,
    );
  for (const [name, { data }] of tensors) {
    const negative = name.startsWith('v/') ? data.findIndex((value) => value < 0) : -1;
    if (negative >= 0)
      throw new UsageError(
        `${path}: tensor ${show(name)}: expected mean squares of 0 or more, got ${data[negative]}`,
      );
  }
}
