import { isDeepStrictEqual } from 'node:util';
import { UsageError } from '../errors.js';
import { COMPUTING_DEFAULTS, checkComputing, readComputing, readSeed } from './computing.js';
import type { ModelConfig, RunConfig } from './config.js';
import { DIFFUSION_DEFAULTS, readDiffusion, withDiffusion } from './diffusion.js';
import { checkBatch, checkModel, readModel, readPreset } from './model.js';
import { PRESETS } from './presets.js';
import type { Source } from './source.js';
import {
  DATA_DEFAULTS,
  dataSource,
  readData,
  readHeldOut,
  readTraining,
  TRAINING_DEFAULTS,
} from './training.js';

/** A new run: the settings over the preset and the defaults. @throws UsageError for one that cannot be. */
export function newRunConfig(source: string, settings: Source): RunConfig {
  const { model, batch } = readPreset(settings) ?? PRESETS.reference;
  return withSettings(settings, {
    version: 1,
    seed: 0,
    data: { source: dataSource(source), ...DATA_DEFAULTS },
    model,
    diffusion: DIFFUSION_DEFAULTS,
    training: { ...TRAINING_DEFAULTS, batch },
    computing: COMPUTING_DEFAULTS,
    chosen: null,
  });
}

/**
 * A run's config with the changes that settings make on a resume.
 * @param source the data named again, if it was
 * @throws UsageError naming the flag, the run's value and the one given, for any change that a resume may not make.
 */
export function resumedRunConfig(
  where: string,
  run: RunConfig,
  source: string | undefined,
  settings: Source,
): RunConfig {
  const preset = readPreset(settings);
  const changed = withSettings(settings, {
    ...run,
    data: { ...run.data, ...(source !== undefined && { source: dataSource(source) }) },
    ...(preset && {
      model: preset.model,
      training: { ...run.training, batch: preset.batch },
    }),
  });
  for (const [flag, read] of FIXED) {
    if (isDeepStrictEqual(read(changed), read(run))) continue;
    const of = preset && settings.text(flag.slice(2)) === undefined ? presetOf(settings) : '';
    throw new UsageError(
      `${flag}: the run in ${where} has ${show(read(run))}, got ${show(read(changed))}${of}; ` +
        `a resume may change only ${CHANGEABLE}`,
    );
  }
  return changed;
}

/** For a value that no flag of its own gave. */
const presetOf = (settings: Source): string => ` (of --preset ${settings.text('preset')})`;

const CHANGEABLE =
  '--steps, --epochs, --threads, --device, --strict, --save-every, --sample-every and --keep';

/** What a resume may not change, by flag. Everything else in RunConfig it may. */
const FIXED: [flag: string, read: (c: RunConfig) => unknown][] = [
  ['<data>', (c) => c.data.source],
  ['--size', (c) => c.model.size],
  ['--channels', (c) => c.model.channels],
  ['--widths', (c) => c.model.widths],
  ['--time-dim', (c) => c.model.timeDim],
  ['--norm', (c) => ('norm' in c.model ? c.model.norm : undefined)],
  ['--timesteps', (c) => c.diffusion.timesteps],
  ['--schedule', (c) => c.diffusion.schedule],
  ['--beta-start', (c) => c.diffusion.betaStart],
  ['--beta-end', (c) => c.diffusion.betaEnd],
  ['--loss', (c) => c.diffusion.loss],
  ['--fit', (c) => c.data.fit],
  ['--flip', (c) => c.data.flip],
  ['--held-out', (c) => c.data.heldOut],
  ['--batch', (c) => c.training.batch],
  ['--lr', (c) => c.training.lr],
  ['--init', (c) => c.training.init],
  ['--seed', (c) => c.seed],
  ['--arithmetic', (c) => c.computing.arithmetic],
  ['--eager', (c) => c.computing.eager],
];

/** The settings over a config, checked together. */
function withSettings(settings: Source, base: RunConfig): RunConfig {
  const model = checkModel({ ...base.model, ...readModel(settings) } as ModelConfig);
  const training = { ...base.training, ...readTraining(settings) };
  checkBatch(model, training.batch);
  return {
    ...base,
    seed: readSeed(settings) ?? base.seed,
    data: { ...base.data, ...readData(settings, readHeldOut(settings.text('heldOut'))) },
    model,
    diffusion: withDiffusion(base.diffusion, readDiffusion(settings)),
    training,
    computing: checkComputing({ ...base.computing, ...readComputing(settings) }),
  };
}

/** A value as the user would write it. */
function show(value: unknown): string {
  if (value === null) return 'none';
  if (typeof value === 'boolean') return value ? 'on' : 'off';
  if (Array.isArray(value)) return value.join(',');
  if (typeof value === 'object') return Object.values(value).join(' ');
  return String(value);
}
