/** `haze setup tensorflow`: builds the binding against a current libtensorflow, into the user's cache. */
import type { Args } from '../config/args.js';
import { choose } from '../config/source.js';
import type { SetupProgress } from '../tensorflow/setup/index.js';
import { openProgress, type Progress } from './progress.js';

export async function run(args: Args): Promise<void> {
  choose('<what>', args.positional('what', 'tensorflow'), ['tensorflow']);
  const cuda = args.boolean('cuda') ?? false;
  const { setupTensorflow } = await import('../tensorflow/setup/index.js');
  const progress = openProgress('MB');
  try {
    const onProgress = (event: SetupProgress) => report(event, progress);
    const { install, version, gpu, already } = await setupTensorflow({ cuda, onProgress });
    progress.stop();
    const where = gpu ? 'computes on the GPU' : 'computes on the CPU';
    process.stdout.write(
      `libtensorflow ${version} ${where}${already ? ' (it was there already)' : ''}\n` +
        `folder  ${install.folder}\nnext    haze train <data> --device tensorflow\n`,
    );
  } finally {
    progress.stop();
  }
}

let last = '';

/** A line for each step, and a bar where bytes are counted. */
function report({ step, done, total }: SetupProgress, progress: Progress): void {
  if (step !== last) progress.line(step);
  last = step;
  if (done !== undefined && total !== undefined)
    progress.update(Math.round(done / 1e6), Math.round(total / 1e6), '');
}
