/** Which networks can be conditioned on classes, and by how many. */
import type { NetworkConfig } from './network.js';

/** Whether a network of this kind has classes, if its config gives them. */
export const takesClasses = <C extends NetworkConfig>(
  config: C,
): config is Extract<C, { readonly numClasses: unknown }> => 'numClasses' in config;

/** Rows of a network's class embedding, or `timestep` if labels are embedded like timesteps; null without classes. */
export const classRows = (config: NetworkConfig): number | 'timestep' | null =>
  takesClasses(config) ? config.numClasses : null;
