/** Training, for programs. */
import type { TrainOptions, TrainResult } from '../train/options.js';
import { train as trainRun } from '../train/train.js';

/**
 * Trains a network on images, with everything a run needs around it.
 * @example `const { loss } = await train({ config: runConfig({ data: 'photos' }), out: 'runs/1' });`
 * @throws UsageError for input that cannot be trained on (nothing is left behind), and for a run that another process
 * is training; RunError for a loss that is not finite or a disk that is full (the last checkpoint stays); Interrupted
 * once the state is saved.
 */
export const train = (options: TrainOptions): Promise<TrainResult> => trainRun(options);
