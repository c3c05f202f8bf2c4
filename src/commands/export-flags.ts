import { conditionFlags } from '../config/condition.js';
import type { Flags } from '../config/flag.js';
import { clampFlags } from '../config/sampling.js';

/** What `haze export` writes. */
export const FORMATS = ['diffusers', 'web'] as const;
export type Format = (typeof FORMATS)[number];

/** Flags that one of the formats has. */
export const OF_ONE_FORMAT: Readonly<Record<Format, Flags>> = {
  diffusers: clampFlags,
  web: {
    precision: {
      describe: 'Numbers of the weights: two bytes each, or four for the bits of haze sample',
      value: 'f16|f32',
      default: 'f16',
    },
    guide: conditionFlags.guide!,
    guidance: {
      ...conditionFlags.guidance!,
      describe: 'How strongly images move away from --guide, until a visitor says otherwise',
      default: '2',
    },
  },
};
