import { conditionFlags } from '../config/condition.js';
import type { Flags } from '../config/flag.js';
import { clampFlags } from '../config/sampling.js';

/** The formats of `haze export`. */
export const FORMATS = ['diffusers', 'web'] as const;
export type Format = (typeof FORMATS)[number];

/** Flags that belong to one of the formats. */
export const OF_ONE_FORMAT: Readonly<Record<Format, Flags>> = {
  diffusers: clampFlags,
  web: {
    precision: {
      describe:
        'Precision of the weights: two bytes each, or four for the same bits as haze sample',
      value: 'f16|f32',
      default: 'f16',
    },
    guide: conditionFlags.guide!,
    guidance: {
      ...conditionFlags.guidance!,
      describe: 'Initial strength of the guidance away from --guide, which visitors can change',
      default: '2',
    },
  },
};
