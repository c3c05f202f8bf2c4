/** A pass of a U-Net as it is measured, whatever process it runs in. */
import type { ModelConfig } from '../config/config.js';
import { DIFFUSION_DEFAULTS } from '../config/diffusion.js';
import type { NetworkDevice, NetworkOptions } from '../contracts/device.js';
import type { NetworkKind } from '../network/network.js';
import type { NetworkInputs } from './inputs.js';
import { type Pass, TRAINING } from './models.js';
import type { Contender } from './rounds.js';
import { digest } from './statistics.js';

/** What a network is opened for. */
export function unetShape({
  model,
  batch,
}: {
  readonly model: ModelConfig;
  readonly batch: number;
}): NetworkOptions {
  const { loss, optimizer } = TRAINING[model.kind];
  const { timesteps } = DIFFUSION_DEFAULTS;
  return { architecture: model, size: model.size, batch, timesteps, loss, optimizer };
}

/** A forward pass with running statistics, or a whole training step. */
export function unetTurn(
  unet: NetworkDevice,
  what: Pass,
  inputs: NetworkInputs,
  kind: NetworkKind,
): Pick<Contender, 'check' | 'turn'> {
  const work =
    what === 'forward'
      ? async () => unet.predict(inputs, 'running')
      : async () => [await unet.trainStep(inputs, inputs.noise, TRAINING[kind].lr)];
  return {
    check: async () => {
      const result = await work();
      // A loss is one number, of which no mean has to be taken.
      return what === 'train' ? Array.from(result) : digest(result);
    },
    turn: async () => {
      const begun = performance.now();
      await work();
      return performance.now() - begun;
    },
  };
}
