import type { RunConfig } from '../config/config.js';
import { imagesOfStep } from '../config/replicas.js';
import { BatchPlan } from '../data/batches.js';
import type { Classes } from '../data/classes.js';
import { UsageError } from '../errors.js';
import { positionsOf } from './positions.js';

/** The batches of a run, for all of its replicas together. @throws UsageError if the images do not fill one */
export const planOf = (
  config: RunConfig,
  { count, classes }: { readonly count: number; readonly classes: Classes | null },
): BatchPlan => {
  checkCount(config.training, count);
  return new BatchPlan({
    count,
    batch: imagesOfStep(config.training),
    seed: config.seed,
    timesteps: config.diffusion.timesteps,
    positions: positionsOf(config),
    flip: config.data.flip,
    classes,
    labelDropout: config.training.labelDropout,
  });
};

/** The batch takes more images than there are: its setting may be a preset's, which whoever knows names. */
export class BatchTooLarge extends UsageError {}

function checkCount({ batch, accumulate, replicas }: RunConfig['training'], count: number): void {
  if (imagesOfStep({ batch, accumulate, replicas }) <= count) return;
  if (batch > count)
    throw new BatchTooLarge(
      `--batch: expected at most ${count}, the number of images in the data, got ${batch}; --batch ${count} fits`,
    );
  const others = [
    ['--accumulate', accumulate],
    ['--replicas', replicas],
  ] as const;
  const times = others.filter(([, factor]) => factor > 1);
  throw new UsageError(
    `${times[0]![0]}: expected at most ${count} images per step, the number in the data, got ` +
      `${imagesOfStep({ batch, accumulate, replicas })}: ${times.map(([flag, factor]) => `${flag} ${factor}`).join(' times ')} times --batch ${batch}`,
  );
}
