/** Training, for programs. */

import type { TrainOptions, TrainResult } from '../train/options.js';
import { trainSteps as steps, type TrainStep } from '../train/steps.js';
import { train as trainRun } from '../train/train.js';
import { asProgram, asProgramEach, telling } from './spelling.js';

/**
 * Trains a network on images, including everything else that belongs to a run.
 * @example `const { loss } = await train({ config: runConfig({ data: 'photos' }), out: 'runs/1' });`
 * @throws UsageError for input that cannot be trained on (nothing is left behind), and if another process is training
 * the run; RunError for a loss that is not finite or a full disk (the last checkpoint stays); Interrupted
 * once the state is saved.
 */
export const train = (options: TrainOptions): Promise<TrainResult> =>
  asProgram(place, () => trainRun(spelt(options)));

/**
 * Trains like `train`, with the same bits, and yields each step when it is complete. The next one starts when it is
 * requested. Leaving the loop early (`break`, `return`, an error in the loop) saves a checkpoint of that step, like
 * Ctrl-C, and `resume` continues from there.
 * @example
 * for await (const { step, loss } of trainSteps({ config, out: 'runs/1' })) if (loss < 0.05) break;
 * @throws like `train`
 */
export const trainSteps = (
  options: TrainOptions,
): AsyncGenerator<TrainStep, TrainResult, undefined> => asProgramEach(place, steps(spelt(options)));

/** Options of `train` itself; all others belong to the config. */
const OWN = [
  'data',
  'out',
  'resume',
  'dataBudget',
  'requireCuda',
  'minutes',
  'advise',
  'tensorboard',
  'queue',
];

const place = (name: string): string => `${OWN.includes(name) ? 'train' : 'runConfig'}.${name}`;

const spelt = (options: TrainOptions): TrainOptions => ({
  ...options,
  ...telling(place, options.onEvent),
});
