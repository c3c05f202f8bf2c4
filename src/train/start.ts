import type { RunConfig } from '../config/config.js';
import { readRunIn } from '../config/read.js';
import { forwardFlags, UNTOLD } from '../config/untold.js';
import type { Trainer } from '../contracts/trainer.js';
import type { BatchPlan } from '../data/batches.js';
import { GIVEN } from '../data/given.js';
import { CounterRandom } from '../diffusion/random.js';
import { UsageError } from '../errors.js';
import { findAutoencoder } from '../io/autoencoder.js';
import {
  checkpointPaths,
  latestCheckpoint,
  openCheckpoint,
  removeLeftCheckpoints,
} from '../io/checkpoint.js';
import { copyAutoencoder } from '../io/copy-autoencoder.js';
import { cutBack, type Metrics } from '../io/metrics.js';
import { findRunConfig, weightsOf } from '../io/model-source.js';
import { findPipeline } from '../io/pipeline.js';
import {
  checkNewRun,
  checkWritable,
  createRun,
  type Json,
  type RunPaths,
  removeLeft,
  runPaths,
  writeConfig,
} from '../io/run.js';
import type { Hold } from '../io/run-lock.js';
import { cutBackEvents } from '../io/tensorboard/events.js';
import { checkNetworkOf, readWeights } from '../io/weights.js';
import { initialState, withZeros } from '../network/initial-state.js';
import { buildNetwork } from '../network/network.js';
import type { StateDict } from '../network/state.js';
import { plural } from '../units.js';
import { arithmeticOf } from './arithmetic-of.js';
import { checkMoved, dataChanges, type Resumed } from './data-changes.js';
import type { DataState } from './open-data.js';
import type { TrainEvent, TrainOptions } from './options.js';
import { loadReplicas } from './replica-files.js';
import { keepTeacher, type TeacherWeights } from './teacher-files.js';

/** The state of a run when its loop starts. */
export interface Start {
  /** Steps taken already. */
  readonly taken: number;
  /** Their checkpoint; null if there is none. */
  readonly checkpoint: string | null;
  /** The log of the last of them. */
  readonly log: readonly Metrics[];
  /** What it trains on. */
  readonly data: DataState;
  /** Takes the run's lock in its folder. */
  readonly hold: Hold;
}

/** What a run begins with beside its network. */
export interface About {
  readonly data: DataState;
  readonly plan: BatchPlan;
  /** The weights of its teacher, with which it starts; null without one. */
  readonly teacher: TeacherWeights | null;
}

/**
 * Checks before anything slow: a new run must not collide with an old one, and its folder must be writable.
 * @throws UsageError; RunError for a folder that cannot be written
 */
export async function checkStart({ out, resume }: TrainOptions): Promise<void> {
  if (!resume) await checkNewRun(out);
  await checkWritable(out);
}

/** Checks that a new run's initial weights fit it. @throws UsageError */
export async function checkInit({ resume, config }: TrainOptions): Promise<void> {
  const { init } = config.training;
  if (resume || init === null) return;
  try {
    await checkNetworkOf(await weightsOf(init), config.model, 'this run');
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    const other = / as this run has, got /.test(error.message);
    const hint = other
      ? "; --network and its flags, or --network-config, give a run the weights' network"
      : '';
    throw new UsageError(`--init: ${error.message}${hint}`);
  }
}

/**
 * Gives the trainer its weights (from a checkpoint, from a file, or fresh) and prepares the run's folder.
 * @throws UsageError for weights of another model, or if more steps are taken than now asked for; then the folder is unchanged.
 */
export async function start(
  options: TrainOptions,
  config: RunConfig,
  trainer: Trainer,
  { data, plan, teacher }: About,
  hold: Hold,
  onEvent: (event: TrainEvent) => void,
): Promise<Start> {
  const { out, resume } = options;
  const json = config as unknown as Json;
  const telling = async () => {
    const text = await hold();
    if (text !== null) onEvent({ kind: 'warning', text });
  };
  if (!resume) {
    await begin(config, trainer, teacher, onEvent);
    await createRun(out, json, telling, async (paths) => {
      await keepAutoencoder(config, paths);
      await keepTeacher(teacher, paths);
    });
    return { taken: 0, checkpoint: null, log: [], data, hold };
  }
  const paths = runPaths(out);
  const run = await readRunIn(out);
  await telling();
  await removeLeft(paths);
  await removeLeftCheckpoints(out);
  const checkpoint = (await latestCheckpoint(out)) ?? null;
  const taken = checkpoint
    ? await load(checkpoint, { ...options, run, config }, trainer, data, onEvent)
    : 0;
  if (!checkpoint) {
    onEvent({ kind: 'note', text: `${out} has no checkpoint yet; starting at step 0` });
    await begin(config, trainer, teacher, onEvent);
  }
  checkLength(out, run, config, plan, taken);
  const log = await cutBack(paths.metrics, taken);
  await cutBackEvents(paths.events, taken);
  await writeConfig(paths, json);
  return { taken, checkpoint, log, data, hold };
}

