import { UsageError } from '../errors.js';
import type { Graph } from './graph.js';
import { buildSimple, checkSimple, type SimpleConfig } from './simple.js';
import { buildUnet2d } from './unet2d.js';
import { checkUnet2d, type Unet2dConfig } from './unet2d-config.js';

/** Determines a network's parameters. Image size and batch are chosen per run, not here. */
export type NetworkConfig = SimpleConfig | Unet2dConfig;
export type NetworkKind = NetworkConfig['kind'];

/** @throws UsageError naming the invalid option. */
export function checkNetwork(config: NetworkConfig): void {
  for (const w of config.widths)
    if (!Number.isInteger(w) || w < 1)
      throw new UsageError(`--widths: expected whole numbers of 1 or more, got ${w}`);
  if (config.widths.length === 0)
    throw new UsageError('--widths: expected one or more widths, got none');
  if (config.channels !== 1 && config.channels !== 3)
    throw new UsageError(`--channels: expected 1 or 3, got ${String(config.channels)}`);
  if (config.kind === 'simple') checkSimple(config);
  else checkUnet2d(config);
}

/** The smallest image that the network can halve as often as it does. */
const smallestSize = ({ widths }: NetworkConfig): number => 2 ** (widths.length - 1);

/** @throws UsageError if the image cannot be halved as often as the network does. */
export function checkSize(config: NetworkConfig, size: number): void {
  const { widths } = config;
  const factor = smallestSize(config);
  if (!Number.isInteger(size) || size < factor || size % factor !== 0) {
    throw new UsageError(
      `--size: ${widths.length} widths halve the image ${widths.length - 1} times, ` +
        `so the size must be a multiple of ${factor}; got ${size}`,
    );
  }
}

/**
 * The network for square images of `size` pixels; of the smallest size if the size does not matter.
 * @throws UsageError for an invalid config or size
 */
export function buildNetwork(config: NetworkConfig, size?: number): Graph {
  checkNetwork(config);
  return build(config, size ?? smallestSize(config));
}

function build(config: NetworkConfig, size: number): Graph {
  checkSize(config, size);
  switch (config.kind) {
    case 'simple':
      return buildSimple(config, size);
    case 'unet2d':
      return buildUnet2d(config, size);
    default:
      return config satisfies never;
  }
}
