/** An autoencoder's config in files of Haze's own, which may be damaged or hostile; folders of diffusers have their keys instead. */
import { UsageError } from '../errors.js';
import type { AutoencoderConfig } from '../network/autoencoder.js';
import { MOST_CHANNELS, MOST_IMAGE_CHANNELS, MOST_LAYERS, MOST_LEVELS } from '../network/limits.js';
import type { JsonObject } from './json.js';

const WIDTH = { min: 1, max: MOST_CHANNELS };
const BLOCKS = { min: 0, max: MOST_LAYERS };

/** Reads all fields. @throws UsageError naming the first that is invalid */
export function readAutoencoderFields(o: JsonObject): AutoencoderConfig {
  const refuse = (field: string, expected: string, got: unknown): never => {
    throw new UsageError(`${o.where(field)}: expected ${expected}, got ${got}`);
  };
  const levels = (field: string, { length }: readonly number[]) =>
    length >= 1 && length <= MOST_LEVELS ? length : refuse(field, `1 to ${MOST_LEVELS}`, length);
  const kind = o.oneOf('kind', ['kl', 'tiny'])!;
  const channels = o.whole('channels', { min: 1, max: 3 })!;
  if (channels !== 1 && channels !== 3) return refuse('channels', '1 or 3', channels);
  const shared = {
    channels,
    latentChannels: o.whole('latentChannels', { min: 1, max: MOST_IMAGE_CHANNELS })!,
    scale: o.real('scale', { above: 0 })!,
    shift: o.real('shift', {})!,
  } as const;
  if (kind === 'tiny') {
    const encoderBlocks = o.wholes('encoderBlocks', BLOCKS)!;
    const decoderBlocks = o.wholes('decoderBlocks', BLOCKS)!;
    const count = levels('encoderBlocks', encoderBlocks);
    if (decoderBlocks.length !== count)
      refuse('decoderBlocks', `${count}, like encoderBlocks`, decoderBlocks.length);
    return {
      ...{ kind, ...shared, encoderBlocks, decoderBlocks },
      encoderWidth: o.whole('encoderWidth', WIDTH)!,
      decoderWidth: o.whole('decoderWidth', WIDTH)!,
    };
  }
  const widths = o.wholes('widths', WIDTH)!;
  levels('widths', widths);
  const groups = o.whole('groups', WIDTH)!;
  const odd = widths.find((width) => width % groups !== 0);
  if (odd !== undefined) refuse('groups', 'a divisor of all widths', `${groups} for ${odd}`);
  return {
    ...{ kind, ...shared, widths, groups },
    layers: o.whole('layers', { min: 1, max: MOST_LAYERS })!,
    midAttention: o.boolean('midAttention')!,
    quantConv: o.boolean('quantConv')!,
    postQuantConv: o.boolean('postQuantConv')!,
  };
}
