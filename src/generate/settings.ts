import { isDeepStrictEqual } from 'node:util';
import type { ModelConfig } from '../config/config.js';
import { kebab } from '../config/flag.js';
import { flagOf } from '../config/network-fields.js';
import { show } from '../config/show.js';
import { UsageError } from '../errors.js';
import type { AutoencoderFiles } from '../io/autoencoder.js';
import { hashFile, sha256 } from '../io/hash.js';
import { hashWeights } from '../io/weights.js';
import { UNSAID_OF } from '../network/recognise.js';
import type { GenerateOptions } from './options.js';

/** The settings that determine the images of a folder, flat, as in a manifest's header. */
export type Settings = Readonly<Record<string, string | number>>;

/** What may change between runs, at the cost of bit-exactness. */
export type Maker = Readonly<Record<'version' | 'device' | 'arithmetic' | 'build', string>>;

/** Flags by setting, for messages. */
const FLAGS: Readonly<Record<string, string>> = {
  model: '<model>',
  steps: '--sample-steps',
  clamp: '--clamp-range',
  betaStart: '--beta-start',
  betaEnd: '--beta-end',
};

/** SHA-256 of files: of the model's weights and the guide's, and of the autoencoder's with its config. */
interface Hashes {
  readonly model: string;
  readonly guide?: string;
  readonly autoencoder?: string;
}

/** The hashes of a model's files. */
export async function hashesOf({
  weights,
  guide,
  autoencoder,
}: Pick<GenerateOptions, 'weights' | 'guide' | 'autoencoder'>): Promise<Hashes> {
  return {
    model: await hashWeights(weights),
    ...(guide && { guide: await hashWeights(guide.weights) }),
    ...(autoencoder && { autoencoder: await hashAutoencoder(autoencoder) }),
  };
}

const hashAutoencoder = async ({ config, weights }: AutoencoderFiles): Promise<string> =>
  sha256(Buffer.from(`${JSON.stringify(config)} ${await hashFile(weights)}`));

/** The settings of a run. */
export function settingsOf(
  options: GenerateOptions & { batch: number },
  { model, guide, autoencoder }: Hashes,
): Settings {
  const { timesteps, schedule, betaStart, betaEnd, loss: _, ...forward } = options.diffusion;
  const { sampler, steps, eta, norm, ...rest } = options.sampling;
  return {
    model,
    size: options.model.size,
    timesteps,
    schedule,
    betaStart,
    betaEnd,
    sampler,
    steps,
    eta,
    bn: norm,
    ...flat(forward),
    ...flat(rest),
    ...unsaid(options.model),
    ...told(options.condition),
    ...(autoencoder !== undefined && { autoencoder }),
    ...(guide !== undefined && { guide, guidance: options.guide!.guidance }),
    ...(norm === 'batch' && { batch: options.batch }),
    seed: options.seed,
    format: options.format,
  };
}

/** Optional settings, included if they differ from the default. */
const flat = (settings: object): Settings =>
  Object.fromEntries(
    Object.entries(settings)
      .filter(([, value]) => value !== undefined && value !== null)
      .map(([name, value]: [string, string | number | boolean]) => [
        kebab(name),
        typeof value === 'boolean' ? String(value) : value,
      ]),
  );

/** Labels that images take in turn, and the guidance. */
const told = (condition: GenerateOptions['condition']): Settings =>
  condition ? { class: condition.labels.join(), guidance: condition.guidance } : {};

/** Fields that a network's weights do not determine, by flag. */
const unsaid = (model: ModelConfig): Settings =>
  Object.fromEntries(
    UNSAID_OF[model.kind].map((name) => [
      flagOf(model.kind, name),
      show(model[name as keyof ModelConfig]),
    ]),
  );

/** What a hash is of, for messages. */
const HASHED: Readonly<Record<string, string>> = {
  model: 'weights',
  guide: 'guide',
  autoencoder: 'autoencoder',
};

/** A value for messages: the beginning of a hash is enough. */
function shown(name: string, value: string | number | undefined): string {
  if (value === undefined) return 'none';
  const what = HASHED[name];
  if (what === undefined) return String(value);
  return `the ${what} of SHA-256 ${String(value).replace(/^([0-9a-f]{12})[0-9a-f]{52}/, '$1…')}`;
}

/** @throws UsageError naming the first setting in which the folder's images differ */
export function checkSettings(out: string, found: Settings, wanted: Settings): void {
  for (const name of new Set([...Object.keys(wanted), ...Object.keys(found)])) {
    if (isDeepStrictEqual(found[name], wanted[name])) continue;
    throw new UsageError(
      `${FLAGS[name] ?? `--${name}`}: the images in ${out} were drawn with ${shown(name, found[name])}, ` +
        `got ${shown(name, wanted[name])}; give another --out`,
    );
  }
}
