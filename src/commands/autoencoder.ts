/** `haze autoencoder`: flags to an autoencoder's training, its events to lines and a progress bar. */
import type { Args } from '../config/args.js';
import { readRequireCuda } from '../config/computing.js';
import { readDataBudget } from '../config/training.js';
import { printable } from '../printable.js';
import { shellWord } from '../shell-word.js';
import type { AutoencoderEvent, AutoencoderResult } from '../train/autoencoder/options.js';
import { trainAutoencoder } from '../train/autoencoder/train.js';
import { grouped, significant } from '../units.js';
import { interruptible } from './interrupt.js';
import { openProgress, type Progress } from './progress.js';
import { sayLastWords } from './text.js';

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
  switch (event.kind) {
    case 'note':
      progress.line(event.text);
      break;
    case 'warning':
      progress.line(`warning: ${event.text}`);
      break;
    case 'loading':
      loading.update(event.done, event.total, '');
      if (event.done === event.total) loading.stop();
      break;
    case 'step': {
      const rate = `${significant(event.imagesPerSecond)} images/s`;
      const text = `epoch ${event.epoch} · loss ${event.loss.toFixed(4)} · ${rate}`;
      progress.update(event.step, event.totalSteps, text);
      break;
    }
    case 'pause':
      progress.aside(`step ${event.step}: ${event.what} ${event.done}/${event.total}`);
      break;
    case 'checkpoint':
      progress.line(`step ${event.step}: saved ${event.path}`);
      break;
    case 'samples':
      progress.line(`step ${event.step}: pictures, and what comes back, in ${event.path}`);
      break;
    default:
      event satisfies never;
  }
}

function summary(result: AutoencoderResult): string {
  const { out, steps, loss, psnr, pictures, latentSize, latentChannels, data } = result;
  const next = `haze train ${shellWord(data)} --autoencoder ${shellWord(out)} --size ${latentSize}`;
  const lines = [
    `autoencoder  ${printable(out)}`,
    `steps        ${steps}`,
    ...(loss === null ? [] : [`loss         ${loss.toFixed(4)}  (mean of the last steps)`]),
    `psnr         ${psnr.toFixed(2)} dB  (of ${grouped(pictures)} pictures)`,
    `latents      ${latentSize}x${latentSize}x${latentChannels}`,
    `next         ${next} --preset unet2d-32`,
  ];
  return `${lines.join('\n')}\n`;
}
