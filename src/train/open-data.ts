import { threadCount } from '../config/computing.js';
import type { RunConfig } from '../config/config.js';
import { openTrainingData, type TrainingData } from '../data/held-out.js';
import { openSource } from '../data/source.js';
import type { TrainEvent, TrainOptions } from './options.js';

/** Skipped files that are named one by one; the rest are counted. */
const NAMED = 10;

/** Lists the images before anything slow begins. @throws UsageError when there is no such data. */
export async function checkData({ data, seed }: RunConfig): Promise<void> {
  await openSource(data.source, seed);
  if (data.heldOut && 'source' in data.heldOut) await openSource(data.heldOut.source, seed);
}

/** The images of a run and those it keeps aside; tells of progress and of files that were skipped. */
export async function openData(
  { config, dataBudget }: TrainOptions,
  onEvent: (event: TrainEvent) => void,
): Promise<TrainingData> {
  const { data, model, computing, seed } = config;
  const aside = data.heldOut;
  const heldOut = aside ? ('source' in aside ? aside.source : String(aside.fraction)) : undefined;
  const opened = await openTrainingData(data.source, heldOut, {
    size: model.size,
    channels: model.channels,
    fit: data.fit,
    threads: threadCount(computing),
    seed,
    ...(dataBudget !== undefined && { budgetBytes: dataBudget }),
    onProgress: (done, total) => onEvent({ kind: 'loading', done, total }),
  });
  describe(opened, onEvent);
  return opened;
}

function describe({ train, heldOut }: TrainingData, onEvent: (event: TrainEvent) => void): void {
  const aside = heldOut ? `, ${heldOut.count} kept aside` : '';
  const where = train.resident ? 'in memory' : 'decoded as they are needed';
  onEvent({ kind: 'note', text: `data    ${train.name}: ${train.count} images ${where}${aside}` });
  const skipped = [...new Set([...train.skipped, ...(heldOut?.skipped ?? [])])];
  for (const { path, reason } of skipped.slice(0, NAMED))
    onEvent({ kind: 'warning', text: `skipped ${path}: ${reason}` });
  if (skipped.length > NAMED)
    onEvent({ kind: 'warning', text: `skipped ${skipped.length - NAMED} more files` });
}
