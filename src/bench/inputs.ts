/** Seeded inputs of a U-Net, the same for every path. */
import type { ModelConfig } from '../config/config.js';
import { CounterRandom, PURPOSE } from '../diffusion/random.js';
import { initialState } from '../network/initial-state.js';
import { buildNetwork } from '../network/network.js';
import type { StateDict } from '../network/state.js';

export interface NetworkInputs {
  readonly state: StateDict;
  /** f32 [batch, size, size, channels]. */
  readonly xt: Float32Array;
  readonly noise: Float32Array;
  readonly t: Int32Array;
}

export function unetInputs(
  model: ModelConfig,
  batch: number,
  timesteps: number,
  seed: number,
): NetworkInputs {
  const random = new CounterRandom(seed);
  const values = batch * model.size ** 2 * model.channels;
  return {
    state: initialState(buildNetwork(model), random),
    xt: random.normals(PURPOSE.bench, 3, 0, values),
    noise: random.normals(PURPOSE.bench, 4, 0, values),
    t: Int32Array.from(random.integers(PURPOSE.bench, 5, batch, timesteps)),
  };
}
