/** Lists and opens the pictures that an autoencoder is trained on. */
import type { AutoencoderTraining } from '../../config/autoencoder-training.js';
import { threadCount } from '../../config/computing.js';
import { type Dataset, defaultBudget, openDataset } from '../../data/dataset.js';
import { GIVEN, openGiven } from '../../data/given.js';
import { openSource, type Source } from '../../data/source.js';
import { UsageError } from '../../errors.js';
import { plural } from '../../units.js';
import { moved } from '../moved.js';
import { nameFiles } from '../name-files.js';
import type { Begin } from './begin.js';
import type { AutoencoderOptions } from './options.js';

/**
 * Lists the pictures, before any is decoded.
 * @throws UsageError if there are none, or a program has to give them again; Interrupted
 */
export async function listPictures(
  { out, images, dataBudget, signal }: AutoencoderOptions,
  { settings: { source, seed }, from }: Begin,
): Promise<Source> {
  if (images !== undefined)
    return openGiven('trainAutoencoder.data', images, dataBudget ?? defaultBudget(), signal);
  if (from && source === GIVEN)
    throw new UsageError(
      `${out}: expected pictures, which a program gave this autoencoder and has to give again: trainAutoencoder({ data, out, resume: true })`,
    );
  return openSource(source, seed, signal).catch((error: unknown) => {
    throw from ? moved(source, `the autoencoder in ${out}`, error) : error;
  });
}

type Tell = NonNullable<AutoencoderOptions['onEvent']>;

/**
 * Decodes the pictures, and reports progress and skipped files.
 * @param budgetBytes of decoded pictures to keep in memory
 * @throws UsageError if none can be read; the reason with which `signal` was aborted
 */
export async function openPictures(
  source: Source,
  settings: AutoencoderTraining,
  budgetBytes: number,
  signal: AbortSignal | undefined,
  tell: Tell,
): Promise<Dataset> {
  const { size, channels, fit } = settings;
  const opened = await openDataset(source, {
    ...{ size, channels, fit, budgetBytes, signal },
    threads: threadCount(settings),
    onProgress: (done, total) => tell({ kind: 'loading', done, total }),
  });
  const where = opened.resident ? 'in memory' : 'decoded as they are needed';
  const text = `data    ${opened.name}: ${plural(opened.count, 'picture')} ${where}`;
  tell({ kind: 'note', text });
  nameFiles('skipped', 'file', opened.skipped, tell);
  nameFiles('check', 'image', opened.doubtful, tell);
  nameFiles('left out', 'file or folder', source.leftOut, tell);
  return opened;
}
