import { threadCount } from '../config/computing.js';
import type { RunConfig } from '../config/config.js';
import { BatchPlan } from '../data/batches.js';
import type { TrainingData } from '../data/held-out.js';
import { makeSchedule } from '../diffusion/schedule.js';
import { Interrupted } from '../errors.js';
import { asOnlyTrainer, type Hold } from '../io/run-lock.js';
import { header } from './header.js';
import { dataBudget, pausesOf, requireSpaceToRun } from './memory.js';
import { dataState, listData, openData } from './open-data.js';
import { openTrainer } from './open-trainer.js';
import type { TrainOptions, TrainResult } from './options.js';
import { positionsOf } from './positions.js';
import { type AfterStep, Run } from './run.js';
import { checkStart, start } from './start.js';

/**
 * Trains a U-Net on images: Ho et al. (2020), Algorithm 1, with everything a run needs around it.
 * @throws UsageError for input that cannot be trained on (nothing is left behind), and for a run that another process
 * is training; RunError for a loss that is not finite or a disk that is full (the last checkpoint stays); Interrupted
 * once the state is saved.
 */
export async function train(options: TrainOptions, afterStep?: AfterStep): Promise<TrainResult> {
  return asOnlyTrainer(options.out, (hold) => trainLocked(options, hold, afterStep));
}

/** The same, where the caller has the run's lock; `hold` extends it to the folder once that is there. */
export async function trainLocked(
  options: TrainOptions,
  hold: Hold,
  afterStep?: AfterStep,
): Promise<TrainResult> {
  const { signal, onEvent = () => {} } = options;
  await checkStart(options);
  const listed = await listData(options.config, options);
  const schedule = makeSchedule(options.config.diffusion);
  const { trainer, chosen, between } = await openTrainer(
    options.config,
    schedule,
    options.requireCuda ?? false,
  );
  const config: RunConfig = { ...options.config, chosen };
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
    return await new Run(options, config, trainer, data, plan, begin, afterStep).go();
  } catch (error) {
    if (!signal?.aborted || error !== signal.reason) throw error;
    throw new Interrupted('interrupted before the first step; nothing was written');
  } finally {
    await data?.close();
    await trainer.dispose();
  }
}
