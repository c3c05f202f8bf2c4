import { threadCount } from '../config/computing.js';
import type { RunConfig } from '../config/config.js';
import { atStage, type Stage, stagesOf } from '../config/growth.js';
import { readRunIn } from '../config/read.js';
import { checkResumed } from '../config/run-config.js';
import { ownShape } from '../data/own-shape.js';
import type { RunData } from '../data/run-images.js';
import { makeSchedule } from '../diffusion/schedule.js';
import { Interrupted, UsageError } from '../errors.js';
import { latestCheckpoint, openCheckpoint } from '../io/checkpoint.js';
import { asOnlyTrainer, type Hold } from '../io/run-lock.js';
import type { Connection } from '../queue/connect.js';
import { checkDecoder } from '../sample/decode.js';
import { advice } from './advice.js';
import { askWorkers, connectQueue } from './ask-workers.js';
import { classify } from './classes.js';
import { autoencoderOf } from './encode-data.js';
import { header } from './header.js';
import { stepsIn } from './length.js';
import { dataBudget, pausesOf, requireSpaceToRun } from './memory.js';
import { noting } from './noting.js';
import { dataState, type ListedData, listData, openData } from './open-data.js';
import { openTrainer } from './open-trainer.js';
import type { TrainOptions, TrainResult } from './options.js';
import { planOf } from './plan.js';
import { Rounds } from './rounds.js';
import { type AfterStep, interruptedAt, Run } from './run.js';
import type { Saved } from './run-outputs.js';
import { checkInit, checkStart, start } from './start.js';
import { readTeacherWeights, type TeacherWeights } from './teacher-files.js';

/**
 * Trains a U-Net on images: Ho et al. (2020), Algorithm 1, including everything else that belongs to a run.
 * @throws UsageError for input that cannot be trained on (nothing is left behind), and if another process is training
 * the run; RunError for a loss that is not finite or a full disk (the last checkpoint stays); Interrupted
 * once the state is saved.
 */
export async function train(options: TrainOptions, afterStep?: AfterStep): Promise<TrainResult> {
  return asOnlyTrainer(options.out, (hold) => trainLocked(options, hold, afterStep));
}

/** The same if the caller holds the run's lock; `hold` extends it to the folder once that exists. */
export async function trainLocked(
  asked: TrainOptions,
  hold: Hold,
  afterStep?: AfterStep,
): Promise<TrainResult> {
  const notes = noting(asked);
  const given = { ...asked, onEvent: notes.onEvent };
  try {
    await checkStart(given);
    const connection = await connectQueue(given).catch(early(given));
    try {
      return await trainStages(given, { hold, afterStep, connection });
    } finally {
      connection?.close();
    }
  } catch (error) {
    notes.ended(error);
    throw error;
  }
}

/** What stages of a run have in common. */
interface Around {
  readonly hold: Hold;
  readonly afterStep: AfterStep | undefined;
  /** Where workers train it; null: here. */
  readonly connection: Connection | null;
}

async function trainStages(given: TrainOptions, around: Around): Promise<TrainResult> {
  const autoencoder = autoencoderOf(given);
  if (autoencoder && !given.resume) await checkDecoder(autoencoder);
  const all = await listData(given.config, given).catch(early(given));
  if (given.advise && !given.resume && !autoencoder) await advise(given, all);
  const run = given.resume ? await readRunIn(given.out) : undefined;
  const { config, listed } = await classify(run ? asBegun(run, given.config) : given.config, all);
  if (run) checkResumed(given.out, run, config);
  await checkInit({ ...given, config });
  const options = await withLength({ ...given, config });
  const stages = await stagesLeft(options);
  // A final size that does not fit is refused before anything is trained.
  if (stages.length > 1) await (await openAt(options, stages.at(-1)!)).trainer.dispose();
  let result = await trainStage(options, listed, stages[0]!, around);
  for (const [i, stage] of stages.slice(1).entries()) {
    const { size } = stage;
    const saved = { path: result.checkpoint, step: stages[i]!.until };
    options.onEvent?.({ kind: 'note', text: `grow    images of ${size}x${size} from here` });
    // The next stage continues like a resume, with the same bits.
    const next = { ...options, resume: true, onEvent: withoutWarnings(options) };
    result = await trainStage(next, listed, stage, around, saved);
  }
  return result;
}

/** The config of a resume, which a program may have made anew, with the classes' names that the run was begun with. */
function asBegun({ data }: RunConfig, config: RunConfig): RunConfig {
  const { classes } = config.data;
  if (!classes || classes.names.length > 0 || !data.classes) return config;
  return {
    ...config,
    data: { ...config.data, classes: { ...classes, names: data.classes.names } },
  };
}

