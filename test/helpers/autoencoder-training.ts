/** Trainings of autoencoders that take seconds. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { JsonObject } from '../../src/config/json.js';
import { readSafetensors } from '../../src/io/safetensors.js';
import type { AutoencoderOptions } from '../../src/train/autoencoder/options.js';
import { digest } from './digest.js';
import { temporaryFolder } from './folder.js';
import { writeBars } from './run.js';

/** Grey pictures of 16 pixels to latents of 8. */
export const SMALL = {
  ...{ size: 16, channels: 1, widths: [6, 8], latents: 3, batch: 4, steps: 8 },
  ...{ saveEvery: 0, threads: 2, seed: 3 },
};

/** Options with these settings over `SMALL`. */
export const training = (
  out: string,
  data: string | undefined,
  settings: Readonly<Record<string, unknown>> = {},
  more: Partial<AutoencoderOptions> = {},
): AutoencoderOptions => ({
  settings: new JsonObject('test', { ...(more.resume ? {} : SMALL), ...settings }, 'all'),
  ...{ out, data, resume: false, requireCuda: false, ...more },
});

/** A folder with a file of bars, and a place for the autoencoder. */
export async function bars(
  t: ExecutionContext,
): Promise<{ data: string; out: string; folder: string }> {
  const folder = await temporaryFolder(t);
  return { folder, data: writeBars(folder), out: join(folder, 'vae') };
}

/** What a training has made, in short: weights, moments and what is published. */
export async function madeIn(out: string, step: number): Promise<Record<string, string>> {
  const files = [
    'diffusion_pytorch_model.safetensors',
    ...['model', 'optimizer'].map((name) => `checkpoints/step-${step}/${name}.safetensors`),
  ];
  const made: Record<string, string> = {
    config: readFileSync(join(out, 'config.json'), 'utf8'),
    pictures: digest(readFileSync(join(out, 'reconstructions.png'))),
  };
  for (const file of files) {
    const { tensors } = await readSafetensors(join(out, file));
    const all = [...tensors.values()].map(({ data }) =>
      Buffer.from(data.buffer, data.byteOffset, data.byteLength),
    );
    made[file] = digest(Buffer.concat(all));
  }
  return made;
}
