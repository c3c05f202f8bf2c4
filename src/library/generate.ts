/** `haze generate` for programs: many images of a model as files. */
import { resolve } from 'node:path';
import { checkGeneration, type GenerationConfig, readGeneration } from '../config/generation.js';
import { UsageError } from '../errors.js';
import { generate as generateWeights } from '../generate/generate.js';
import type { GenerateEvent, GenerateResult } from '../generate/options.js';
import { type DrawSettings, readDraw } from './draw.js';
import { settingsOf } from './settings-of.js';
import { asProgram } from './spelling.js';

/** What to draw. The settings are the flags of `haze generate`, with the flags' defaults. */
export interface GenerateSettings
  extends DrawSettings<GenerateEvent>,
    Partial<Omit<GenerationConfig, 'out' | 'shard'>> {
  /** The folder of the images. It may already hold some with the same settings. E.g. `out: 'cars'`. */
  readonly out: string;
  /** Draws only one part, e.g. the second of four, which may share the folder. Default all. E.g. `shard: '2/4'`. */
  readonly shard?: `${number}/${number}`;
}

/**
 * Draws images from a run, a checkpoint folder or a file of weights as files, and keeps those that already exist.
 * @throws UsageError if it is not a model, for settings that are invalid or differ from the run's, and for a folder of
 *   other images; RunError for a full disk; Interrupted once finished images are on disk.
 */
export const generate = (model: string, settings: GenerateSettings): Promise<GenerateResult> =>
  asProgram('generate', () => make(model, settingsOf('generate', settings)));

async function make(model: string, settings: GenerateSettings): Promise<GenerateResult> {
  const { sampler }: { readonly sampler?: unknown } = settings;
  if (typeof sampler === 'function')
    throw new UsageError(
      'generate.sampler: expected a built-in one, since another call may continue the folder, got a function',
    );
  const options = await readDraw('generate', model, settings, (source, computing) => {
    const out = source.text('out');
    if (out === undefined) throw new UsageError('generate.out: expected a folder, got nothing');
    return { out: resolve(out), ...readGeneration(source, computing) };
  });
  const { pictures, condition } = options;
  checkGeneration(options, pictures, condition !== null);
  return generateWeights(options);
}
