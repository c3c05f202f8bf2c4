/** The decoder of a model of latents, on a page's workers. */
import type { Autoencoder } from '../contracts/autoencoder.js';
import { DeviceAutoencoder, HALF_USE, halfInWords } from '../device/device-autoencoder.js';
import { bytesOnEngine, openOnEngine } from '../device/untimed-graph.js';
import { checkFits, planRoom } from '../engine/arena.js';
import { Engine } from '../engine/engine.js';
import { UsageError } from '../errors.js';
import { AUTOENCODER_CLASSES, buildDecoder } from '../network/autoencoder.js';
import type { OpenSite } from './open-site.js';

/**
 * The autoencoder of a model, which can only decode; null for a model of pixels. Its first `decode` takes the memory, which is known to
 * be enough before.
 * @throws UsageError if it is not
 */
export function openDecoder(
  { site: { model, autoencoder }, decoder }: OpenSite,
  threads: number,
): Autoencoder | null {
  if (!autoencoder || !decoder) return null;
  const { config } = autoencoder;
  const opened = new DeviceAutoencoder(config, model.size, {
    description: `${AUTOENCODER_CLASSES[config.kind]} on wasm (${Engine.describe({ threads })})`,
    read: async () => decoder,
    open: async (graph) => openOnEngine(graph, HALF_USE, { threads }),
  });
  const bytes = bytesOnEngine(buildDecoder(config, model.size), HALF_USE, { threads });
  try {
    checkFits(bytes, planRoom({ threads }), () =>
      threads > 1 ? 'fewer workers need less' : 'it cannot be drawn in a browser',
    );
  } catch (error) {
    throw new UsageError(`${halfInWords('decoder', opened.size)}: ${(error as Error).message}`);
  }
  return opened;
}
