/** Opens the pictures that an autoencoder is trained on. */
import type { AutoencoderTraining } from '../../config/autoencoder-training.js';
import { threadCount } from '../../config/computing.js';
import { type Dataset, openDataset } from '../../data/dataset.js';
import type { Skipped, Source } from '../../data/source.js';
import { plural } from '../../units.js';
import type { AutoencoderOptions } from './options.js';

/** Number of files per kind of warning that are named; the rest are counted. */
const NAMED = 10;

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
  name('skipped', opened.skipped, tell);
  name('check', opened.doubtful, tell);
  name('left out', source.leftOut, tell);
  return opened;
}

/** Warns about files: names the first ones, and counts the rest. */
function name(what: string, files: readonly Skipped[], tell: Tell): void {
  for (const { path, reason } of files.slice(0, NAMED))
    tell({ kind: 'warning', text: `${what} ${path}: ${reason}` });
  if (files.length > NAMED)
    tell({ kind: 'warning', text: `${what} ${plural(files.length, 'file')} in all` });
}
