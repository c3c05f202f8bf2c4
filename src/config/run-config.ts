import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { GIVEN } from '../data/given.js';
import { TOY_CARS } from '../data/toy-cars.js';
import { UsageError } from '../errors.js';
import { type AutoencoderFiles, findAutoencoder } from '../io/autoencoder.js';
import { findRunConfig } from '../io/model-source.js';
import { findPipeline, type Pipeline } from '../io/pipeline.js';
import { readJsonFileSync, runPaths } from '../io/run.js';
import { type NetworkKind, requirePixels } from '../network/network.js';
import { readClassLabels } from './class-labels.js';
import { checkClasses, readClasses } from './classes.js';
import { COMPUTING_DEFAULTS, checkComputing, readComputing, readSeed } from './computing.js';
import type {
  DiffusionConfig,
  ModelConfig,
  RunConfig,
  RunSampling,
  TeacherConfig,
  TrainingConfig,
} from './config.js';
import { readDiffusion, readObjective, wholeDiffusion, withDiffusion } from './diffusion.js';
import { kebab } from './flag.js';
import { checkGrowth, checkStages, fittingGrowth } from './growth.js';
import {
  type Base,
  checkBatch,
  defaultBase,
  readBase,
  readModel,
  readNetworkConfig,
} from './model.js';
import { fieldsOf, flagOf } from './network-fields.js';
import { completeModel, type GivenModel, readGiven, readKind } from './network-settings.js';
import { parseRunConfig } from './read.js';
import { diffusionOf, trainingOf } from './recipe.js';
import { attendingSizes, refuseOthers } from './same-network.js';
import { fittingSampling, ofLatents } from './sampling.js';
import { readScheduler } from './scheduler.js';
import { show } from './show.js';
import type { Source } from './source.js';
import { checkTargets, checkZeroInit, fittingTargets } from './targets.js';
import {
  checkTeacher,
  DISTILLING,
  readTeacher,
  TEACHER_FIELDS,
  teacherChanges,
  teacherNamed,
} from './teacher.js';
import {
  DATA_DEFAULTS,
  dataSource,
  OPTIMIZER_DEFAULTS,
  readData,
  readHeldOut,
  readTraining,
  withTraining,
} from './training.js';

/**
 * A new run: the settings, over a preset, a network's config, or what `--init` says of its weights, over the defaults. Preset
 * values that conflict with a setting are dropped.
 * @throws UsageError for an invalid setting
 */
export function newRunConfig(source: string, settings: Source): RunConfig {
  const init: Taught | undefined = readTaught(settings) ?? readInit(settings);
  const latents = readLatents(settings, init?.autoencoder);
  const given = readBase(settings, init?.base) ?? defaultBase(settings);
  const base = latents ? onLatents(settings, given, latents) : given;
  const make = (base: Base) => {
    const { loss } = diffusionOf(base);
    const sampling = init?.teacher ? init.sampling : (base.recipe?.sampling ?? init?.sampling);
    const config = withSettings(settings, base, {
      version: 1,
      seed: 0,
      data: {
        ...{ source: dataSource(source), ...DATA_DEFAULTS, ...base.recipe?.data },
        ...(latents && { autoencoder: resolve(latents.folder) }),
      },
      // Initial weights were trained for their own forward process, and to predict what they predict.
      diffusion: init?.diffusion ? { ...init.diffusion, loss } : diffusionOf(base),
      training: trainingOf(base),
      ...(sampling && { sampling }),
      ...(init?.teacher && { teacher: init.teacher }),
      computing: COMPUTING_DEFAULTS,
      chosen: null,
    });
    // Of a length in minutes the steps are not known yet.
    if (!settings.has('minutes')) checkStages(config);
    return config;
  };
  return blamingPreset(settings, base, make);
}

/** Names the preset in an error that would not occur without its recipe. */
function blamingPreset<T>(settings: Source, base: Base, make: (base: Base) => T): T {
  try {
    return make(base);
  } catch (error) {
    const { recipe, ...rest } = base;
    const named = settings.text('preset');
    if (!(error instanceof UsageError) || !recipe || named === undefined) throw error;
    if (!passes(() => make(rest))) throw error;
    throw new UsageError(`${error.message} (of --preset ${named})`);
  }
}

function passes(make: () => unknown): boolean {
  try {
    make();
    return true;
  } catch {
    return false;
  }
}

