import { UsageError } from '../errors.js';
import type { TrainingConfig } from './config.js';
import type { Flags } from './flag.js';
import { show } from './show.js';
import { parseDecimal, quote, type Source } from './source.js';

/** Which of a checkpoint's weights to use: the raw ones, or an average (EMA) of them. */

export const weightsFlags: Flags = {
  weights: {
    describe: "A run's raw weights, or an average (EMA), of which there may be several",
    value: 'raw|ema|ema:DECAY',
    default: "the run's first ema, else raw",
  },
};

const FORMS = 'raw, ema or ema:DECAY';

/**
 * The decay of the chosen average; null for the raw weights.
 * @param path the model, for messages
 * @param training of its run; null without a run
 * @throws UsageError for an average that does not exist
 */
export function readWhichWeights(
  source: Source,
  path: string,
  training: Pick<TrainingConfig, 'ema'> | null,
): number | null {
  const text = source.text('weights');
  const decays = training?.ema ?? [];
  if (text === undefined) return decays[0] ?? null;
  if (text === 'raw') return null;
  const [kind, decay] = [text.slice(0, 3), text.slice(4)];
  if (kind !== 'ema' || (text !== 'ema' && text[3] !== ':'))
    throw new UsageError(`${source.where('weights')}: expected ${FORMS}, got ${quote(text)}`);
  const found = text === 'ema' ? decays[0] : decays.find((d) => d === parseDecimal(decay));
  if (found !== undefined) return found;
  const has =
    training === null ? 'does not belong to a run' : `has averages of decay ${show(decays)}`;
  throw new UsageError(`${source.where('weights')}: ${path} ${has}, got ${quote(text)}`);
}
