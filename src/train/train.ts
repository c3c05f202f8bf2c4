import { threadCount } from '../config/computing.js';
import type { RunConfig } from '../config/config.js';
import { BatchPlan } from '../data/batches.js';
import type { TrainingData } from '../data/held-out.js';
import { ownShape } from '../data/own-shape.js';
import { makeSchedule, type Schedule } from '../diffusion/schedule.js';
import { Interrupted, UsageError } from '../errors.js';
import { asOnlyTrainer, type Hold } from '../io/run-lock.js';
import { advice } from './advice.js';
import { header } from './header.js';
import { stepsIn } from './length.js';
import { dataBudget, pausesOf, requireSpaceToRun } from './memory.js';
import { dataState, type ListedData, listData, openData } from './open-data.js';
import { openTrainer } from './open-trainer.js';
import type { TrainOptions, TrainResult } from './options.js';
import { positionsOf } from './positions.js';
import { Run } from './run.js';
import { checkStart, start } from './start.js';

/**
 * Trains a U-Net on images: Ho et al. (2020), Algorithm 1, with everything a run needs around it.
 * @throws UsageError for input that cannot be trained on (nothing is left behind), and for a run that another process
 * is training; RunError for a loss that is not finite or a disk that is full (the last checkpoint stays); Interrupted
 * once the state is saved.
 */
export async function train(options: TrainOptions): Promise<TrainResult> {
  return asOnlyTrainer(options.out, (hold) => trainLocked(options, hold));
}

/** The same, where the caller has the run's lock; `hold` extends it to the folder once that is there. */
export async function trainLocked(options: TrainOptions, hold: Hold): Promise<TrainResult> {
  const { signal, onEvent = () => {} } = options;
  await checkStart(options);
  const listed = await listData(options.config);
  if (options.advise && !options.resume)
    for (const text of await advise(options, listed)) onEvent({ kind: 'note', text });
  const schedule = makeSchedule(options.config.diffusion);
  const { config: asked, text: length } = await withLength(options, schedule);
  if (length !== null) onEvent({ kind: 'note', text: length });
  const { trainer, chosen, between } = await openTrainer(
    asked,
    schedule,
    options.requireCuda ?? false,
  );
  const config: RunConfig = { ...asked, chosen };
  let data: TrainingData | undefined;
  try {
    for (const text of header(config, trainer, between)) onEvent({ kind: 'note', text });
    requireSpaceToRun(pausesOf(config));
    const threads = threadCount(config.computing);
    const taken = trainer.memoryBytes + between;
    const budget = dataBudget(options.dataBudget, threads, taken);
    if (budget.warning) onEvent({ kind: 'warning', text: budget.warning });
    data = await openData(listed, { ...options, dataBudget: budget.bytes }, onEvent);
    const { count } = data.train;
    const plan = new BatchPlan({
      count,
      batch: config.training.batch * config.training.accumulate,
      seed: config.seed,
      timesteps: config.diffusion.timesteps,
      positions: positionsOf(config),
      flip: config.data.flip,
    });
    signal?.throwIfAborted();
    const state = await dataState(listed, count);
    const begin = await start(options, config, trainer, state, hold, onEvent);
    return await new Run(options, config, trainer, data, plan, begin).go();
  } catch (error) {
    if (!signal?.aborted || error !== signal.reason) throw error;
    throw new Interrupted('interrupted before the first step; nothing was written');
  } finally {
    await data?.close();
    await trainer.dispose();
  }
}

async function advise(
  { config, minutes }: TrainOptions,
  { source }: ListedData,
): Promise<string[]> {
  const { name, count } = source;
  const own = await ownShape(source);
  const threads = threadCount(config.computing);
  return advice({ kind: config.model.kind, name, count, own, minutes: minutes ?? null, threads });
}

/** The config with the steps that a length in minutes comes to, and what to say of them. */
async function withLength(
  { config, resume, minutes, requireCuda, signal }: TrainOptions,
  schedule: Schedule,
): Promise<{ config: RunConfig; text: string | null }> {
  if (minutes === undefined || resume) return { config, text: null };
  if (!(minutes > 0))
    throw new UsageError(`train.minutes: expected a number above 0, got ${minutes}`);
  const { steps, text } = await stepsIn(minutes, config, schedule, {
    ...(requireCuda !== undefined && { requireCuda }),
    ...(signal && { signal }),
  });
  return { config: { ...config, training: { ...config.training, epochs: null, steps } }, text };
}
