/** Autoencoders in PyTorch, by make_autoencoder_fixtures.py: their weights, and what they make of pictures and latents. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { readSafetensors, writeSafetensors } from '../../src/io/safetensors.js';
import { type AutoencoderConfig, readAutoencoderConfig } from '../../src/network/autoencoder.js';
import type { F32Tensor, StateDict } from '../../src/network/state.js';
import { toChannelsLast } from '../../src/parity/fixture.js';
import { fixturePath } from './cli.js';
import { temporaryFolder } from './folder.js';

export const AUTOENCODER_FIXTURES = ['kl_odd_12', 'kl_plain_grey_16', 'tiny_16'] as const;
export type AutoencoderFixtureName = (typeof AUTOENCODER_FIXTURES)[number];

/** Images are f32 [count, height, width, channel]. */
export interface AutoencoderFixture {
  readonly config: AutoencoderConfig;
  /** Of config.json. */
  readonly json: Readonly<Record<string, unknown>>;
  readonly state: StateDict;
  readonly count: number;
  /** Sides of pictures and latents. */
  readonly size: number;
  readonly latentSize: number;
  /** Pictures, and their latents. */
  readonly pictures: Float32Array;
  readonly latents: Float32Array;
  /** Other latents, and their pictures. */
  readonly drawn: Float32Array;
  readonly decoded: Float32Array;
  /** Of the Tiny alone: what the halves' output is held against, mean squared errors, and their gradients. */
  readonly targets: { readonly encoder: Float32Array; readonly decoder: Float32Array } | null;
  readonly losses: { readonly encoder: number; readonly decoder: number } | null;
  readonly gradients: StateDict;
}

export async function readAutoencoderFixture(
  name: AutoencoderFixtureName,
): Promise<AutoencoderFixture> {
  const { tensors, metadata } = await readSafetensors(
    fixturePath(`autoencoder/${name}.safetensors`),
  );
  const json = JSON.parse(metadata.config!) as Record<string, unknown>;
  const group = (prefix: string): StateDict =>
    new Map(
      [...tensors]
        .filter(([key]) => key.startsWith(prefix))
        .map(([key, tensor]) => [key.slice(prefix.length), tensor]),
    );
  const f32 = (key: string) => tensors.get(key) as F32Tensor;
  const image = (key: string) => {
    const { data, shape } = f32(key);
    return toChannelsLast(data, shape[1]!, shape[2]! * shape[3]!);
  };
  const trained = tensors.has('encoder_loss');
  return {
    ...{ config: readAutoencoderConfig(name, json), json, state: group('state/') },
    count: f32('x').shape[0]!,
    size: f32('x').shape[2]!,
    latentSize: f32('latents').shape[2]!,
    ...{ pictures: image('x'), latents: image('latents') },
    ...{ drawn: image('drawn'), decoded: image('decoded') },
    targets: trained
      ? { encoder: image('encoder_target'), decoder: image('decoder_target') }
      : null,
    losses: trained
      ? { encoder: f32('encoder_loss').data[0]!, decoder: f32('decoder_loss').data[0]! }
      : null,
    gradients: group('grad/'),
  };
}

/**
 * A fixture as a folder of diffusers, removed when the test ends.
 * @param changes keys of config.json that are changed
 */
export async function autoencoderFolder(
  t: ExecutionContext,
  name: AutoencoderFixtureName,
  changes: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  const { json, state } = await readAutoencoderFixture(name);
  const folder = await temporaryFolder(t);
  await writeFile(join(folder, 'config.json'), JSON.stringify({ ...json, ...changes }));
  await writeSafetensors(join(folder, 'diffusion_pytorch_model.safetensors'), state);
  return folder;
}
