/**
 * Growing resolution: a run whose first steps see smaller images, which cost less. Half the side is a quarter of the work, and
 * what a picture shows as a whole is learned there; the weights of a convolutional network fit any side.
 */
import { UsageError } from '../errors.js';
import { checkSize } from '../network/network.js';
import type { ModelConfig, RunConfig, TrainingConfig } from './config.js';
import type { Flags } from './flag.js';
import { checkBatch } from './model.js';
import { parseDecimal, quote, type Source } from './source.js';

export const growthFlags: Flags = {
  grow: {
    describe:
      'Begin with smaller images: sides in pixels, each until which share of --steps, e.g. 16:0.7; then --size',
    value: 'N:X[,N:X]|none',
    default: 'none',
  },
};

/** Steps of a run that see images of one side. */
export interface Stage {
  readonly size: number;
  /** The first step, counted from 0, that is no longer of it; of the last stage infinity. */
  readonly until: number;
}

/** `grow` as it stands in config.json, the same as on the command line; null is none. @throws UsageError for another form */
export function readGrowth(source: Source): string | null | undefined {
  const text = source.text('grow');
  if (text === 'none') return null;
  if (text !== undefined) parse(text, source.where('grow'));
  return text;
}

/**
 * The stages of a run, the last of which sees images of the model's own side, for a step at least. A stage whose share comes to no
 * step is none.
 */
export function stagesOf({ model, training }: Pick<RunConfig, 'model' | 'training'>): Stage[] {
  const { grow, steps } = training;
  const last = { size: model.size, until: Number.POSITIVE_INFINITY };
  if (grow === null || steps === null) return [last];
  const smaller = parse(grow).map(([size, share]) => ({
    size,
    until: Math.min(Math.round(share * steps), steps - 1),
  }));
  return [...smaller.filter(({ until }, i) => until > (smaller[i - 1]?.until ?? 0)), last];
}

/** The run as it is in a stage: with images of its side. */
export const atStage = <C extends RunConfig>(config: C, { size }: Stage): C => ({
  ...config,
  model: { ...config.model, size },
});

/** Training without a recipe's stages where they do not go with the settings. */
export function fittingGrowth(
  model: ModelConfig,
  training: TrainingConfig,
  asked: Partial<TrainingConfig>,
): TrainingConfig {
  if (training.grow === null || asked.grow !== undefined) return training;
  try {
    checkGrowth(model, training);
    return training;
  } catch {
    return { ...training, grow: null };
  }
}

/** @throws UsageError for sides that the network has not, and a run whose length is not known in steps */
export function checkGrowth(model: ModelConfig, { grow, steps, batch }: TrainingConfig): void {
  if (grow === null) return;
  if (steps === null)
    throw new UsageError('--grow: its shares are of --steps; the length is given by --epochs');
  const sizes = [...parse(grow).map(([size]) => size), model.size];
  for (const [i, size] of sizes.entries()) {
    if (i > 0 && size <= sizes[i - 1]!)
      throw new UsageError(
        `--grow: expected sides that grow up to --size ${model.size}, got ${quote(grow)}`,
      );
    try {
      checkSize(model, size);
      checkBatch({ ...model, size }, batch);
    } catch (error) {
      throw new UsageError(`--grow: ${size}: ${(error as Error).message}`);
    }
  }
}

function parse(text: string, where = '--grow'): [size: number, share: number][] {
  const stages = text.split(',').map((stage): [number, number] => {
    const [size, share, ...more] = stage.split(':').map(parseDecimal);
    return more.length === 0 ? [size!, share ?? Number.NaN] : [Number.NaN, Number.NaN];
  });
  const sound = stages.every(
    ([size, share], i) =>
      Number.isSafeInteger(size) && size > 0 && share > (stages[i - 1]?.[1] ?? 0) && share < 1,
  );
  if (sound) return stages;
  throw new UsageError(
    `${where}: expected sides and shares of the steps that grow and are below 1, such as 16:0.5,24:0.8, got ${quote(text)}`,
  );
}
