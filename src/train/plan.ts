import type { RunConfig } from '../config/config.js';
import { imagesOfStep } from '../config/replicas.js';
import { BatchPlan } from '../data/batches.js';
import type { Classes } from '../data/classes.js';
import { positionsOf } from './positions.js';

/** The batches of a run, for all of its replicas together. @throws UsageError when the images do not fill one */
export const planOf = (
  config: RunConfig,
  { count, classes }: { readonly count: number; readonly classes: Classes | null },
): BatchPlan =>
  new BatchPlan({
    count,
    batch: imagesOfStep(config.training),
    seed: config.seed,
    timesteps: config.diffusion.timesteps,
    positions: positionsOf(config),
    flip: config.data.flip,
    classes,
    labelDropout: config.training.labelDropout,
  });
