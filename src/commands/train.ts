/** `haze train`: flags to a run's configuration, and its events to lines and a bar. */
import { join } from 'node:path';
import type { Args } from '../config/args.js';
import { readRequireCuda } from '../config/computing.js';
import { readRunConfig } from '../config/read.js';
import { newRunConfig, resumedRunConfig } from '../config/run-config.js';
import { readDataBudget } from '../config/training.js';
import { UsageError } from '../errors.js';
import { writeLossCurve } from '../io/loss-curve.js';
import { readMetrics } from '../io/metrics.js';
import { runPaths } from '../io/run.js';
import type { TrainEvent, TrainOptions, TrainResult } from '../train/options.js';
import { train } from '../train/train.js';
import { interruptible } from './interrupt.js';
import { openProgress, type Progress } from './progress.js';
import { nextRunFolder } from './run-folder.js';

export async function run(args: Args): Promise<void> {
  const options = await readOptions(args);
  const progress = openProgress('step');
  const loading = openProgress('image');
  try {
    const result = await interruptible('stopping after this step, and saving', (signal) =>
      train({ ...options, signal, onEvent: (event) => report(event, progress, loading) }),
    );
    progress.stop();
    const curve = await drawLosses(options.out);
    process.stdout.write(summary(options.out, result, curve));
  } finally {
    loading.stop();
    progress.stop();
  }
}

/** @throws UsageError for flags, and for a run to resume that is not there. */
async function readOptions(args: Args): Promise<TrainOptions> {
  const resume = args.boolean('resume') ?? false;
  const out = args.text('out');
  const dataBudget = readDataBudget(args);
  const rest = {
    resume,
    requireCuda: readRequireCuda(args),
    ...(dataBudget !== undefined && { dataBudget }),
  };
  if (!resume) {
    const source = args.positional('data', 'a folder of images, a data file or toy-cars');
    const config = newRunConfig(source, args);
    return { config, out: out ?? (await nextRunFolder()), ...rest };
  }
  if (out === undefined)
    throw new UsageError('--resume: expected --out with the folder of the run');
  const run = await readRunConfig(runPaths(out).config);
  const source = args.optionalPositional('data');
  return { config: resumedRunConfig(out, run, source, args), out, ...rest };
}

function report(event: TrainEvent, progress: Progress, loading: Progress): void {
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
      const rate = `${event.imagesPerSecond.toPrecision(3)} images/s`;
      const text = `epoch ${event.epoch} · loss ${event.loss.toFixed(4)} · ${rate}`;
      progress.update(event.step, event.totalSteps, text);
      break;
    }
    case 'heldOut':
      progress.line(`step ${event.step}: held-out loss ${event.heldOutLoss.toFixed(4)}`);
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

/** Draws the run's losses so far beside them. */
async function drawLosses(out: string): Promise<string> {
  const path = join(out, 'loss.png');
  await writeLossCurve(path, await readMetrics(runPaths(out).metrics));
  return path;
}

function summary(
  out: string,
  { steps, loss, heldOutLoss, checkpoint }: TrainResult,
  curve: string,
): string {
  const lines = [`run         ${out}`, `steps       ${steps}`];
  if (loss !== null) lines.push(`loss        ${loss.toFixed(4)}  (mean of the last steps)`);
  if (heldOutLoss !== null) lines.push(`held out    ${heldOutLoss.toFixed(4)}`);
  lines.push(`losses      ${curve}`, `checkpoint  ${checkpoint}`, `next        haze sample ${out}`);
  return `${lines.join('\n')}\n`;
}
