import { UsageError } from '../errors.js';
import { isObject, show } from '../io/json.js';
import { isFile, readJsonFile, runPaths } from '../io/run.js';
import { requirePixels } from '../network/network.js';
import { checkClasses, readRunClasses } from './classes.js';
import { readComputing, readSeed } from './computing.js';
import type {
  ComputingConfig,
  DataConfig,
  DeviceChoice,
  DiffusionConfig,
  HeldOut,
  RunConfig,
  RunSampling,
  TeacherConfig,
  TrainingConfig,
} from './config.js';
import { checkDiffusion, OPTIONAL_DIFFUSION } from './diffusion.js';
import { checkGrowth } from './growth.js';
import { JsonObject } from './json.js';
import { checkBatch, checkModel } from './model.js';
import { readForward, readModel, section } from './read-model.js';
import { checkReplicas } from './replicas.js';
import { readRunSampling, usualSampling } from './sampling.js';
import { checkTargets, checkZeroInit } from './targets.js';
import { checkTeacher, readTeacherConfig } from './teacher.js';
import { OPTIMIZER_DEFAULTS, readData, readTraining } from './training.js';

/**
 * Reads a run's config.json, which may be damaged or hostile.
 * @throws UsageError naming the file and the field, with what was expected and what was found
 */
export async function readRunConfig(path: string): Promise<RunConfig> {
  return parseRunConfig(path, await readJsonFile(path));
}

/**
 * The config of the run in a folder that a resume names.
 * @param expected the beginning of the message
 * @throws UsageError if there is no run
 */
export async function readRunIn(
  folder: string,
  expected = '--resume: expected the folder of a run in --out',
): Promise<RunConfig> {
  const { config } = runPaths(folder);
  if (await isFile(config)) return readRunConfig(config);
  throw new UsageError(`${expected}, got ${folder}, which has no config.json`);
}

/** The config in a parsed JSON value; `where` names it in errors. */
export function parseRunConfig(where: string, value: unknown): RunConfig {
  if (isObject(value) && value._class_name !== undefined)
    throw new UsageError(
      `${where}: expected the config of a run, got diffusers' of ${show(value._class_name)}`,
    );
  const root = new JsonObject(where, value, ['sampling', 'teacher', 'chosen']);
  root.whole('version', { min: 1, max: 1 });
  const forward = readForward(root.object('diffusion', OPTIONAL_DIFFUSION));
  const config: RunConfig = {
    version: 1,
    seed: readSeed(root)!,
    data: data(root.object('data', ['heldOut', 'classes', 'autoencoder'])),
    model: readModel(root),
    diffusion: forward,
    training: training(
      root.object('training', [
        'epochs',
        'steps',
        'init',
        'weighting',
        ...Object.keys(OPTIMIZER_DEFAULTS),
      ]),
    ),
    ...sampling(root, forward),
    ...teacher(root),
    computing: computing(root.object('computing', ['threads', 'wide'])),
    chosen: chosen(root.objectOrNull('chosen')),
  };
  root.finish();
  checkTogether(where, config);
  return config;
}

const data = (object: JsonObject): DataConfig =>
  section(object, (o) => {
    const held = o.objectOrNull('heldOut', ['source', 'fraction']);
    const source = o.text('source')!;
    const told = o.objectOrNull('classes');
    const rest = readData(o, undefined) as Omit<DataConfig, 'source' | 'heldOut' | 'classes'>;
    const classes = told && section(told, readRunClasses);
    return { source, ...rest, heldOut: held && heldOut(held), classes };
  });

const heldOut = (object: JsonObject): HeldOut =>
  section(object, (o) => {
    const source = o.text('source');
    const fraction = o.real('fraction', { above: 0, below: 1 });
    if (source !== undefined) return { source };
    if (fraction !== undefined) return { fraction };
    throw new UsageError(`${o.path}: expected a source or a fraction, got neither`);
  });

const training = (object: JsonObject): TrainingConfig =>
  section(object, (o) => {
    const labelDropout = o.real('labelDropout', { min: 0, below: 1 }) ?? 0;
    const read = { init: null, ...OPTIMIZER_DEFAULTS, ...readTraining(o), labelDropout };
    if (read.epochs === undefined)
      throw new UsageError(`${o.path}: expected epochs or steps, got neither`);
    return read as TrainingConfig;
  });

/** Present only in runs whose preset has sampling settings. */
function sampling(root: JsonObject, forward: DiffusionConfig): { sampling?: RunSampling } {
  const object = root.objectOrNull('sampling', 'all');
  return object ? { sampling: section(object, (o) => readRunSampling(o, forward)) } : {};
}

function teacher(root: JsonObject): { teacher?: TeacherConfig } {
  const object = root.objectOrNull('teacher', ['clamp', 'guidedBy']);
  return object ? { teacher: section(object, readTeacherConfig) } : {};
}

const computing = (object: JsonObject): ComputingConfig =>
  section(object, (o) => ({ threads: null, wide: null, ...readComputing(o) }) as ComputingConfig);

const chosen = (object: JsonObject | null): DeviceChoice | null =>
  object &&
  section(object, (o) => ({
    device: o.oneOf('device', ['wasm', 'tensorflow'])!,
    description: o.text('description')!,
    why: o.text('why')!,
  }));

/** Checks across fields; their messages name flags, so the file's name is put before them. */
function checkTogether(where: string, config: RunConfig): void {
  try {
    checkModel(config.model);
    if (config.data.autoencoder === undefined) requirePixels(config.model);
    checkBatch(config.model, config.training.batch);
    checkDiffusion(config.diffusion);
    usualSampling(config);
    checkTargets(config.diffusion, config.training);
    checkZeroInit(config.model, config.training);
    checkClasses(config);
    checkGrowth(config.model, config.training);
    checkReplicas(config.training);
    checkTeacher(config);
  } catch (error) {
    if (error instanceof UsageError) throw new UsageError(`${where}: ${error.message}`);
    throw error;
  }
}
