/** tfjs-node as it ships: with libtensorflow's own defaults, without Haze's environment. */
import { loadInstall } from '../../src/tensorflow/load.js';
import { requireInstall } from '../../src/tensorflow/locate.js';
import type { FullTf } from './tfjs-unet.js';

export async function loadAsShipped(): Promise<{ tf: FullTf; version: string }> {
  const { tf, version } = await loadInstall(requireInstall(), { asShipped: true });
  return { tf: tf as FullTf, version: `libtensorflow ${version}` };
}
