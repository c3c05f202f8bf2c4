import { diffusionFlags, objectiveFlag } from '../config/diffusion.js';
import { camel, respellFlags } from '../config/respell.js';
import { SAMPLING_NAMES, samplingFlags } from '../config/sampling.js';

const NAMES: ReadonlyMap<string, string> = new Map([
  ...[
    ...Object.keys({ ...samplingFlags, ...diffusionFlags, ...objectiveFlag }),
    'count',
    'seed',
  ].map((flag) => [flag, camel(flag)] as const),
  ...Object.entries(SAMPLING_NAMES).map(([name, flag]) => [flag, name] as const),
]);

/** A message of the command line with the settings' names in programs: `draw.steps`, not `--sample-steps`. */
export const inProgramsWords = (text: string): string =>
  respellFlags(
    text,
    (flag) => NAMES.get(flag),
    (name) => `draw.${name}`,
  );
