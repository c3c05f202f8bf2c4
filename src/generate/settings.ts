import { isDeepStrictEqual } from 'node:util';
import { UsageError } from '../errors.js';
import type { GenerateOptions } from './options.js';

/** What fixes the images of a folder, flat, as a manifest's header holds it. */
export type Settings = Readonly<Record<string, string | number>>;

/** What may change between runs and then costs bit-exactness alone. */
export type Maker = Readonly<Record<'version' | 'device' | 'arithmetic' | 'build', string>>;

/** Flags by setting, for messages. */
const FLAGS: Readonly<Record<string, string>> = {
  model: '<model>',
  steps: '--sample-steps',
  betaStart: '--beta-start',
  betaEnd: '--beta-end',
};

/** The settings of a run. `sha256` is of the file of weights. */
export function settingsOf(options: GenerateOptions & { batch: number }, sha256: string): Settings {
  const { timesteps, schedule, betaStart, betaEnd } = options.diffusion;
  const { sampler, steps, eta, norm } = options.sampling;
  return {
    model: sha256,
    size: options.model.size,
    timesteps,
    schedule,
    betaStart,
    betaEnd,
    sampler,
    steps,
    eta,
    bn: norm,
    ...(norm === 'batch' && { batch: options.batch }),
    seed: options.seed,
    format: options.format,
  };
}

/** @throws UsageError naming the first setting that the images of the folder do not share. */
export function checkSettings(out: string, found: Settings, wanted: Settings): void {
  for (const name of new Set([...Object.keys(wanted), ...Object.keys(found)])) {
    if (isDeepStrictEqual(found[name], wanted[name])) continue;
    const show = (value: string | number | undefined) => (value === undefined ? 'none' : value);
    throw new UsageError(
      `${FLAGS[name] ?? `--${name}`}: the images in ${out} were made with ${show(found[name])}, ` +
        `got ${show(wanted[name])}; give another --out`,
    );
  }
}
