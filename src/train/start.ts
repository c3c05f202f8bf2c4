import type { RunConfig } from '../config/config.js';
import { CounterRandom } from '../diffusion/random.js';
import { latestCheckpoint, readCheckpoint } from '../io/checkpoint.js';
import { cutBack } from '../io/metrics.js';
import { checkNewRun, createRun, type Json, runPaths, writeConfig } from '../io/run.js';
import { readSafetensors } from '../io/safetensors.js';
import { initialState } from '../unet/initial-state.js';
import type { TrainEvent, TrainOptions } from './options.js';
import type { Trainer } from './trainer.js';

/** Before anything slow: a new run must not meet an old one. @throws UsageError */
export async function checkStart({ out, resume }: TrainOptions): Promise<void> {
  if (!resume) await checkNewRun(out);
}

/**
 * Gives the trainer its weights (from a checkpoint, from a file, or fresh) and prepares the run's folder.
 * Resolves to the steps already taken.
 * @throws UsageError for weights that are not this model's; then the folder is as it was.
 */
export async function start(
  options: TrainOptions,
  config: RunConfig,
  trainer: Trainer,
  onEvent: (event: TrainEvent) => void,
): Promise<number> {
  const { out, resume } = options;
  const json = config as unknown as Json;
  if (!resume) {
    await trainer.unet.importState(await firstWeights(config));
    await createRun(out, json);
    return 0;
  }
  const paths = runPaths(out);
  const latest = await latestCheckpoint(out);
  const taken = latest ? await load(latest, trainer, onEvent) : 0;
  if (!latest) {
    onEvent({ kind: 'note', text: `${out} has no checkpoint yet; starting at step 0` });
    await trainer.unet.importState(await firstWeights(config));
  }
  await cutBack(paths.metrics, taken);
  await writeConfig(paths, json);
  return taken;
}

/** What a checkpoint's state.json says beside its step. */
export const checkpointState = (config: RunConfig, epoch: number): Json => ({
  epoch,
  seed: config.seed,
  device: config.chosen?.description ?? null,
});

async function load(
  folder: string,
  trainer: Trainer,
  onEvent: (event: TrainEvent) => void,
): Promise<number> {
  const { model, optimizer, state, step } = await readCheckpoint(folder);
  await trainer.unet.importState(model);
  await trainer.unet.importOptimizer(optimizer);
  onEvent({ kind: 'note', text: `resuming at step ${step} from ${folder}` });
  const before = String(state.device ?? '');
  if (arithmetic(before) !== arithmetic(trainer.unet.description))
    onEvent({
      kind: 'warning',
      text: `the checkpoint was computed on ${before}, this run goes on with ${trainer.unet.description}: from here it is no longer bit-exact`,
    });
  return step;
}

/** A device's description without its thread count, which does not change the bits. */
const arithmetic = (description: string): string => description.replace(/, \d+ threads?/, '');

async function firstWeights(config: RunConfig) {
  if (config.training.init !== null) return (await readSafetensors(config.training.init)).tensors;
  return initialState(config.model, new CounterRandom(config.seed));
}