/** The autoencoder that a setting names, or that of the initial weights. @throws UsageError for a folder that holds none */
function readLatents(settings: Source, own: string | undefined): AutoencoderFiles | undefined {
  const asked = settings.text('autoencoder');
  if (asked === undefined) return own === undefined ? undefined : findAutoencoder(own);
  try {
    return findAutoencoder(asked);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new UsageError(`${settings.where('autoencoder')}: ${error.message}`);
  }
}

/**
 * The network for an autoencoder's latents: with their channels, whatever a preset has.
 * @throws UsageError for other channels, which were asked for or belong to a given network
 */
function onLatents(settings: Source, base: Base, { folder, config }: AutoencoderFiles): Base {
  const { latentChannels: channels } = config;
  const own = base.yields ? channels : base.given.channels;
  const asked = readGiven(base.given.kind, settings).channels ?? own;
  if (asked !== channels) {
    const who = settings.has('channels') ? settings.where('channels') : base.named;
    throw new UsageError(
      `${settings.where('autoencoder')}: latents of ${folder} have ${channels} channels, got ${asked} (of ${who})`,
    );
  }
  return { ...base, given: { ...base.given, channels } };
}

/** What a model that `--init` names gives a new run beside its weights. */
interface Init {
  readonly base: Base;
  /** The folder of its autoencoder. */
  readonly autoencoder?: string | undefined;
  readonly diffusion: DiffusionConfig | undefined;
  readonly sampling?: RunSampling | undefined;
  /** Range that its scheduler clamps to. */
  readonly clamp?: number | false | undefined;
  /** Where its run keeps a guide, if it kept one. */
  readonly guide?: string;
  /** Whether it can draw without a class. */
  readonly drops?: boolean;
}

/** What a teacher gives its student. */
interface Taught extends Init {
  readonly teacher?: TeacherConfig;
}

/** Of a diffusers folder, a run or a checkpoint in one; undefined for bare weights. */
function readInit(settings: Source): Init | undefined {
  const init = settings.text('init');
  return init === undefined ? undefined : initOf(init);
}

function initOf(model: string): Init | undefined {
  const pipeline = findPipeline(model);
  if (pipeline) return initOfPipeline(pipeline);
  const config = findRunConfig(model);
  return config === undefined ? undefined : initOfRun(model, config);
}

/** What `--teacher` gives a new run: all that `--init` does, and how it learns and draws. @throws UsageError for bare weights */
function readTaught(settings: Source): Taught | undefined {
  const named = teacherNamed(settings);
  if (named === undefined) return undefined;
  if (!existsSync(named))
    throw new UsageError(
      `${settings.where('teacher')}: expected a model, got none: no such file or folder: ${named}`,
    );
  const init = initOf(named);
  if (!init?.diffusion)
    throw new UsageError(
      `${settings.where('teacher')}: expected a run, a checkpoint of one or a diffusers folder with a scheduler, got ${named}`,
    );
  const { base, diffusion, sampling, clamp = sampling?.clamp, guide, drops = false } = init;
  // Another forward process would be another model; the distance to it is the student's own.
  const { loss: _, ...asked } = { ...readDiffusion(settings), ...readObjective(settings) };
  refuseOthers(named, wholeDiffusion(diffusion), asked);
  const model = completeModel(base.given);
  const known = { named: resolve(named), model, diffusion, clamp, guide, drops };
  return { ...init, base: { ...base, recipe: DISTILLING }, ...readTeacher(settings, known) };
}

function initOfPipeline({ index, config, scheduler, schedulerClass, autoencoder }: Pipeline): Init {
  const base = { ...readNetworkConfig(config), fixed: true };
  if (scheduler === undefined) return { base, diffusion: undefined, autoencoder };
  const { diffusion, sampling } = readScheduler(scheduler, schedulerClass);
  const labels = index === undefined ? null : readClassLabels(index, completeModel(base.given));
  const drops = labels !== null && labels.none !== null;
  return { base, diffusion, autoencoder, clamp: sampling.clamp, drops };
}

function initOfRun(path: string, config: string): Init {
  const { model, data, training, diffusion, teacher, ...rest } = parseRunConfig(
    config,
    readJsonFileSync(config),
  );
  // What a student was taught does not outlast training on images.
  const sampling = teacher ? undefined : rest.sampling;
  const base = { given: model, batch: training.batch, named: path, fixed: true };
  const { vae, guide } = runPaths(dirname(config));
  return {
    ...{ base, diffusion, sampling, guide },
    drops: training.labelDropout > 0,
    ...(data.autoencoder !== undefined && { autoencoder: vae }),
  };
}

