import { UsageError } from '../errors.js';
import { checkNetwork, checkSize } from '../network/network.js';
import type { SimpleConfig } from '../network/simple.js';
import type { ModelConfig } from './config.js';
import { type Flags, given } from './flag.js';
import { PRESET_NAMES, PRESETS, type Preset } from './presets.js';
import type { Source } from './source.js';

/** Flags that fix the U-Net and its image size. */
export const modelFlags: Flags = {
  preset: {
    describe: 'A whole set-up: size, widths and batch',
    value: PRESET_NAMES.join('|'),
    default: 'reference',
  },
  size: { describe: 'Side of the square images, in pixels', value: 'N', default: '64' },
  channels: { describe: 'Grey or RGB', value: '1|3', default: '3' },
  widths: {
    describe: 'Channels of each stage; each after the first halves the image',
    value: 'N,N,…',
    default: '64,128,256,512,1024',
  },
  'time-dim': { describe: 'Length of the time embedding, even', value: 'N', default: '32' },
  norm: {
    describe: 'Two BatchNorms a stage, or one applied twice',
    value: 'separate|shared',
    default: 'separate',
  },
};

type SimpleModel = SimpleConfig & { readonly size: number };

/** The model settings that a source gives. @throws UsageError for one that cannot be. */
export function readModel(source: Source): Partial<Omit<SimpleModel, 'kind'>> {
  const channels = source.whole('channels', {});
  return given<Omit<SimpleModel, 'kind'>>({
    size: source.whole('size', { min: 2, max: 4096 }),
    widths: source.wholes('widths', { min: 1, max: 16384 }),
    // checkNetwork refuses all but 1 and 3.
    channels: channels as SimpleModel['channels'] | undefined,
    timeDim: source.whole('timeDim', { min: 4, max: 16384, even: true }),
    norm: source.oneOf('norm', ['separate', 'shared']),
  });
}

/** The preset that a source names, if it names one. */
export function readPreset(source: Source): Preset | undefined {
  const name = source.oneOf('preset', PRESET_NAMES);
  return name && PRESETS[name];
}

/** @throws UsageError where BatchNorm would see one value a channel, which has no variance: PyTorch refuses it too */
export function checkBatch({ size, widths }: ModelConfig, batch: number): void {
  const smallest = size / 2 ** (widths.length - 1);
  if (smallest === 1 && batch === 1)
    throw new UsageError(
      `--batch: expected 2 or more, since the smallest stage has one pixel and BatchNorm needs two values, got ${batch}`,
    );
}

/** @throws UsageError unless the widths, channels, time dimension and size belong together. */
export function checkModel(model: ModelConfig): ModelConfig {
  checkNetwork(model);
  checkSize(model, model.size);
  return model;
}
