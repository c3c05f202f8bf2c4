import { threadCount } from '../config/computing.js';
import type { RunConfig } from '../config/config.js';
import { type Aside, openTrainingData, type TrainingData } from '../data/held-out.js';
import { openSource, type Source } from '../data/source.js';
import { UsageError } from '../errors.js';
import { plural } from '../units.js';
import type { TrainEvent, TrainOptions } from './options.js';

/** Skipped files that are named one by one; the rest are counted. */
const NAMED = 10;

/** The images of a run before any is decoded. */
export interface ListedData {
  readonly source: Source;
  readonly aside: Aside | null;
}

/** Lists the images before anything slow begins. @throws UsageError when there is no such data. */
export async function listData({ data, seed }: RunConfig): Promise<ListedData> {
  const source = await openSource(data.source, seed);
  const { heldOut } = data;
  if (heldOut === null) return { source, aside: null };
  if ('fraction' in heldOut) return { source, aside: { fraction: heldOut.fraction, seed } };
  try {
    return { source, aside: { source: await openSource(heldOut.source, seed) } };
  } catch (error) {
    if (error instanceof UsageError) throw new UsageError(`--held-out: ${error.message}`);
    throw error;
  }
}

/** Decodes the images of a run and those it keeps aside; tells of progress and of files that were skipped. */
export async function openData(
  { source, aside }: ListedData,
  { config, dataBudget, signal }: TrainOptions,
  onEvent: (event: TrainEvent) => void,
): Promise<TrainingData> {
  const { data, model, computing } = config;
  const opened = await openTrainingData(source, aside, {
    size: model.size,
    channels: model.channels,
    fit: data.fit,
    threads: threadCount(computing),
    ...(dataBudget !== undefined && { budgetBytes: dataBudget }),
    onProgress: (done, total) => onEvent({ kind: 'loading', done, total }),
    signal,
  });
  describe(opened, onEvent);
  return opened;
}

function describe({ train, heldOut }: TrainingData, onEvent: (event: TrainEvent) => void): void {
  const aside = heldOut ? `, ${heldOut.count} kept aside` : '';
  const where = train.resident ? 'in memory' : 'decoded as they are needed';
  const images = plural(train.count, 'image');
  onEvent({ kind: 'note', text: `data    ${train.name}: ${images} ${where}${aside}` });
  const skipped = [...new Set([...train.skipped, ...(heldOut?.skipped ?? [])])];
  for (const { path, reason } of skipped.slice(0, NAMED))
    onEvent({ kind: 'warning', text: `skipped ${path}: ${reason}` });
  if (skipped.length > NAMED)
    onEvent({ kind: 'warning', text: `skipped ${plural(skipped.length, 'file')} in all` });
}
