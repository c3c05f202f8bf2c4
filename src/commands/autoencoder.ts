/** `haze autoencoder`: flags to an autoencoder's training, its events to lines and a progress bar. */
import type { Args } from '../config/args.js';
import { readRequireCuda } from '../config/computing.js';
import { PRESETS } from '../config/presets.js';
import { DATA_DEFAULTS, readDataBudget } from '../config/training.js';
import { sizeFactor } from '../network/network.js';
import { printable } from '../printable.js';
import { shellWord } from '../shell-word.js';
import type { AutoencoderEvent, AutoencoderResult } from '../train/autoencoder/options.js';
import { trainAutoencoder } from '../train/autoencoder/train.js';
import { grouped } from '../units.js';
import { interruptible } from './interrupt.js';
import { openProgress, type Progress } from './progress.js';
import { sayLastWords } from './text.js';
import { lossText, reportTraining } from './training-progress.js';

export async function run(args: Args): Promise<void> {
  const out = args.text('out') ?? 'vae';
  const progress = openProgress('step');
  const loading = openProgress('picture');
  try {
    const result = await interruptible(
      'stopping and saving; press again to end at once',
      (signal) =>
        trainAutoencoder({
          settings: args,
          data: args.optionalPositional('data'),
          out,
          resume: args.boolean('resume') ?? false,
          dataBudget: readDataBudget(args),
          requireCuda: readRequireCuda(args),
          signal,
          onEvent: (event) => report(event, progress, loading),
        }),
    );
    progress.stop();
    sayLastWords(summary(result));
  } finally {
    loading.stop();
    progress.stop();
  }
}

function report(event: AutoencoderEvent, progress: Progress, loading: Progress): void {
  if (event.kind === 'samples')
    progress.line(`step ${event.step}: pictures, and what comes back, in ${event.path}`);
  else reportTraining(event, progress, loading);
}

function summary(result: AutoencoderResult): string {
  const { out, steps, loss, psnr, pictures, latentSize, latentChannels } = result;
  const lines = [
    `autoencoder  ${printable(out)}`,
    `steps        ${steps}`,
    ...(loss === null ? [] : [`loss         ${lossText(loss)}  (mean of the last steps)`]),
    `psnr         ${psnr.toFixed(2)} dB  (of ${grouped(pictures)} pictures)`,
    `latents      ${latentSize}x${latentSize}x${latentChannels}`,
    `next         ${nextCommand(result)}`,
  ];
  return `${lines.join('\n')}\n`;
}

const RECIPE = 'pictures-32';

/** Training on the latents of the same pictures: by the recipe for pictures or, if it cannot halve the latents, by a transformer. */
function nextCommand({ data, out, latentSize, fit, flip }: AutoencoderResult): string {
  const halves = latentSize % sizeFactor(PRESETS[RECIPE].model) === 0;
  const patch = latentSize % 2 === 0 ? 2 : 1;
  const words = [
    ...['haze', 'train', shellWord(data), '--autoencoder', shellWord(out), '--size', latentSize],
    ...['--preset', ...(halves ? [RECIPE] : ['dit-32', '--patch', patch])],
    ...(fit === DATA_DEFAULTS.fit ? [] : ['--fit', fit]),
    ...(flip ? [] : ['--no-flip']),
  ];
  return words.join(' ');
}
