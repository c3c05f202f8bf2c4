/** Training, for programs. */

import { resolve } from 'node:path';
import { JsonObject } from '../config/json.js';
import { parseRunConfig } from '../config/read.js';
import { readMinutes } from '../config/training.js';
import { UsageError } from '../errors.js';
import type { TrainOptions, TrainResult } from '../train/options.js';
import { trainSteps as steps, type TrainStep } from '../train/steps.js';
import { train as trainRun } from '../train/train.js';
import { settingsOf } from './settings-of.js';
import { asProgram, asProgramEach } from './spelling.js';

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
): AsyncGenerator<TrainStep, TrainResult, undefined> => asProgramEach(place, begun(options));

/** Checks at the first step, like everything else. */
async function* begun(options: TrainOptions): AsyncGenerator<TrainStep, TrainResult, undefined> {
  return yield* steps(spelt(options));
}

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

/**
 * The options as they are at the call, which may change later: so may the folder that a relative path begins at.
 * @throws UsageError
 */
function spelt(given: TrainOptions): TrainOptions {
  const options = settingsOf('train', given, place);
  checkOptions(options);
  const { config, data, heldOut, out } = options;
  return {
    ...options,
    config: parseRunConfig('train.config', config),
    ...(Array.isArray(data) && { data: [...data] }),
    ...(Array.isArray(heldOut) && { heldOut: [...heldOut] }),
    out: resolve(out),
  };
}

const KNOWN: Readonly<Record<keyof TrainOptions, true>> = {
  ...{ config: true, data: true, heldOut: true, out: true, resume: true, dataBudget: true },
  ...{ minutes: true, advise: true, tensorboard: true, queue: true, requireCuda: true },
  ...{ signal: true, onEvent: true },
};

/** What the compiler checks for TypeScript, and the command line of flags: a setting of the config beside it would do nothing. @throws UsageError */
function checkOptions(options: TrainOptions): void {
  const unknown = Object.keys(options).find((name) => !(name in KNOWN));
  if (unknown !== undefined)
    throw new UsageError(
      `train.${unknown}: unknown option; expected ${Object.keys(KNOWN).join(', ')}`,
    );
  const { config, out }: { config?: unknown; out?: unknown } = options;
  if (typeof config !== 'object' || config === null || !('training' in config))
    throw new UsageError('train.config: expected what runConfig or resumeConfig returns');
  if (typeof out !== 'string' || out === '')
    throw new UsageError(`train.out: expected the run's folder, got ${typeof out}`);
  const source = new JsonObject('train', options, 'all');
  for (const name of ['resume', 'advise', 'tensorboard', 'requireCuda']) source.boolean(name);
  source.whole('dataBudget', { min: 0 });
  source.text('queue');
  readMinutes(source, options.resume ?? false);
}
