import type { RunSampling } from './config.js';
import { type Flags, kebab } from './flag.js';
import { flagOf } from './network-fields.js';
import { PRESETS, type Preset, type Recipe } from './presets.js';
import { SAMPLING_NAMES } from './sampling.js';
import { show } from './show.js';

/*
 * A recipe as the equivalent flags: for `inspect`, and for help, which marks the flags that a preset may set.
 */

/** A flag without its dashes and its value, or a switch that is on or off. */
type Said = readonly [flag: string, value: unknown];

/** The flags of `haze train` equivalent to a recipe's training. */
export const trainingFlagsOf = (recipe: Recipe): string[] => words(saidOfTraining(recipe));

/** The flags of `haze sample` equivalent to its sampling. */
export const samplingFlagsOf = (sampling: RunSampling = {}): string[] =>
  words(
    Object.entries(sampling).flatMap(([name, value]): Said[] => {
      if (name === 'clamp')
        return [['clamp', true], ...(value === 1 ? [] : [['clamp-range', value] as const])];
      const flag = SAMPLING_NAMES[name as keyof typeof SAMPLING_NAMES];
      return [[flag ?? kebab(name), value]];
    }),
  );

/** Flags with a note in the default of those that some preset sets. */
export function orPresets(flags: Flags): Flags {
  const presets: readonly Preset[] = Object.values(PRESETS);
  const set = new Set(presets.flatMap(saidBy));
  const told = Object.entries(flags).map(([name, flag]) => {
    const usual = flag.default ?? (flag.value === undefined ? 'off' : 'by --epochs');
    return [name, set.has(name) ? { ...flag, default: `the preset's, else ${usual}` } : flag];
  });
  return Object.fromEntries(told) as Flags;
}

/** Names of the flags that a preset sets; those that every preset sets mention it in their own text. */
const saidBy = ({ given, recipe }: Preset): string[] => [
  ...saidOfTraining(recipe).map(([flag]) => flag),
  ...Object.keys(given)
    .filter((name) => !['kind', 'size', 'widths'].includes(name))
    .map((name) => flagOf(given.kind, name)),
];

const saidOfTraining = ({ diffusion, data, training = {} }: Recipe): Said[] => {
  const { snrGamma, ...rest } = training;
  return [
    ...Object.entries({ ...diffusion, ...rest, ...data }).map(
      ([name, value]): Said => [kebab(name), value],
    ),
    ...(snrGamma === undefined ? [] : saidOfWeights(snrGamma)),
  ];
};

const saidOfWeights = (gamma: number | null): Said[] =>
  gamma === null
    ? [['weighting', 'none']]
    : [
        ['weighting', 'min-snr'],
        ['snr-gamma', gamma],
      ];

const words = (said: readonly Said[]): string[] =>
  said.flatMap(([flag, value]) => {
    if (typeof value === 'boolean') return [value ? `--${flag}` : `--no-${flag}`];
    return [`--${flag}`, show(value)];
  });
