/** Inputs for peers: one .safetensors in a temporary folder, removed after the work. */
import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ModelConfig } from '../config/config.js';
import { writeSafetensors } from '../io/safetensors.js';
import { toDiffusers } from '../network/diffusers-config.js';
import type { StateDict, Tensor } from '../network/state.js';

/** A folder that exists while `work` runs; it is also removed if the process exits meanwhile. */
export async function temporarily<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'haze-bench-'));
  const clear = () => rmSync(folder, { recursive: true, force: true });
  process.once('exit', clear);
  try {
    return await work(folder);
  } finally {
    process.off('exit', clear);
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * Writes tensors, and a network's weights under `state/`. For a diffusers network the header has its config.json; for the
 * reference's network the shapes are sufficient. Resolves to the file.
 */
export async function writeTask(
  folder: string,
  tensors: Readonly<Record<string, Tensor>>,
  network?: { readonly model: ModelConfig; readonly state: StateDict },
): Promise<string> {
  const file = join(folder, 'task.safetensors');
  const weights = [...(network?.state ?? [])].map(([name, tensor]): [string, Tensor] => [
    `state/${name}`,
    tensor,
  ]);
  await writeSafetensors(
    file,
    new Map([...Object.entries(tensors), ...weights]),
    network && metadata(network.model),
  );
  return file;
}

const metadata = (model: ModelConfig): Record<string, string> =>
  model.kind === 'simple' ? {} : { config: JSON.stringify(toDiffusers(model, model.size)) };

export const f32 = (shape: readonly number[], data: Float32Array): Tensor => ({
  dtype: 'F32',
  shape,
  data,
});

export const i64 = (values: ArrayLike<number>): Tensor => ({
  dtype: 'I64',
  shape: [values.length],
  data: BigInt64Array.from({ length: values.length }, (_, i) => BigInt(values[i]!)),
});