/** Reports which preset a run without a named one uses, and which would suit its images. */
async function advise(
  { config, minutes, onEvent }: TrainOptions,
  { source }: ListedData,
): Promise<void> {
  const { name, count } = source;
  const own = await ownShape(source);
  const threads = threadCount(config.computing);
  const { kind } = config.model;
  for (const text of advice({ kind, name, count, own, minutes: minutes ?? null, threads }))
    onEvent?.({ kind: 'note', text });
}

/** Replaces a length in minutes by the number of steps, which is reported. */
async function withLength(options: TrainOptions): Promise<TrainOptions> {
  const { config, resume, minutes, signal, onEvent } = options;
  if (minutes === undefined || resume) return options;
  if (!(minutes > 0))
    throw new UsageError(`train.minutes: expected a number above 0, got ${minutes}`);
  const { steps, text } = await stepsIn(minutes, config, options).catch((error: unknown) => {
    throw signal?.aborted && error === signal.reason ? interruptedEarly() : error;
  });
  onEvent?.({ kind: 'note', text });
  return {
    ...options,
    config: { ...config, training: { ...config.training, epochs: null, steps } },
  };
}

/** Says of an interruption that the run had not begun. */
const early =
  ({ resume }: TrainOptions) =>
  (error: unknown): never => {
    throw error instanceof Interrupted ? interruptedEarly(resume) : error;
  };

const interruptedEarly = (resume = false): Interrupted =>
  new Interrupted(
    resume
      ? 'interrupted before the first step of this resume; the last checkpoint stays'
      : 'interrupted before the first step; no run was written',
  );

/** The remaining stages of a run. */
async function stagesLeft({ out, resume, config }: TrainOptions): Promise<Stage[]> {
  const stages = stagesOf(config);
  if (!resume || stages.length === 1) return stages;
  const checkpoint = await latestCheckpoint(out);
  if (!checkpoint) return stages;
  const { step } = await openCheckpoint(checkpoint, config.training.ema);
  return stages.filter(({ until }) => step < until);
}

async function openAt(options: TrainOptions, stage: Stage, teacher: TeacherWeights | null = null) {
  const { config, requireCuda = false } = options;
  const autoencoder = autoencoderOf(options)?.config ?? null;
  const schedule = makeSchedule(config.diffusion);
  return openTrainer(atStage(config, stage), schedule, requireCuda, { autoencoder, teacher });
}

/** Warnings about the data in a run's first stage are not repeated in the others. */
const withoutWarnings =
  ({ onEvent }: TrainOptions): NonNullable<TrainOptions['onEvent']> =>
  (event) => {
    if (event.kind !== 'warning') onEvent?.(event);
  };

/** @param saved the checkpoint at the end of the stage before it */
async function trainStage(
  options: TrainOptions,
  listed: ListedData,
  stage: Stage,
  { hold, afterStep, connection }: Around,
  saved?: Saved,
): Promise<TrainResult> {
  const { signal, onEvent = () => {} } = options;
  const teacher = await readTeacherWeights(options);
  const { trainer: own, chosen, between } = await openAt(options, stage, teacher);
  let trainer = own;
  const config: RunConfig = { ...options.config, chosen };
  const staged = atStage(config, stage);
  let data: RunData | undefined;
  try {
    for (const said of header(staged, trainer, between)) onEvent({ kind: 'note', ...said });
    const autoencoder = autoencoderOf(options);
    requireSpaceToRun(pausesOf(staged, autoencoder?.config));
    const threads = threadCount(config.computing);
    const taken = trainer.memoryBytes + between;
    const budget = dataBudget(options.dataBudget, threads, taken);
    if (budget.warning) onEvent({ kind: 'warning', text: budget.warning });
    const opening = { ...options, config: staged, dataBudget: budget.bytes };
    data = await openData(listed, opening, autoencoder, onEvent);
    const plan = planOf(config, data.train);
    signal?.throwIfAborted();
    if (connection) {
      const steps = plan.total(config.training);
      const whole = { ...staged, training: { ...staged.training, steps } };
      const rounds = new Rounds(config.training.syncEvery, steps);
      const until = Math.min(stage.until, steps);
      const onNote = (text: string) => onEvent({ kind: 'note', text });
      const about = {
        connection,
        config: whole,
        dataset: data.train,
        rounds,
        until,
        signal,
        onNote,
      };
      trainer = await askWorkers(own, about);
    }
    const state = {
      ...(await dataState(listed, data)),
      ...(teacher && { teacher: teacher.hash }),
    };
    const begin = await start(
      options,
      config,
      trainer,
      { data: state, plan, teacher },
      hold,
      onEvent,
    );
    return await new Run(options, config, trainer, data, plan, begin, stage, afterStep).go();
  } catch (error) {
    if (!signal?.aborted || error !== signal.reason) throw error;
    throw saved ? interruptedAt(options, saved) : interruptedEarly(options.resume);
  } finally {
    await data?.close();
    await trainer.dispose();
  }
}
