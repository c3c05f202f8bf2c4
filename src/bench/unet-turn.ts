/** One measured pass of a U-Net, in this process or another. */
import { DIFFUSION_DEFAULTS } from '../config/diffusion.js';
import type { NetworkDevice, NetworkOptions } from '../contracts/device.js';
import type { NetworkInputs } from './inputs.js';
import { type Pass, trainingOf } from './models.js';
import type { NamedModel } from './options.js';
import type { Contender } from './rounds.js';
import { digest } from './statistics.js';

/** The options that a network is opened with. */
export function unetShape(
  one: Omit<NamedModel, 'name'> & { readonly batch: number },
): NetworkOptions {
  const { model, batch } = one;
  const { loss, optimizer, ema } = trainingOf(one);
  const { timesteps } = DIFFUSION_DEFAULTS;
  return { architecture: model, size: model.size, batch, timesteps, loss, optimizer, ema };
}

/** How many results in a row are compared: the loss of a second training step shows what the first made of the gradients. */
export const CHECKS = { forward: 1, train: 2 } as const satisfies Record<Pass, number>;

/** A forward pass with running statistics, or a whole training step. */
export function unetTurn(
  unet: NetworkDevice,
  what: Pass,
  inputs: NetworkInputs,
  lr: number,
): Pick<Contender, 'check' | 'turn'> {
  const work =
    what === 'forward'
      ? async () => unet.predict(inputs, 'running')
      : async () => [await unet.trainStep(inputs, inputs.noise, lr)];
  return {
    check: async () => {
      const results: number[] = [];
      for (let i = 0; i < CHECKS[what]; i++) {
        const result = await work();
        // A loss is a single number and needs no digest.
        results.push(...(what === 'train' ? result : digest(result)));
      }
      return results;
    },
    turn: async () => {
      const begun = performance.now();
      await work();
      return performance.now() - begun;
    },
  };
}
