/** `haze train`: flags to a run's configuration, its events to lines and a progress bar. */
import type { Args } from '../config/args.js';
import { readRequireCuda } from '../config/computing.js';
import { readKind } from '../config/network-settings.js';
import { DEFAULT_PRESETS } from '../config/presets.js';
import { readRunIn } from '../config/read.js';
import { newRunConfig, resumedRunConfig } from '../config/run-config.js';
import { readDataBudget, readMinutes } from '../config/training.js';
import { readListening } from '../config/watching.js';
import { reasonOf } from '../data/reason.js';
import { UsageError } from '../errors.js';
import { writeLossCurve } from '../io/loss-curve.js';
import { readMetrics } from '../io/metrics.js';
import { runPaths } from '../io/run.js';
import { asOnlyTrainer, type Hold } from '../io/run-lock.js';
import { printable } from '../printable.js';
import { shellWord } from '../shell-word.js';
import type { TrainOptions, TrainResult } from '../train/options.js';
import { BatchTooLarge } from '../train/plan.js';
import { trainLocked } from '../train/train.js';
import { type PageBeside, serveBeside } from '../watch/beside.js';
import { interruptible } from './interrupt.js';
import { openProgress } from './progress.js';
import { hidePassword } from './queue-address.js';
import { claimRunFolder } from './run-folder.js';
import { sayLastWords } from './text.js';
import { lossText, reportTraining } from './training-progress.js';

export async function run(args: Args): Promise<void> {
  const out = args.text('out');
  if (out !== undefined) return asOnlyTrainer(out, (hold) => trainInto(out, args, hold));
  if (args.boolean('resume'))
    throw new UsageError('--resume: expected --out with the folder of the run');
  const claim = await claimRunFolder();
  try {
    await trainInto(claim.out, args, claim.lock.hold);
  } finally {
    claim.lock.release();
  }
}

async function trainInto(out: string, args: Args, hold: Hold): Promise<void> {
  const options = await readOptions(out, args);
  const page = await openPage(out, args);
  const progress = openProgress('step');
  const loading = openProgress('image');
  let stepped = false;
  try {
    if (page) progress.line(`watch   ${page.url}`);
    const result = await interruptible(
      'stopping and saving; press again to end at once',
      (signal) =>
        trainLocked(
          {
            ...options,
            signal,
            onEvent: (event) => {
              stepped ||= event.kind === 'step';
              reportTraining(event, progress, loading);
            },
          },
          hold,
        ),
    );
    progress.stop();
    // Everything is saved: a failure from here on loses nothing.
    const curve = await drawLosses(out).catch((error: unknown) => {
      progress.line(`warning: the loss curve was not drawn: ${reasonOf(error)}`);
      return null;
    });
    sayLastWords(summary(out, result, curve));
  } catch (error) {
    // However the run ended, draw the losses up to there; a second failure must not hide the first.
    if (stepped) await drawLosses(out).catch(() => undefined);
    throw error instanceof BatchTooLarge ? blamingPreset(error, args) : error;
  } finally {
    loading.stop();
    progress.stop();
    await page?.close();
  }
}

/** The error about a batch that a preset gave names the preset. */
function blamingPreset(error: BatchTooLarge, args: Args): Error {
  if (['batch', 'resume', 'init', 'teacher'].some((name) => args.has(name))) return error;
  if (args.has('networkConfig') && !args.has('preset')) return error;
  const preset = args.text('preset') ?? DEFAULT_PRESETS[readKind(args) ?? 'simple'];
  return new UsageError(`${error.message} (of --preset ${preset})`);
}

/** The run's page, if requested. @throws UsageError, also for the page's flags without a page */
async function openPage(out: string, args: Args): Promise<PageBeside | null> {
  if (args.boolean('watch')) return serveBeside(out, readListening(args));
  for (const name of ['host', 'port'])
    if (args.has(name)) throw new UsageError(`--${name}: belongs to --watch, which is not given`);
  return null;
}

/** Settings that choose a network: with one of them, no preset is suggested. */
const CHOOSING = ['preset', 'networkConfig', 'widths', 'init', 'teacher'];

/** @throws UsageError for flags, and if there is no run to resume */
async function readOptions(out: string, args: Args): Promise<TrainOptions> {
  hidePassword(args);
  const resume = args.boolean('resume') ?? false;
  const dataBudget = readDataBudget(args);
  const minutes = readMinutes(args, resume);
  const rest = {
    out,
    resume,
    advise: !CHOOSING.some((name) => args.has(name)),
    ...(minutes !== undefined && { minutes }),
    requireCuda: readRequireCuda(args),
    tensorboard: args.boolean('tensorboard') ?? false,
    queue: args.text('queue') ?? null,
    ...(dataBudget !== undefined && { dataBudget }),
  };
  if (!resume) {
    const source = args.positional('data', 'a folder of images, a data file or toy-cars');
    return { config: newRunConfig(source, args), ...rest };
  }
  const run = await readRunIn(out);
  const source = args.optionalPositional('data');
  return { config: resumedRunConfig(out, run, source, args), ...rest };
}

/** Draws the run's losses so far into its folder; null if there are too few for a curve. */
async function drawLosses(out: string): Promise<string | null> {
  const { metrics, curve } = runPaths(out);
  const losses = await readMetrics(metrics);
  if (losses.length < 2) return null;
  await writeLossCurve(curve, losses);
  return curve;
}

function summary(
  out: string,
  { steps, loss, heldOutLoss, checkpoint }: TrainResult,
  curve: string | null,
): string {
  const lines = [`run         ${printable(out)}`, `steps       ${steps}`];
  if (loss !== null) lines.push(`loss        ${lossText(loss)}  (mean of the last steps)`);
  if (heldOutLoss !== null) lines.push(`held out    ${lossText(heldOutLoss)}`);
  if (curve !== null) lines.push(`losses      ${printable(curve)}`);
  lines.push(`checkpoint  ${printable(checkpoint)}`, `next        haze sample ${shellWord(out)}`);
  return `${lines.join('\n')}\n`;
}
