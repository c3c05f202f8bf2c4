import { threadCount } from '../config/computing.js';
import type { DeviceChoice, ModelConfig, RunConfig, TrainingConfig } from '../config/config.js';
import { outerOf } from '../config/replicas.js';
import { defaultBudget } from '../data/dataset.js';
import { sharedArithmetic } from '../engine/arithmetic.js';
import { planBytes } from '../engine/network/plan.js';
import { mostScratch } from '../engine/scratch.js';
import { requireAddressSpace } from '../machine/address-space.js';
import { memoryRoom } from '../machine/memory.js';
import { type AutoencoderConfig, buildDecoder } from '../network/autoencoder.js';
import type { Graph } from '../network/graph.js';
import { buildNetwork } from '../network/network.js';
import { countParameters } from '../network/parameters.js';
import { bytes } from '../units.js';
import { COUNT } from './samples.js';

/** What determines a run's memory between its steps. */
export interface Pauses {
  readonly model: ModelConfig;
  readonly timesteps: number;
  readonly threads: number;
  /** Steps between samples; 0 for none. */
  readonly sampleEvery: number;
  /** Copies of the weights that replicas keep, or of what is as large; see `copiesOf`. */
  readonly copies: number;
  /** Decodes the samples of a run on latents. */
  readonly autoencoder?: AutoencoderConfig | null;
}

export const pausesOf = (
  { model, diffusion, computing, training }: RunConfig,
  autoencoder: AutoencoderConfig | null = null,
): Pauses => ({
  model,
  timesteps: diffusion.timesteps,
  threads: threadCount(computing),
  sampleEvery: training.sampleEvery,
  copies: copiesOf(training),
  autoencoder,
});

/**
 * Of each replica the weights, both moments and the averages; what the last round ended with, without moments; and the outer
 * optimizer's momentum. None without rounds.
 */
export function copiesOf(training: TrainingConfig): number {
  const { replicas, syncEvery, ema } = training;
  if (syncEvery === null) return 0;
  return replicas * (3 + ema.length) + 1 + ema.length + (outerOf(training).momentum > 0 ? 1 : 0);
}

/**
 * A run's memory beside its trainer's, in bytes: what its replicas keep; between steps for a checkpoint Adam's moments in the
 * files' layout; for samples, while the previous checkpoint may not have been garbage collected, the weights, their own U-Net and
 * a decoder of latents (an estimate on TensorFlow).
 */
export async function bytesBetweenSteps(
  pauses: Pauses,
  device: DeviceChoice['device'],
): Promise<number> {
  const { model } = pauses;
  const checkpoint = (2 + pauses.copies) * weightBytes(model);
  if (pauses.sampleEvery === 0) return checkpoint;
  const drawing = checkpoint + weightBytes(model);
  if (device === 'wasm') return samplerBytes(pauses).reduce((sum, bytes) => sum + bytes, drawing);
  const { estimateGraph, estimateNetwork } = await import('../tensorflow/memory.js');
  const sampler = estimateNetwork(samplerShape(pauses), 'prediction');
  const decoder = decoderOf(pauses);
  return drawing + sampler + (decoder ? estimateGraph(decoder, 1, 'prediction') : 0);
}

const weightBytes = (model: ModelConfig): number => 4 * countParameters(buildNetwork(model));

const samplerShape = ({ model, timesteps }: Pauses) => ({
  architecture: model,
  size: model.size,
  batch: COUNT,
  timesteps,
});

const decoderOf = ({ model, autoencoder }: Pauses): Graph | null =>
  autoencoder ? buildDecoder(autoencoder, model.size) : null;

/** Bytes of the engine's U-Net that draws a run's samples, and of the decoder, if it has one. */
function samplerBytes(pauses: Pauses): number[] {
  const options = { threads: pauses.threads, training: false };
  const graph = decoderOf(pauses);
  return [
    planBytes({ ...samplerShape(pauses), ...options }).total,
    ...(graph ? [planBytes({ graph, batch: 1, timesteps: 1, ...options }).total] : []),
  ];
}

/**
 * Checks in advance that there is address space for what a run opens after its trainer: a decoding worker, and for samples a
 * U-Net with its own workers. Otherwise it would fail after many steps.
 * @throws RunError
 */
export function requireSpaceToRun(pauses: Pauses): void {
  sharedArithmetic(); // Kept for the whole run.
  const decoding = { workers: 1, memories: [mostScratch()] };
  requireAddressSpace('decoding images', decoding);
  if (pauses.sampleEvery === 0) return;
  const memories = samplerBytes(pauses);
  requireAddressSpace('samples (--sample-every 0 draws none)', {
    workers: pauses.threads * memories.length,
    memories,
  });
}

/** Bytes for decoded images. */
export interface Budget {
  readonly bytes: number;
  /** Why it is less than requested; null if it is not. */
  readonly warning: string | null;
}

/**
 * The requested budget, or the default, limited by what a run with the given needs leaves. Images that do not fit are
 * decoded on demand, which gives the same run.
 */
export function dataBudget(asked: number | undefined, threads: number, taken: number): Budget {
  const { bytes: left, of } = memoryRoom(threads, taken);
  if (asked === undefined || asked <= left)
    return { bytes: Math.min(asked ?? defaultBudget(), left), warning: null };
  const warning = `--data-budget: ${bytes(asked)} is more than available, ${bytes(left)} (${of}): further images are decoded as they are needed`;
  return { bytes: left, warning };
}
