import { threadCount } from '../config/computing.js';
import type { DataConfig, RunConfig } from '../config/config.js';
import { pictureShape } from '../config/picture-shape.js';
import type { Classes } from '../data/classes.js';
import { type Dataset, defaultBudget } from '../data/dataset.js';
import { GIVEN, openGiven } from '../data/given.js';
import { type Aside, openTrainingData, type TrainingData } from '../data/held-out.js';
import { listNames } from '../data/list-names.js';
import { ofPixels, type RunData } from '../data/run-images.js';
import { shareFiles } from '../data/shared-files.js';
import { openSource, type Skipped, type Source } from '../data/source.js';
import { UsageError } from '../errors.js';
import type { AutoencoderFiles } from '../io/autoencoder.js';
import { plural } from '../units.js';
import { encodeData } from './encode-data.js';
import { moved } from './moved.js';
import { nameFiles } from './name-files.js';
import type { TrainEvent, TrainOptions } from './options.js';

/** The images of a run before any is decoded. */
export interface ListedData {
  readonly source: Source;
  /** Classes of the source's images; missing for an unconditional network. */
  readonly classes?: Classes;
  readonly aside: Aside | null;
}

/** Lists the images before anything slow begins. @throws UsageError if there are none; Interrupted */
export async function listData(
  { data, seed }: RunConfig,
  options: GivenOptions,
): Promise<ListedData> {
  const { signal } = options;
  const open = (source: string) =>
    openSource(source, seed, signal).catch((error) => {
      throw options.resume ? moved(source, `the run in ${options.out}`, error) : error;
    });
  const source = (await listGiven('data', data.source, options)) ?? (await open(data.source));
  const { heldOut } = data;
  const named = heldOut && 'source' in heldOut ? heldOut.source : null;
  const given = await listGiven('heldOut', named, options, source.memoryBytes);
  if (given) return { source, aside: { source: given } };
  if (heldOut === null) return { source, aside: null };
  if ('fraction' in heldOut) return { source, aside: { fraction: heldOut.fraction, seed } };
  try {
    return { source, aside: { source: await open(heldOut.source) } };
  } catch (error) {
    if (error instanceof UsageError) throw new UsageError(`--held-out: ${error.message}`);
    throw error;
  }
}

type GivenOptions = Pick<
  TrainOptions,
  'out' | 'resume' | 'data' | 'heldOut' | 'dataBudget' | 'signal'
>;

/** Names for a program's images, in messages. */
const OWN = { data: 'images', heldOut: 'images to hold out' } as const;

/**
 * Images from a program; undefined if the config names others.
 * @param named the config's name for them; null: nothing, or a share
 * @param taken bytes of the budget that others use
 * @throws UsageError if both give some, or neither
 */
async function listGiven(
  option: keyof typeof OWN,
  named: string | null,
  { out, resume, dataBudget, signal, ...given }: GivenOptions,
  taken = 0,
): Promise<Source | undefined> {
  const images = given[option];
  if (named !== GIVEN) {
    if (images === undefined) return undefined;
    throw new UsageError(
      `train.${option}: the config has ${named ?? 'none'}; to give images, make it with runConfig({ ${option}: images })`,
    );
  }
  if (images !== undefined)
    return openGiven(`train.${option}`, images, (dataBudget ?? defaultBudget()) - taken, signal);
  throw new UsageError(
    resume
      ? `${out}: expected ${OWN[option]}, which a program gave this run and has to give again: train({ config, out, ${option}, resume: true })`
      : `train.${option}: expected the ${OWN[option]} that the config was made for, got none: train({ config, out, ${option} })`,
  );
}

/** The description of the data in a checkpoint, to detect changes at a resume. */
export interface DataState {
  /** Number of training images. */
  readonly images: number;
  /** The fingerprint of their listing. */
  readonly listing: string;
  /** The same of the held-out images, if they are others; else null. */
  readonly heldOutListing: string | null;
  /** A hash of the encoder whose latents they are; null for pixels. */
  readonly encoder: string | null;
  /** Hash of its teacher's weights, of a run that has one. */
  readonly teacher?: string;
}

