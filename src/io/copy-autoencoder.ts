/** Copies an autoencoder's files, as a run keeps them: under the names that diffusers gives them. */
import { copyFile, mkdir, open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { asRunError, sync, syncFolder, writeSynced } from './atomic.js';
import type { AutoencoderFiles } from './autoencoder.js';
import { readTensors } from './read-tensors.js';
import { moveOver, PATIENTLY } from './rename.js';
import { writeSafetensors } from './safetensors.js';
import { temporaryPath } from './temporary.js';

/** The file of weights, as diffusers names it. */
export const WEIGHTS = 'diffusion_pytorch_model.safetensors';

/**
 * Makes the folder `to`, which must not exist, whole or not at all. Weights of PyTorch's own format become safetensors.
 * @throws UsageError for weights that cannot be read; RunError if it cannot be written
 */
export async function copyAutoencoder(files: AutoencoderFiles, to: string): Promise<void> {
  const temporary = temporaryPath(to);
  try {
    await mkdir(temporary);
    const config = await readFile(files.configFile);
    await writeSynced(join(temporary, 'config.json'), (file) => file.writeFile(config));
    await copyWeights(files.weights, join(temporary, WEIGHTS));
    await syncFolder(temporary);
    await moveOver(temporary, to);
  } catch (error) {
    await rm(temporary, { ...PATIENTLY, force: true }).catch(() => undefined);
    throw asRunError(to, error);
  }
}

async function copyWeights(from: string, to: string): Promise<void> {
  if (!from.endsWith('.safetensors')) {
    const { tensors, metadata } = await readTensors(from);
    return writeSafetensors(to, tensors, { ...metadata, format: 'pt' });
  }
  await copyFile(from, to);
  const file = await open(to, 'r+');
  try {
    await sync(file);
  } finally {
    await file.close();
  }
}
