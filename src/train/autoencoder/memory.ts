/** Memory of an autoencoder's training beside its network. */
import type { AutoencoderTraining } from '../../config/autoencoder-training.js';
import { threadCount } from '../../config/computing.js';
import type { DeviceChoice } from '../../config/config.js';
import { planBytes } from '../../engine/network/plan.js';
import { mostScratch } from '../../engine/scratch.js';
import { requireAddressSpace } from '../../machine/address-space.js';
import type { Graph } from '../../network/graph.js';
import { countParameters } from '../../network/parameters.js';

/**
 * Bytes that a save takes: weights and both moments in the files' layout, and the encoder whose latents are measured (an estimate on
 * TensorFlow).
 */
export async function bytesOfSave(
  device: DeviceChoice['device'],
  whole: Graph,
  encoder: Graph,
  settings: AutoencoderTraining,
): Promise<number> {
  const state = 3 * 4 * countParameters(whole);
  if (device === 'wasm') return state + encoderBytes(encoder, settings);
  const { estimateGraph } = await import('../../tensorflow/memory.js');
  return state + estimateGraph(encoder, settings.batch, 'prediction');
}

/**
 * Checks in advance that there is address space for what is opened after the network: otherwise the first save would fail.
 * @throws RunError
 */
export function requireSpaceToSave(
  device: DeviceChoice['device'],
  encoder: Graph,
  settings: AutoencoderTraining,
): void {
  requireAddressSpace('decoding pictures', { workers: 1, memories: [mostScratch()] });
  if (device !== 'wasm') return;
  const memories = [encoderBytes(encoder, settings)];
  requireAddressSpace('measuring latents', { workers: threadCount(settings), memories });
}

function encoderBytes(graph: Graph, settings: AutoencoderTraining): number {
  const shape = { graph, batch: settings.batch, timesteps: 1, training: false };
  return planBytes({ ...shape, threads: threadCount(settings) }).total;
}
