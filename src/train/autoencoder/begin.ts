/** How a training begins: with fresh weights in a new folder, or where its checkpoint is. */
import { isDeepStrictEqual } from 'node:util';
import {
  type AutoencoderTraining,
  newAutoencoderTraining,
  parseAutoencoderTraining,
  resumedAutoencoderTraining,
} from '../../config/autoencoder-training.js';
import type { NetworkDevice } from '../../contracts/device.js';
import { CounterRandom } from '../../diffusion/random.js';
import { UsageError } from '../../errors.js';
import { readWhole } from '../../io/autoencoder.js';
import { checkNewAutoencoder } from '../../io/autoencoder-folder.js';
import {
  checkpointPaths,
  latestCheckpoint,
  openCheckpoint,
  readState,
} from '../../io/checkpoint.js';
import { checkWritable, type Json } from '../../io/run.js';
import type { Graph } from '../../network/graph.js';
import { initialState } from '../../network/initial-state.js';
import { plural } from '../../units.js';
import { arithmeticOf } from '../arithmetic-of.js';
import type { AutoencoderOptions } from './options.js';

/** The pictures, to detect changes at a resume. */
export interface Listing {
  readonly images: number;
  readonly listing: string;
}

/** The settings, and what a resume continues from; null for a new training. */
export interface Begin {
  readonly settings: AutoencoderTraining;
  readonly from: { readonly checkpoint: string; readonly step: number } | null;
}

/**
 * Reads the settings, and checks the folder.
 * @throws UsageError for invalid settings, a folder of something else, and for what a resume may not change; RunError for a folder
 *   that cannot be written
 */
export async function readBegin(options: AutoencoderOptions): Promise<Begin> {
  const { out, data, resume, settings } = options;
  if (resume) return readResume(options);
  if (data === undefined)
    throw new UsageError(
      '<data>: expected a folder of pictures, a data file or toy-cars, got nothing',
    );
  const begun = newAutoencoderTraining(data, settings);
  await checkNewAutoencoder(out);
  await checkWritable(out);
  return { settings: begun, from: null };
}

/** The settings' name in a checkpoint's state. */
const KEY = 'autoencoder';

async function readResume({ out, data, settings }: AutoencoderOptions): Promise<Begin> {
  const checkpoint = await latestCheckpoint(out);
  const { step, ...state } = checkpoint ? await readState(checkpoint) : { step: 0 };
  if (checkpoint === undefined || !(KEY in state))
    throw new UsageError(
      `--resume: expected the folder of an autoencoder's training in --out, got ${out}, which ${checkpoint ? 'holds a run of haze train' : 'has no checkpoint'}`,
    );
  const where = `${checkpointPaths(checkpoint).state}.${KEY}`;
  const begun = parseAutoencoderTraining(where, state[KEY]);
  const resumed = resumedAutoencoderTraining(out, begun, data, settings);
  if (resumed.steps < step && resumed.steps !== begun.steps)
    throw new UsageError(
      `--steps: the autoencoder in ${out} has taken ${plural(step, 'step')}, and this is the total: expected at least ${step}, got ${resumed.steps}`,
    );
  await checkWritable(out);
  return { settings: resumed, from: { checkpoint, step } };
}

/** A checkpoint's state beside its step. */
export const stateOf = (settings: AutoencoderTraining, listing: Listing, device: string): Json => ({
  [KEY]: settings,
  ...listing,
  device,
});

/**
 * Gives the network its weights.
 * @throws UsageError for a checkpoint of another network, or a resume with other pictures
 */
export async function loadWeights(
  network: NetworkDevice,
  graph: Graph,
  { settings, from }: Begin,
  listing: Listing,
  { out, onEvent }: AutoencoderOptions,
): Promise<void> {
  if (from === null) {
    await network.importState(initialState(graph, new CounterRandom(settings.seed)));
    return;
  }
  const { checkpoint, step } = from;
  const { state, optimizer } = await openCheckpoint(checkpoint);
  const { images, listing: names } = state;
  if (!isDeepStrictEqual({ images, listing: names }, listing))
    throw new UsageError(
      `<data>: expected the ${plural(Number(images), 'picture')} that the autoencoder in ${out} was begun with, got ${listing.images === images ? 'others' : listing.images} in ${settings.source}, judging by names and sizes`,
    );
  await network.importState(await readWhole(checkpointPaths(checkpoint).model, graph));
  await network.importOptimizer(await optimizer());
  onEvent?.({ kind: 'note', text: `resuming at step ${step} from ${checkpoint}` });
  const before = String(state.device ?? '');
  if (arithmeticOf(before) !== arithmeticOf(network.description))
    onEvent?.({
      kind: 'warning',
      text: `the checkpoint was computed on ${before}, this continues on ${network.description}: from here it is no longer bit-exact`,
    });
}
