import { isDeepStrictEqual } from 'node:util';
import { UsageError } from '../errors.js';
import { findPipeline } from '../io/pipeline.js';
import type { NetworkKind } from '../network/network.js';
import { checkClasses, readClasses } from './classes.js';
import { COMPUTING_DEFAULTS, checkComputing, readComputing, readSeed } from './computing.js';
import type { DiffusionConfig, ModelConfig, RunConfig } from './config.js';
import { DIFFUSION_DEFAULTS, readDiffusion, readObjective, withDiffusion } from './diffusion.js';
import { kebab } from './flag.js';
import { checkGrowth } from './growth.js';
import {
  type Base,
  checkBatch,
  DEFAULT_BATCH,
  defaultBase,
  readBase,
  readModel,
  readNetworkConfig,
} from './model.js';
import { fieldsOf, flagOf } from './network-fields.js';
import { type GivenModel, readKind } from './network-settings.js';
import { readScheduler } from './scheduler.js';
import { show } from './show.js';
import type { Source } from './source.js';
import { checkTargets, checkZeroInit } from './targets.js';
import {
  DATA_DEFAULTS,
  dataSource,
  OPTIMIZER_DEFAULTS,
  readData,
  readHeldOut,
  readTraining,
  TRAINING_DEFAULTS,
  withTraining,
} from './training.js';

/**
 * A new run: the settings over what a preset, a network's config or diffusers' folder of `--init` says, and the defaults.
 * @throws UsageError for one that cannot be.
 */
export function newRunConfig(source: string, settings: Source): RunConfig {
  const init = readInitFolder(settings);
  const base = readBase(settings) ?? init?.base ?? defaultBase(settings);
  return withSettings(settings, base.given, base.named, {
    version: 1,
    seed: 0,
    data: { source: dataSource(source), ...DATA_DEFAULTS },
    diffusion: init?.diffusion ?? DIFFUSION_DEFAULTS,
    training: { ...TRAINING_DEFAULTS, batch: base.batch ?? DEFAULT_BATCH },
    computing: COMPUTING_DEFAULTS,
    chosen: null,
  });
}

/** The network and the forward process of the folder of diffusers that `--init` names, if it names one. */
function readInitFolder(
  settings: Source,
): { base: Base; diffusion: DiffusionConfig | undefined } | undefined {
  const init = settings.text('init');
  const pipeline = init === undefined ? undefined : findPipeline(init);
  if (!pipeline) return undefined;
  const { config, scheduler } = pipeline;
  return {
    base: readNetworkConfig(config),
    diffusion: scheduler === undefined ? undefined : readScheduler(scheduler).diffusion,
  };
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
  const base = readBase(settings);
  const kind = base?.given.kind ?? readKind(settings) ?? run.model.kind;
  if (kind !== run.model.kind)
    throw refusal(where, settings, base, 'network', run.model.kind, kind);
  const given = { ...run.model, ...base?.given } as GivenModel;
  const { batch = run.training.batch } = base ?? {};
  const changed = withSettings(settings, given, base?.named ?? where, {
    ...run,
    data: { ...run.data, ...(source !== undefined && { source: dataSource(source) }) },
    training: { ...run.training, batch },
  });
  for (const [name, flag, read] of [...fixedOfNetwork(kind), ...FIXED]) {
    if (isDeepStrictEqual(read(changed), read(run))) continue;
    throw refusal(where, settings, base, name, read(run), read(changed), flag);
  }
  return changed;
}

function refusal(
  where: string,
  settings: Source,
  base: Base | undefined,
  name: string,
  has: unknown,
  got: unknown,
  flag = `--${kebab(name)}`,
): UsageError {
  // For a value that no flag of its own gave.
  const of = base && !settings.has(name) ? ` (of ${base.named})` : '';
  return new UsageError(
    `${flag}: the run in ${where} has ${show(has)}, got ${show(got)}${of}; ` +
      `a resume may change only ${CHANGEABLE}`,
  );
}

const CHANGEABLE =
  '--steps, --epochs, --threads, --device, --strict, --wide, --save-every, --sample-every and --keep';

/** What a resume may not change: a setting, its flag, and its value. Everything else in RunConfig it may. */
type Fixed = [name: string, flag: string, read: (c: RunConfig) => unknown];

/** The network's fields, first those that others follow from. */
const fixedOfNetwork = (kind: NetworkKind): Fixed[] =>
  ['size', ...fieldsOf(kind).map(([name]) => name)].map((name) => [
    name,
    `--${flagOf(kind, name)}`,
    ({ model }) => asGiven(model, name),
  ]);

/** A field as a user gives it: levels that attend by their sides. */
function asGiven(model: ModelConfig, name: string): unknown {
  const value = model[name as keyof ModelConfig] as unknown;
  if (name !== 'downAttention' && name !== 'upAttention') return value;
  const levels =
    name === 'upAttention' ? [...(value as boolean[])].reverse() : (value as boolean[]);
  return levels.flatMap((attends, i) => (attends ? [model.size / 2 ** i] : []));
}

const fixed = (name: string, read: (c: RunConfig) => unknown): Fixed => [
  name,
  `--${kebab(name)}`,
  read,
];

const FIXED: Fixed[] = [
  ['data', '<data>', (c) => c.data.source],
  fixed('timesteps', (c) => c.diffusion.timesteps),
  fixed('schedule', (c) => c.diffusion.schedule),
  fixed('betaStart', (c) => c.diffusion.betaStart),
  fixed('betaEnd', (c) => c.diffusion.betaEnd),
  fixed('scaleBetas', (c) => c.diffusion.scaleBetas ?? false),
  fixed('zeroTerminalSnr', (c) => c.diffusion.zeroTerminalSnr ?? false),
  fixed('objective', (c) => c.diffusion.objective ?? 'epsilon'),
  fixed('loss', (c) => c.diffusion.loss),
  fixed('fit', (c) => c.data.fit),
  fixed('flip', (c) => c.data.flip),
  fixed('heldOut', (c) => c.data.heldOut),
  fixed('classes', (c) => c.data.classes?.by ?? null),
  fixed('batch', (c) => c.training.batch),
  fixed('lr', (c) => c.training.lr),
  ...Object.keys(OPTIMIZER_DEFAULTS).map((name) =>
    fixed(name, (c) => c.training[name as keyof typeof OPTIMIZER_DEFAULTS]),
  ),
  fixed('init', (c) => c.training.init),
  fixed('seed', (c) => c.seed),
  fixed('arithmetic', (c) => c.computing.arithmetic),
  fixed('eager', (c) => c.computing.eager),
];

/** The settings over a config, checked together; `named` says where the network is from. */
function withSettings(
  settings: Source,
  given: GivenModel,
  named: string,
  base: Omit<RunConfig, 'model'>,
): RunConfig {
  const model = readModel(settings, { given, named });
  const { classes, labelDropout } = readClasses(settings, base.data.classes, base.training);
  const training = { ...withTraining(base.training, readTraining(settings)), labelDropout };
  checkBatch(model, training.batch);
  const asked = { ...readDiffusion(settings), ...readObjective(settings) };
  const diffusion = withDiffusion(base.diffusion, asked);
  checkTargets(diffusion, training);
  checkZeroInit(model, training);
  checkGrowth(model, training);
  const data = {
    ...base.data,
    ...readData(settings, readHeldOut(settings.text('heldOut'))),
    classes,
  };
  checkClasses({ model, data, training });
  return {
    ...base,
    seed: readSeed(settings) ?? base.seed,
    data,
    model,
    diffusion,
    training,
    computing: checkComputing({ ...base.computing, ...readComputing(settings) }),
  };
}