/**
 * A run's config with the changes that a resume's settings make.
 * @param source the data, if named again
 * @throws UsageError naming the flag, the run's value and the given one, for any change that a resume may not make
 */
export function resumedRunConfig(
  where: string,
  run: RunConfig,
  source: string | undefined,
  settings: Source,
): RunConfig {
  for (const [name, has, got] of teacherChanges(settings, run))
    if (got !== undefined && got !== has) throw refusal(where, name, has, got, '');
  const base = readBase(settings);
  const kind = base?.given.kind ?? readKind(settings) ?? run.model.kind;
  if (kind !== run.model.kind)
    throw refusal(where, 'network', run.model.kind, kind, base ? ` (of ${base.named})` : '');
  const given = { ...run.model, ...base?.given } as GivenModel;
  const { batch = run.training.batch, recipe } = base ?? {};
  // The length is the run's own: the preset's belongs to a new run.
  const { steps: _, ...training } = { ...recipe?.training };
  const changed = withSettings(
    settings,
    { given, named: base?.named ?? where },
    {
      ...run,
      data: {
        ...{ ...run.data, ...recipe?.data },
        ...(source !== undefined && { source: dataSource(source) }),
      },
      diffusion: { ...run.diffusion, ...recipe?.diffusion },
      training: { ...run.training, ...training, batch },
    },
  );
  // For a value that a preset gave and no flag.
  const of = (name: string) => (base && !settings.has(name) ? ` (of ${base.named})` : '');
  // Given as such, the weighting is blamed before the number that follows from it.
  const first = settings.has('weighting') ? [fixed('weighting', weightingOf)] : [];
  checkResumed(where, run, changed, { of, first });
  return changed;
}

/**
 * Checks that a resume changes nothing that it may not.
 * @param blame where a changed setting comes from, as text, and what is compared first
 * @throws UsageError naming the flag, the run's value and the other one
 */
export function checkResumed(
  where: string,
  run: RunConfig,
  changed: RunConfig,
  { of = () => '', first = [] }: { of?: (name: string) => string; first?: Fixed[] } = {},
): void {
  const { kind } = run.model;
  if (changed.model.kind !== kind)
    throw refusal(where, 'network', kind, changed.model.kind, of('network'));
  for (const [name, flag, read] of [...fixedOfNetwork(kind), ...first, ...FIXED]) {
    if (isDeepStrictEqual(read(changed), read(run))) continue;
    throw refusal(where, name, read(run), read(changed), of(name), flag);
  }
}

function refusal(
  where: string,
  name: string,
  has: unknown,
  got: unknown,
  of: string,
  flag = `--${kebab(name)}`,
): UsageError {
  return new UsageError(
    `${flag}: the run in ${where} has ${show(has)}, got ${show(got)}${of}; ` +
      `a resume may change only ${CHANGEABLE}`,
  );
}

const CHANGEABLE =
  '--steps, --epochs, --threads, --device, --strict, --wide, --save-every, --sample-every and --keep';

/** What a resume may not change: a setting, its flag, and its value. Everything else in RunConfig may change. */
type Fixed = [name: string, flag: string, read: (c: RunConfig) => unknown];

/** The network's fields; first those that others follow from. */
const fixedOfNetwork = (kind: NetworkKind): Fixed[] =>
  ['size', ...fieldsOf(kind).map(([name]) => name)].map((name) => [
    name,
    `--${flagOf(kind, name)}`,
    ({ model }) => asGiven(model, name),
  ]);

/** A field in the user's terms: levels with attention by their sizes. */
function asGiven(model: ModelConfig, name: string): unknown {
  const value = model[name as keyof ModelConfig] as unknown;
  if (name !== 'downAttention' && name !== 'upAttention') return value;
  const levels =
    name === 'upAttention' ? [...(value as boolean[])].reverse() : (value as boolean[]);
  return attendingSizes(levels, model.size);
}

const fixed = (name: string, read: (c: RunConfig) => unknown, flag = `--${kebab(name)}`): Fixed => [
  name,
  flag,
  read,
];

/** Flags of settings of training that have another name: a program's own weights are its `weighting`. */
const FLAGS: Readonly<Record<string, string>> = { lossWeights: '--weighting' };

/** What `--weighting` says of a run: a word, or a program's own weights. */
const weightingOf = ({ training: { lossWeights, snrGamma } }: RunConfig) =>
  lossWeights ?? (snrGamma === null ? 'none' : 'min-snr');

