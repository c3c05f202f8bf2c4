/** Opens the pictures that an autoencoder is trained on. */
import type { AutoencoderTraining } from '../../config/autoencoder-training.js';
import { threadCount } from '../../config/computing.js';
import { type Dataset, openDataset } from '../../data/dataset.js';
import type { Source } from '../../data/source.js';
import { plural } from '../../units.js';
import { nameFiles } from '../name-files.js';
import type { AutoencoderOptions } from './options.js';

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
