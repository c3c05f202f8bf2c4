/** `haze generate`: draws many images as files; each worker draws its own batches. */
import type { Args } from '../config/args.js';
import { checkGeneration, readGeneration } from '../config/generation.js';
import { generate } from '../generate/generate.js';
import type { GenerateOptions, GenerateProgress, GenerateResult } from '../generate/options.js';
import { printable } from '../printable.js';
import { plural, significant } from '../units.js';
import { readComputers, readDraw } from './draw-options.js';
import { interruptible } from './interrupt.js';
import { openProgress } from './progress.js';
import { hidePassword } from './queue-address.js';
import { print } from './text.js';

export async function run(args: Args): Promise<void> {
  const path = args.positional(
    'model',
    "a run, a checkpoint folder, diffusers' folder or a file of weights",
  );
  const options = await readOptions(path, args);
  const progress = openProgress('image');
  try {
    const result = await interruptible('stopping; finished images stay', (signal) =>
      generate({
        ...options,
        signal,
        onEvent: (event) => {
          if (event.kind === 'note') progress.line(event.text);
          else progress.update(event.done, event.total, pace(event), event.exact);
        },
      }),
    );
    progress.stop();
    print(`${summary(options, result)}\n`);
  } finally {
    progress.stop();
  }
}

async function readOptions(path: string, args: Args): Promise<GenerateOptions> {
  hidePassword(args);
  const computing = readComputers(args);
  const generation = readGeneration(args, computing);
  const { pictures, ...drawn } = await readDraw(path, args, computing);
  checkGeneration(generation, pictures, drawn.condition !== null);
  return { ...drawn, ...generation, out: args.text('out') ?? 'generated' };
}

function pace({ imagesPerSecond, lost }: GenerateProgress): string {
  const rate = `${significant(imagesPerSecond)} images/s`;
  return lost === 0 ? rate : `${rate} · ${plural(lost, 'worker')} lost`;
}

function summary(
  { out, format, shard }: GenerateOptions,
  { made, kept, seconds, awaited }: GenerateResult,
): string {
  const folder = printable(out);
  const where = shard.of === 1 ? folder : `${folder} (shard ${shard.index} of ${shard.of})`;
  const pace =
    made > 0 ? ` in ${seconds.toFixed(1)} s, ${significant(made / seconds)} images/s` : '';
  const line = `${where}: ${made} images made${pace}; ${kept} kept`;
  if (format === 'png') return line;
  if (awaited === 0) return `${line}; all are in images.${format}`;
  return `${line}; ${awaited} images of other shards are missing, and the last shard writes images.${format}`;
}