/** A run has a copy of its autoencoder: what it draws is nothing without it. */
export async function keepAutoencoder({ data }: RunConfig, { vae }: RunPaths): Promise<void> {
  if (data.autoencoder !== undefined) await copyAutoencoder(findAutoencoder(data.autoencoder), vae);
}

/** @throws UsageError for another length than the run has, if it is shorter than what is taken: the run would seem to be complete */
function checkLength(
  out: string,
  run: RunConfig,
  { training }: RunConfig,
  plan: BatchPlan,
  taken: number,
): void {
  if (taken <= plan.total(training)) return;
  const { steps, epochs } = run.training;
  if (steps === training.steps && epochs === training.epochs) return;
  const has = `the run in ${out} has taken ${plural(taken, 'step')}`;
  throw new UsageError(
    training.steps !== null
      ? `--steps: ${has}, and this is the total: expected at least ${taken}, got ${training.steps}`
      : `--epochs: ${has}, and this is the total: expected at least ${Math.ceil(taken / plan.stepsPerEpoch)}, got ${training.epochs}`,
  );
}

/**
 * The contents of a checkpoint's state.json beside its step.
 * @param inRound of a run with rounds: whether it stopped within one
 */
export const checkpointState = (
  config: RunConfig,
  epoch: number,
  data: DataState,
  inRound?: boolean,
): Json => ({
  epoch,
  seed: config.seed,
  ...data,
  ...(inRound !== undefined && { inRound }),
  device: config.chosen?.description ?? null,
});

async function load(
  folder: string,
  { out, run, config }: Resumed,
  trainer: Trainer,
  data: DataState,
  onEvent: (event: TrainEvent) => void,
): Promise<number> {
  const { step, state, ...parts } = await openCheckpoint(folder, config.training.ema);
  await checkNetworkOf(checkpointPaths(folder).model, config.model, 'this run');
  checkMoved({ out, run, config }, state, data);
  await trainer.unet.importState(await parts.model());
  await trainer.unet.importOptimizer(await parts.optimizer());
  for (const [i, average] of [...parts.averages.values()].entries())
    await trainer.unet.importAverage(i, await average());
  await loadReplicas(folder, step, state, trainer, config.training.ema);
  onEvent({ kind: 'note', text: `resuming at step ${step} from ${folder}` });
  const given = config.data.source === GIVEN;
  for (const text of changes(state, data, trainer.unet.description, given))
    onEvent({ kind: 'warning', text });
  return step;
}

/** Why a resumed run is not bit-identical to an uninterrupted one. */
function changes(state: Json, data: DataState, device: string, given: boolean): string[] {
  const texts: string[] = [];
  const before = String(state.device ?? '');
  if (arithmeticOf(before) !== arithmeticOf(device))
    texts.push(
      `the checkpoint was computed on ${before}, this run continues on ${device}: from here it is no longer bit-exact`,
    );
  texts.push(...dataChanges(state, data, given));
  return texts;
}

/** Fresh weights from the run's seed. */
export function freshState(config: RunConfig): StateDict {
  const state = initialState(buildNetwork(config.model), new CounterRandom(config.seed));
  return config.training.zeroInit ? withZeros(state, config.model.kind) : state;
}

/** Puts a new run's weights into its network. */
async function begin(
  config: RunConfig,
  trainer: Trainer,
  teacher: TeacherWeights | null,
  onEvent: (event: TrainEvent) => void,
): Promise<void> {
  await trainer.unet.importState(teacher?.own ?? (await firstWeights(config, onEvent)));
  trainer.replicas?.takeAll();
}

async function firstWeights(config: RunConfig, onEvent: (event: TrainEvent) => void) {
  const { init } = config.training;
  if (init !== null) {
    const onNote = (text: string) => onEvent({ kind: 'note', text });
    if (config.model.kind !== 'simple' && !tellsForward(init))
      onNote(`${init}: ${UNTOLD}; this run has ${forwardFlags(config.diffusion)}`);
    return readWeights(await weightsOf(init), onNote);
  }
  return freshState(config);
}

/** Whether initial weights come with the forward process that they were trained for. */
function tellsForward(init: string): boolean {
  const pipeline = findPipeline(init);
  return pipeline ? pipeline.scheduler !== undefined : findRunConfig(init) !== undefined;
}
