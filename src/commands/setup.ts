/** `haze setup tensorflow`: sets up libtensorflow in the user's cache, once for all clones. */
import type { Args } from '../config/args.js';
import { quote } from '../config/source.js';
import { UsageError } from '../errors.js';
import { printable } from '../printable.js';
import { type SetupProgress, setupTensorflow } from '../tensorflow/setup/index.js';
import { openProgress } from './progress.js';
import { print } from './text.js';

const MB = 1e6;

export async function run(args: Args): Promise<void> {
  const what = args.positional('what', 'tensorflow');
  if (what !== 'tensorflow') throw new UsageError(`setup: expected tensorflow, got ${quote(what)}`);
  const cuda = args.boolean('cuda') ?? false;
  const progress = openProgress('MB');
  let step = '';
  const onProgress = (now: SetupProgress) => {
    if (now.step !== step) {
      progress.stop();
      progress.line(now.step);
      step = now.step;
    }
    if (now.total === undefined) return;
    progress.update(Math.round((now.done ?? 0) / MB), Math.round(now.total / MB), '');
  };
  try {
    const { install, version, gpu, already, others } = await setupTensorflow({ cuda, onProgress });
    progress.stop();
    const state = already ? 'was set up already' : 'is set up';
    const device = gpu ? 'computes on the GPU' : 'computes on the CPU';
    print(`libtensorflow ${version} ${state} in ${printable(install.folder)}; it ${device}\n`);
    for (const folder of others)
      print(`${printable(folder)} is of another version of Haze; remove it if none uses it\n`);
  } finally {
    progress.stop();
  }
}
