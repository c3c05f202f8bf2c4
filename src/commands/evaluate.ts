/** `haze evaluate`: measures of image quality, and of how well a model predicts unseen images. */
import type { Args } from '../config/args.js';
import { readRequireCuda } from '../config/computing.js';
import { EVALUATION_NAMES } from '../config/evaluation.js';
import { SAMPLING_NAMES } from '../config/sampling.js';
import { evaluate } from '../evaluate/evaluate.js';
import { NotWritten } from '../evaluate/not-written.js';
import type { Evaluation } from '../evaluate/options.js';
import { readEvaluateOptions } from '../evaluate/read-options.js';
import { evaluationAsText } from './evaluation-text.js';
import { interruptible } from './interrupt.js';
import { openProgress } from './progress.js';
import { print, printJson } from './text.js';

export async function run(args: Args): Promise<void> {
  const path = args.positional('subject', 'a model, images or statistics');
  const settings = args.renamed(EVALUATION_NAMES);
  const options = await readEvaluateOptions(path, settings, args.renamed(SAMPLING_NAMES));
  const show = (evaluation: Evaluation) => {
    if (args.boolean('json')) printJson(evaluation);
    else print(evaluationAsText(evaluation, options));
  };
  let progress = openProgress('step');
  let at = '';
  try {
    const evaluation = await interruptible('stopping', (signal) =>
      evaluate({
        ...options,
        requireCuda: readRequireCuda(args),
        signal,
        onEvent: (event) => {
          if (event.kind === 'note') progress.line(event.text);
          else {
            if (event.what !== at) {
              progress.stop();
              progress = openProgress(event.what);
              at = event.what;
            }
            progress.update(event.done, event.total, '');
          }
        },
      }),
    );
    progress.stop();
    show(evaluation);
  } catch (error) {
    progress.stop();
    if (error instanceof NotWritten) show(error.evaluation);
    throw error;
  } finally {
    progress.stop();
  }
}
