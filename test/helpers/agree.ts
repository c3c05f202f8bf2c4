import type { ExecutionContext } from 'ava';
import type { F32Tensor, StateDict } from '../../src/network/state.js';
import { close } from './kernels.js';

export const largest = (values: Float32Array): number =>
  values.reduce((max, v) => Math.max(max, Math.abs(v)), 0);

/**
 * Asserts that two devices have the same tensors. f32 sums in different orders differ by a share of a tensor's largest value; or of the
 * terms of the sum where those cancel, as in the gradients of biases before a norm.
 */
export function agree(
  t: ExecutionContext,
  got: StateDict,
  expected: StateDict,
  share: number,
): void {
  t.deepEqual([...got.keys()], [...expected.keys()]);
  for (const [name, tensor] of expected) {
    const other = got.get(name)!;
    t.deepEqual(other.shape, tensor.shape, name);
    if (tensor.dtype === 'I64') t.deepEqual(other.data, tensor.data, name);
    else {
      const atol = Math.max(1e-6, share * largest(tensor.data));
      close(t, (other as F32Tensor).data, tensor.data, { atol, what: name });
    }
  }
}
