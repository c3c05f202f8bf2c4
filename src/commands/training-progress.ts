/** What `haze train` and `haze autoencoder` say while they train. */
import type { TrainEvent } from '../train/options.js';
import { significant } from '../units.js';
import type { Progress } from './progress.js';

/** A training's events as lines, and on two progress bars: of its steps, and of what comes before them. */
export function reportTraining(event: TrainEvent, progress: Progress, loading: Progress): void {
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
    case 'encoding':
      loading.update(event.done, event.total, 'encoded');
      if (event.done === event.total) loading.stop();
      break;
    case 'step': {
      const rate = `${significant(event.imagesPerSecond)} images/s`;
      const text = `epoch ${event.epoch} · loss ${lossText(event.loss)} · ${rate}`;
      progress.update(event.step, event.totalSteps, text);
      break;
    }
    case 'pause':
      progress.aside(`step ${event.step}: ${event.what} ${event.done}/${event.total}`);
      break;
    case 'heldOut':
      progress.line(`step ${event.step}: held-out loss ${lossText(event.heldOutLoss)}`);
      break;
    case 'checkpoint':
      progress.line(`step ${event.step}: saved ${event.path}`);
      break;
    case 'samples':
      progress.line(`step ${event.step}: samples in ${event.path}`);
      break;
    default:
      event satisfies never;
  }
}

/** Four decimals, unless the loss has diverged. */
export const lossText = (loss: number): string =>
  Math.abs(loss) < 1e4 ? loss.toFixed(4) : loss.toExponential(1);
