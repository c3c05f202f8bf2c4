/** A model's weights in a file: which U-Net they are of, and whether one can compute with them. */
import { isDeepStrictEqual } from 'node:util';
import { UsageError } from '../errors.js';
import type { NetworkConfig } from '../network/network.js';
import { networkFromShapes } from '../network/recognise.js';
import { firstNotFinite, type StateDict } from '../network/state.js';

import { readHeader, readSafetensors } from './safetensors.js';

/** The architecture of a file of weights. @throws UsageError naming the file and the first tensor at fault. */
export async function readNetwork(path: string): Promise<NetworkConfig> {
  const { tensors } = await readHeader(path);
  const shapes = new Map([...tensors].map(([name, { shape }]) => [name, shape]));
  return named(path, () => networkFromShapes(shapes));
}

/**
 * Holds a file of weights against the U-Net it is for, by its header alone.
 * @param whose what says so, for the message: `this run`
 * @throws UsageError naming what differs
 */
export async function checkNetworkOf(
  path: string,
  expected: NetworkConfig,
  whose: string,
): Promise<void> {
  const found = await readNetwork(path);
  for (const [key, got] of Object.entries(found)) {
    const wanted = expected[key as keyof NetworkConfig];
    if (!isDeepStrictEqual(got, wanted))
      throw new UsageError(`${path}: expected ${key} ${wanted}, as ${whose} has, got ${got}`);
  }
}

/**
 * The weights of a file.
 * @throws UsageError for a tensor that is missing, does not belong, is of another type, or holds a value that is not
 * finite, or a variance below zero.
 */
export async function readWeights(path: string): Promise<StateDict> {
  const { tensors } = await readSafetensors(path);
  const shapes = new Map([...tensors].map(([name, { shape }]) => [name, shape]));
  named(path, () => networkFromShapes(shapes));
  for (const [name, { dtype }] of tensors) {
    const expected = name.endsWith('.num_batches_tracked') ? 'I64' : 'F32';
    if (dtype !== expected)
      throw new UsageError(
        `${path}: ${name}: expected ${expected} or what becomes it, got ${dtype}`,
      );
  }
  const fault = firstNotFinite(tensors);
  if (fault)
    throw new UsageError(`${path}: ${fault.name}: expected finite numbers, got ${fault.value}`);
  checkVariances(tensors, path);
  return tensors;
}

/** A norm takes the root of its running variance: one below zero would turn every pixel into NaN. */
function checkVariances(tensors: StateDict, path: string): void {
  for (const [name, { data }] of tensors) {
    const negative = name.endsWith('.running_var')
      ? Array.from(data, Number).find((v) => v < 0)
      : undefined;
    if (negative !== undefined)
      throw new UsageError(`${path}: ${name}: expected variances of 0 or more, got ${negative}`);
  }
}

/** Names the file before what is wrong with its tensors. */
function named<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof UsageError) throw new UsageError(`${path}: ${error.message}`);
    throw error;
  }
}
