import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { CounterRandom } from '../../src/diffusion/random.js';
import type { GenerateOptions } from '../../src/generate/options.js';
import { sha256 } from '../../src/io/hash.js';
import { writeSafetensors } from '../../src/io/safetensors.js';
import { initialState } from '../../src/network/initial-state.js';
import { buildNetwork } from '../../src/network/network.js';
import { temporaryFolder } from './folder.js';

/** A model that makes an image in milliseconds; untrained, since all that matters is that bits are the same. */
export const model = {
  kind: 'simple',
  widths: [8, 16, 24],
  channels: 3,
  timeDim: 8,
  norm: 'separate',
  size: 16,
} as const;

export const weightsOf = (seed: number) =>
  initialState(buildNetwork(model), new CounterRandom(seed));

/** A folder of the test's own with weights in it. */
export async function folderWithModel(t: ExecutionContext): Promise<string> {
  const folder = await temporaryFolder(t);
  await writeSafetensors(join(folder, 'model.safetensors'), weightsOf(1));
  return folder;
}

/** 16 images in four DDIM steps, by two workers in batches of 3. */
export function optionsIn(
  folder: string,
  out: string,
  changes: Partial<GenerateOptions> = {},
): GenerateOptions {
  return {
    weights: join(folder, 'model.safetensors'),
    model,
    diffusion: {
      timesteps: 20,
      schedule: 'linear',
      betaStart: 1e-4,
      betaEnd: 0.1,
      loss: 'l1',
    },
    sampling: { sampler: 'ddim', steps: 4, eta: 0.5, norm: 'running' },
    computing: {
      device: 'wasm',
      arithmetic: 'wasm',
      threads: null,
      strict: false,
      wide: null,
      eager: false,
    },
    seed: 5,
    count: 16,
    out: join(folder, out),
    format: 'png',
    workers: 2,
    batch: 3,
    shard: { index: 1, of: 1 },
    resume: false,
    requireCuda: false,
    ...changes,
  };
}

/** SHA-256 by name of all files of a folder but the manifests. */
export async function hashes(folder: string): Promise<Record<string, string>> {
  const names = (await readdir(folder)).filter((name) => !name.endsWith('.jsonl')).sort();
  const entries = names.map(async (name) => [name, sha256(await readFile(join(folder, name)))]);
  return Object.fromEntries(await Promise.all(entries)) as Record<string, string>;
}