/** @param opened the images that are readable and not held out */
export async function dataState(
  { source, aside }: ListedData,
  { train, encoder }: RunData,
): Promise<DataState> {
  const other = aside && 'source' in aside ? aside.source : null;
  return {
    images: train.count,
    listing: await source.fingerprint(),
    heldOutListing: other && (await other.fingerprint()),
    encoder,
  };
}

/**
 * Decodes the images of a run and the held-out ones, and encodes them if the run has an autoencoder; reports progress and skipped
 * files.
 */
export async function openData(
  { source, classes, aside }: ListedData,
  options: TrainOptions,
  autoencoder: AutoencoderFiles | null,
  onEvent: (event: TrainEvent) => void,
): Promise<RunData> {
  const { config, dataBudget, signal } = options;
  const { data, model, computing } = config;
  const opened = await openTrainingData(source, aside, {
    ...pictureShape(model, autoencoder),
    fit: data.fit,
    classes,
    threads: threadCount(computing),
    ...(dataBudget !== undefined && { budgetBytes: dataBudget }),
    onProgress: (done, total) => onEvent({ kind: 'loading', done, total }),
    signal,
  });
  describe(opened, onEvent);
  warnOfEmpty(opened, onEvent);
  await warnOfShared(data, onEvent);
  const leftOut = [source, ...(aside && 'source' in aside ? [aside.source] : [])];
  nameFiles(
    'left out',
    'file or folder',
    leftOut.flatMap((listed) => listed.leftOut),
    onEvent,
  );
  if (autoencoder) return encodeData(opened, autoencoder, options, onEvent);
  const { train, heldOut, close } = opened;
  return { train: ofPixels(train), heldOut: heldOut && ofPixels(heldOut), encoder: null, close };
}

/**
 * A class without an image, as when none of its files can be read, or where labels leave numbers out. It stays a class, since a
 * resume must find the same ones, but nothing teaches it.
 */
function warnOfEmpty({ train }: TrainingData, onEvent: (event: TrainEvent) => void): void {
  if (!train.classes) return;
  const { names, labels } = train.classes;
  const seen = new Set(labels);
  const empty = names.filter((_, label) => !seen.has(label));
  if (empty.length === 0) return;
  const which =
    empty.length === 1
      ? `class ${listNames(empty)} has no image to train on`
      : `${empty.length} of ${names.length} classes have no image to train on: ${listNames(empty)}`;
  onEvent({ kind: 'warning', text: `${train.name}: ${which}` });
}

/** Held-out images that are trained on say nothing of others. A warning, so that a run which has them may be resumed. */
async function warnOfShared(
  { source, heldOut }: DataConfig,
  onEvent: (event: TrainEvent) => void,
): Promise<void> {
  if (!heldOut || !('source' in heldOut) || source === GIVEN) return;
  if (!(await shareFiles(source, heldOut.source))) return;
  const text = `--held-out: ${heldOut.source} shares images with ${source}, so the loss on them is of images that are trained on`;
  onEvent({ kind: 'warning', text });
}

function describe({ train, heldOut }: TrainingData, onEvent: (event: TrainEvent) => void): void {
  const aside = heldOut ? `, ${heldOut.count} kept aside` : '';
  const where = train.resident ? 'in memory' : 'decoded as they are needed';
  const images = plural(train.count, 'image');
  onEvent({ kind: 'note', text: `data    ${train.name}: ${images} ${where}${aside}` });
  const each = (of: (data: Dataset) => readonly Skipped[]) => [
    ...new Set([...of(train), ...(heldOut ? of(heldOut) : [])]),
  ];
  nameFiles(
    'skipped',
    'file',
    each((data) => data.skipped),
    onEvent,
  );
  nameFiles(
    'check',
    'image',
    each((data) => data.doubtful),
    onEvent,
  );
}
