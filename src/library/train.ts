/** Training, for programs. */

import type { TrainOptions, TrainResult } from '../train/options.js';
import { trainSteps as steps, type TrainStep } from '../train/steps.js';
import { train as trainRun } from '../train/train.js';
import { asProgram, asProgramEach, telling } from './spelling.js';

/**
 * Trains a network on images, with everything a run needs around it.
 * @example `const { loss } = await train({ config: runConfig({ data: 'photos' }), out: 'runs/1' });`
 * @throws UsageError for input that cannot be trained on (nothing is left behind), and for a run that another process
 * is training; RunError for a loss that is not finite or a disk that is full (the last checkpoint stays); Interrupted
 * once the state is saved.
 */
export const train = (options: TrainOptions): Promise<TrainResult> =>
  asProgram(place, () => trainRun(spelt(options)));

/**
 * Trains as `train` does, with the same bits, and gives each step when everything that follows it is done. The next one begins when it is
 * asked for. Whoever leaves the loop early (`break`, `return`, an error of the loop's own) leaves a checkpoint of that step, as
 * Ctrl-C does, and `resume` goes on from there.
 * @example
 * for await (const { step, loss } of trainSteps({ config, out: 'runs/1' })) if (loss < 0.05) break;
 * @throws what `train` does
 */
export const trainSteps = (
  options: TrainOptions,
): AsyncGenerator<TrainStep, TrainResult, undefined> => asProgramEach(place, steps(spelt(options)));

/** What is given to `train` itself; all else is the config's. */
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
