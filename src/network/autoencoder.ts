import { ShapeError, UsageError } from '../errors.js';
import { buildKlDecoder, buildKlEncoder } from './autoencoder-kl.js';
import { type AutoencoderKlConfig, readKlConfig } from './autoencoder-kl-config.js';
import { buildTinyDecoder, buildTinyEncoder } from './autoencoder-tiny.js';
import { type AutoencoderTinyConfig, readTinyConfig } from './autoencoder-tiny-config.js';
import { show } from './diffusers-keys.js';
import type { Graph } from './graph.js';

/* Autoencoders of diffusers: their halves are graphs of their own, with the layers' names in the state dict of both. */

export type AutoencoderConfig = AutoencoderKlConfig | AutoencoderTinyConfig;
export type Half = 'encoder' | 'decoder';

/** `_class_name` of each kind. */
export const AUTOENCODER_CLASSES: Readonly<Record<AutoencoderConfig['kind'], string>> = {
  kl: 'AutoencoderKL',
  tiny: 'AutoencoderTiny',
};

/** The classes' names, in words. */
export const AUTOENCODER_NAMES = Object.values(AUTOENCODER_CLASSES).join(' or ');

/**
 * The autoencoder of a parsed config.json; `where` names it in errors.
 * @throws UsageError naming another class, or a key that is unknown, has an unsupported value, or conflicts with others
 */
export function readAutoencoderConfig(
  where: string,
  json: Readonly<Record<string, unknown>>,
): AutoencoderConfig {
  const name = json._class_name;
  if (name === AUTOENCODER_CLASSES.kl) return readKlConfig(where, json);
  if (name === AUTOENCODER_CLASSES.tiny) return readTinyConfig(where, json);
  const got = name === undefined ? 'none' : show(name);
  throw new UsageError(`${where}: _class_name: expected ${AUTOENCODER_NAMES}, got ${got}`);
}

/** Pixels of a picture per pixel of its latents, in each direction: 8 for four levels. */
export const latentFactor = (c: AutoencoderConfig): number =>
  2 ** ((c.kind === 'kl' ? c.widths : c.encoderBlocks).length - 1);

/**
 * The encoder of pictures of `size` pixels a side, in [−1, 1]. What it writes is read by `latentsOf`.
 * @throws ShapeError for a size that is no multiple of `latentFactor`
 */
export function buildEncoder(c: AutoencoderConfig, size: number): Graph {
  if (size % latentFactor(c) !== 0)
    throw new ShapeError(
      `autoencoder: expected pictures of a multiple of ${latentFactor(c)} pixels, got ${size}`,
    );
  return c.kind === 'kl' ? buildKlEncoder(c, size) : buildTinyEncoder(c, size);
}

/** The decoder of latents of `latentSize` pixels a side, as `decoderInput` makes them. */
export const buildDecoder = (c: AutoencoderConfig, latentSize: number): Graph =>
  c.kind === 'kl' ? buildKlDecoder(c, latentSize) : buildTinyDecoder(c, latentSize);

const PARTS: Readonly<Record<Half, readonly string[]>> = {
  encoder: ['encoder.', 'quant_conv.'],
  decoder: ['decoder.', 'post_quant_conv.'],
};

/** Whether a tensor of the state dict belongs to a half. */
export const isOfHalf = (half: Half, tensor: string): boolean =>
  PARTS[half].some((part) => tensor.startsWith(part));
