import type { Checkpoint } from '../../src/io/checkpoint.js';
import { f32, i64, stateDict } from './tensors.js';

/** A small checkpoint whose every value tells which one it is. */
export function sampleCheckpoint(value: number): Checkpoint {
  return {
    model: stateDict({
      'conv0.weight': f32([2, 1, 1, 1], value, -value),
      'bnorm.num_batches_tracked': i64([], BigInt(value)),
    }),
    optimizer: {
      step: value,
      m: stateDict({ 'conv0.weight': f32([2, 1, 1, 1], value + 0.25, 0) }),
      v: stateDict({ 'conv0.weight': f32([2, 1, 1, 1], value + 0.5, 1) }),
    },
    state: { epoch: value, build: 'strict' },
  };
}
