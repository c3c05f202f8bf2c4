/** Many images of a model as files, for programs: what `haze generate` does. */
import { checkFormatHolds, type GenerationConfig, readGeneration } from '../config/generation.js';
import { UsageError } from '../errors.js';
import { generate as generateWeights } from '../generate/generate.js';
import type { GenerateEvent, GenerateResult } from '../generate/options.js';
import { type DrawSettings, readDraw } from './draw.js';
import { asProgram, telling } from './spelling.js';

/** What to make. The settings are the flags of `haze generate`; what is left out has the flag's default. */
export interface GenerateSettings
  extends DrawSettings<GenerateEvent>,
    Partial<Omit<GenerationConfig, 'out' | 'shard'>> {
  /** The folder of the images. It may hold some of the same settings already. E.g. `out: 'cars'`. */
  readonly out: string;
  /** Makes one part alone: the second of four, say, which may share the folder. Default all. E.g. `shard: '2/4'`. */
  readonly shard?: `${number}/${number}`;
}

/**
 * Makes images of a run, a checkpoint folder or a file of weights as files, and keeps those that are there.
 * @throws UsageError for what is no model, for settings that cannot be or that the run has otherwise, and for a folder of
 *   other images; RunError for a full disk; Interrupted once what is finished is on disk.
 */
export const generate = (model: string, settings: GenerateSettings): Promise<GenerateResult> =>
  asProgram('generate', () =>
    make(model, { ...settings, ...telling('generate', settings.onEvent) }),
  );

async function make(model: string, settings: GenerateSettings): Promise<GenerateResult> {
  const { sampler }: { readonly sampler?: unknown } = settings;
  if (typeof sampler === 'function')
    throw new UsageError(
      'generate.sampler: expected one by name, since another call may go on with the folder, got a function',
    );
  const options = await readDraw('generate', model, settings, (source, computing) => {
    const out = source.text('out');
    if (out === undefined) throw new UsageError('generate.out: expected a folder, got nothing');
    return { out, ...readGeneration(source, computing) };
  });
  checkFormatHolds(options, options.model, options.condition !== null);
  return generateWeights(options);
}
