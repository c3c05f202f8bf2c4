import type { OptimizerState } from '../../src/contracts/device.js';
import { CounterRandom } from '../../src/diffusion/random.js';
import { type Checkpoint, openCheckpoint } from '../../src/io/checkpoint.js';
import { initialState } from '../../src/network/initial-state.js';
import { buildNetwork } from '../../src/network/network.js';
import type { StateDict } from '../../src/network/state.js';
import { f32, stateDict } from './tensors.js';

/** What a checkpoint holds, all at once. */
export interface Parts {
  readonly model: StateDict;
  readonly optimizer: OptimizerState;
  readonly state: Checkpoint['state'];
}

/** The parts of a checkpoint of the smallest U-Net after `step` steps, each of which tells which one it is. */
export function sampleParts(value: number, step = value): Parts {
  const architecture = {
    kind: 'simple',
    widths: [1, 1],
    channels: 1,
    timeDim: 4,
    norm: 'separate',
  } as const;
  const model = new Map(initialState(buildNetwork(architecture), new CounterRandom(value)));
  return {
    model: model.set('conv0.bias', f32([1], value)),
    optimizer: {
      step,
      m: stateDict({ 'conv0.bias': f32([1], value + 0.25) }),
      v: stateDict({ 'conv0.bias': f32([1], value + 0.5) }),
    },
    state: { epoch: value, build: 'strict' },
  };
}

/** Parts as `writeCheckpoint` calls for them. */
export const checkpointOf = ({ model, optimizer, state }: Parts): Checkpoint => ({
  model: async () => model,
  optimizer: async () => optimizer,
  state,
});

export const sampleCheckpoint = (value: number, step = value): Checkpoint =>
  checkpointOf(sampleParts(value, step));

/** A checkpoint's folder, read whole. */
export async function readCheckpoint(dir: string): Promise<Parts & { readonly step: number }> {
  const { step, state, ...parts } = await openCheckpoint(dir);
  return { step, state, model: await parts.model(), optimizer: await parts.optimizer() };
}
