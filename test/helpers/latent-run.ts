import type { ExecutionContext } from 'ava';
import { findAutoencoder } from '../../src/io/autoencoder.js';
import { copyAutoencoder } from '../../src/io/copy-autoencoder.js';
import { runPaths } from '../../src/io/run.js';
import { type AutoencoderFixtureName, autoencoderFolder } from './autoencoder-fixture.js';
import { freshRun } from './fresh-run.js';

/** Side of the latents. */
export const LATENT_SIZE = 8;

/** A run on the latents of a fixture, with a checkpoint of fresh weights, in a folder of its own; returns its path. */
export async function latentRun(
  t: ExecutionContext,
  name: AutoencoderFixtureName,
  flags: Record<string, string | boolean> = {},
  extras: Parameters<typeof freshRun>[2] = {},
): Promise<string> {
  const autoencoder = await autoencoderFolder(t, name);
  const small = { size: String(LATENT_SIZE), widths: '8,8', timesteps: '20' };
  const run = await freshRun(t, { ...small, ...flags, autoencoder }, extras);
  await copyAutoencoder(findAutoencoder(autoencoder), runPaths(run).vae);
  return run;
}