/** Files may be moved: whether they are the same ones is seen when they are listed. */
const placeOf = (source: string): string =>
  source === TOY_CARS || source === GIVEN ? source : 'a folder or file';

const FIXED: Fixed[] = [
  ['data', '<data>', (c) => placeOf(c.data.source)],
  fixed('timesteps', (c) => c.diffusion.timesteps),
  fixed('schedule', (c) => c.diffusion.schedule),
  fixed('betaStart', (c) => c.diffusion.betaStart),
  fixed('betaEnd', (c) => c.diffusion.betaEnd),
  fixed('scaleBetas', (c) => c.diffusion.scaleBetas ?? false),
  fixed('objective', (c) => c.diffusion.objective ?? 'epsilon'),
  fixed('zeroTerminalSnr', (c) => c.diffusion.zeroTerminalSnr ?? false),
  fixed('loss', (c) => c.diffusion.loss),
  fixed('fit', (c) => c.data.fit),
  fixed('flip', (c) => c.data.flip),
  // The run has a copy, so that nobody has to say where the original is now.
  fixed('autoencoder', (c) => c.data.autoencoder ?? null),
  fixed('heldOut', ({ data: { heldOut } }) =>
    heldOut && 'source' in heldOut ? placeOf(heldOut.source) : heldOut,
  ),
  fixed('classes', (c) => c.data.classes?.by ?? null),
  // It has a copy of its teacher, too.
  ...TEACHER_FIELDS.map(([name, read]) => fixed(name, read)),
  // Before the zeros that initial weights do without.
  fixed('init', (c) => c.training.init),
  fixed('batch', (c) => c.training.batch),
  fixed('lr', (c) => c.training.lr),
  ...Object.keys(OPTIMIZER_DEFAULTS).map((name) =>
    fixed(name, (c) => c.training[name as keyof typeof OPTIMIZER_DEFAULTS], FLAGS[name]),
  ),
  fixed('seed', (c) => c.seed),
  fixed('arithmetic', (c) => c.computing.arithmetic),
  fixed('eager', (c) => c.computing.eager),
];

/** With a length in minutes: a placeholder for the number of steps until some are timed (`train/length.ts`). */
const withMeasured = (settings: Source, training: TrainingConfig): TrainingConfig =>
  settings.has('minutes') && training.steps === null
    ? { ...training, epochs: null, steps: 1 }
    : training;

/** @throws UsageError for channels that only latents have, which were asked for or belong to a given network */
function requirePictures(settings: Source, { named }: Base, model: ModelConfig): void {
  if (settings.has('channels')) requirePixels(model);
  if (model.channels === 1 || model.channels === 3) return;
  throw new UsageError(
    `${named}: its images have ${model.channels} channels, so they are latents; ${settings.where('autoencoder')} gives the autoencoder that encodes them`,
  );
}

/** The settings over a network and a config, checked together. */
function withSettings(settings: Source, network: Base, base: Omit<RunConfig, 'model'>): RunConfig {
  const model = readModel(settings, network);
  const { classes, labelDropout } = readClasses(settings, base.data.classes, base.training);
  const asked = { ...readDiffusion(settings), ...readObjective(settings) };
  const diffusion = withDiffusion(base.diffusion, asked);
  const wanted = readTraining(settings);
  const laid = { ...withTraining(base.training, wanted), labelDropout };
  const fitting = fittingTargets({ model, diffusion }, withMeasured(settings, laid), wanted);
  const training = network.recipe ? fittingGrowth(model, fitting, wanted) : fitting;
  checkBatch(model, training.batch);
  checkTargets(diffusion, training);
  checkZeroInit(model, training);
  checkGrowth(model, training);
  if (base.data.autoencoder === undefined) requirePictures(settings, network, model);
  const data = {
    ...base.data,
    ...readData(settings, readHeldOut(settings.text('heldOut'))),
    classes,
  };
  checkClasses({ model, data, training });
  const { sampling: recipes, ...rest } = base;
  const fitted = fittingSampling(recipes, diffusion);
  const sampling = base.data.autoencoder === undefined ? fitted : ofLatents(fitted);
  const config = {
    ...rest,
    ...(sampling && { sampling }),
    seed: readSeed(settings) ?? base.seed,
    data,
    model,
    diffusion,
    training,
    computing: checkComputing({ ...base.computing, ...readComputing(settings) }),
  };
  checkTeacher(config);
  return config;
}
