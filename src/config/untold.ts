/** Of weights that come without a scheduler: the forward process that they were trained for is not known. */
import type { DiffusionConfig } from './config.js';

export const UNTOLD = 'weights do not tell their forward process';

/** `--timesteps 300, --schedule linear, --objective epsilon`: what matters most of it, without the settings that were `asked` for. */
export function forwardFlags(
  { timesteps, schedule, objective = 'epsilon' }: DiffusionConfig,
  asked: Partial<DiffusionConfig> = {},
): string {
  return Object.entries({ timesteps, schedule, objective })
    .filter(([name]) => asked[name as keyof DiffusionConfig] === undefined)
    .map(([name, value]) => `--${name} ${value}`)
    .join(', ');
}
