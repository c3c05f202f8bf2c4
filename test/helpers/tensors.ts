import type { StateDict, Tensor } from '../../src/network/state.js';

/** An F32 tensor from its values. */
export const f32 = (shape: readonly number[], ...values: number[]): Tensor => ({
  dtype: 'F32',
  shape,
  data: Float32Array.from(values),
});

/** An I64 tensor from its values. */
export const i64 = (shape: readonly number[], ...values: bigint[]): Tensor => ({
  dtype: 'I64',
  shape,
  data: BigInt64Array.from(values),
});

export const stateDict = (entries: Record<string, Tensor>): StateDict =>
  new Map(Object.entries(entries));
