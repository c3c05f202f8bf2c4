import { UsageError } from '../errors.js';
import { buildDit } from './dit.js';
import { checkDit, type DitConfig } from './dit-config.js';
import type { Graph } from './graph.js';
import { MOST_IMAGE_CHANNELS } from './limits.js';
import { buildSimple, checkSimple, type SimpleConfig } from './simple.js';
import { buildUnet2d } from './unet2d.js';
import { checkUnet2d, type Unet2dConfig } from './unet2d-config.js';

/** Determines a network's parameters. Image size and batch are chosen per run, not here. */
export type NetworkConfig = SimpleConfig | Unet2dConfig | DitConfig;
export type NetworkKind = NetworkConfig['kind'];

/** @throws UsageError naming the invalid option. */
export function checkNetwork(config: NetworkConfig): void {
  for (const w of config.widths)
    if (!Number.isInteger(w) || w < 1)
      throw new UsageError(`--widths: expected whole numbers of 1 or more, got ${w}`);
  if (config.widths.length === 0)
    throw new UsageError('--widths: expected one or more widths, got none');
  const { channels } = config;
  if (!Number.isInteger(channels) || channels < 1 || channels > MOST_IMAGE_CHANNELS)
    throw new UsageError(
      `--channels: expected a whole number from 1 to ${MOST_IMAGE_CHANNELS}, got ${String(channels)}`,
    );
  if (config.kind === 'simple') checkSimple(config);
  else if (config.kind === 'unet2d') checkUnet2d(config);
  else checkDit(config);
}

/** A network of pictures. */
export type OfPixels<C extends NetworkConfig = NetworkConfig> = C & { readonly channels: 1 | 3 };

/**
 * Checks that a network is one of pictures.
 * @throws UsageError for other channels, which only latents have
 */
export function requirePixels<C extends NetworkConfig>(config: C): asserts config is OfPixels<C> {
  const { channels } = config;
  if (channels !== 1 && channels !== 3)
    throw new UsageError(
      `--channels: expected 1 or 3, got ${channels}; other numbers are of latents, which need an autoencoder`,
    );
}

/** Sizes of images are multiples of this: what the network halves, or its patches. */
export const sizeFactor = (config: NetworkConfig): number =>
  config.kind === 'dit' ? config.patch : 2 ** (config.widths.length - 1);

/** @throws UsageError if the image cannot be halved as often as the network does, or divided into its patches. */
export function checkSize(config: NetworkConfig, size: number): void {
  const factor = sizeFactor(config);
  if (Number.isInteger(size) && size >= factor && size % factor === 0) return;
  const { length } = config.widths;
  throw new UsageError(
    config.kind === 'dit'
      ? `--size: patches of ${factor} pixels need a multiple of ${factor}, got ${size}`
      : `--size: ${length} widths halve the image ${length - 1} times, so the size must be a multiple of ${factor}; got ${size}`,
  );
}

/**
 * The network for square images of `size` pixels; of the smallest size if the size does not matter.
 * @throws UsageError for an invalid config or size
 */
export function buildNetwork(config: NetworkConfig, size?: number): Graph {
  checkNetwork(config);
  return build(config, size ?? sizeFactor(config));
}

function build(config: NetworkConfig, size: number): Graph {
  checkSize(config, size);
  switch (config.kind) {
    case 'simple':
      return buildSimple(config, size);
    case 'unet2d':
      return buildUnet2d(config, size);
    case 'dit':
      return buildDit(config, size);
    default:
      return config satisfies never;
  }
}
