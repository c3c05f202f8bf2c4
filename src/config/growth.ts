/**
 * Growing resolution: the first steps of a run use smaller images, which cost less. Half the size is a quarter of the work, and
 * coarse structure is learned there; a network's weights fit any size.
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
      'Start with smaller images: sizes in pixels, each up to a share of --steps, e.g. 16:0.7; then --size',
    value: 'N:X[,N:X]|none',
    default: 'none',
  },
};

/** A part of a run with images of one size. */
export interface Stage {
  readonly size: number;
  /** The first step, counted from 0, after the stage; infinity for the last stage. */
  readonly until: number;
}

/** `grow` in config.json, in the form of the command line; null is none. @throws UsageError for another form */
export function readGrowth(source: Source): string | null | undefined {
  const text = source.text('grow');
  if (text === 'none') return null;
  if (text !== undefined) parse(text, source.where('grow'));
  return text;
}

/**
 * The stages of a run. The last has the model's own size and at least one step. A stage whose share rounds to no
 * step is omitted: a new run is refused then, unless its steps follow from minutes.
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

/** The run's config during a stage: with its image size. */
export const atStage = <C extends RunConfig>(config: C, { size }: Stage): C => ({
  ...config,
  model: { ...config.model, size },
});

/** @throws UsageError for a stage of no step, which would not be trained */
export function checkStages(config: Pick<RunConfig, 'model' | 'training'>): void {
  const { grow, steps } = config.training;
  if (grow === null || steps === null) return;
  if (stagesOf(config).length <= parse(grow).length)
    throw new UsageError(
      `--grow: expected at least one step of each size, got ${quote(grow)} of --steps ${steps}`,
    );
}

/** Training without a recipe's stages if they do not fit the settings. */
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

/** @throws UsageError for sizes that the network does not support, and if the run's length is not known in steps */
export function checkGrowth(model: ModelConfig, { grow, steps, batch }: TrainingConfig): void {
  if (grow === null) return;
  if (steps === null)
    throw new UsageError(
      '--grow: needs --steps, of which it gives shares; the length is given by --epochs',
    );
  const sizes = [...parse(grow).map(([size]) => size), model.size];
  for (const [i, size] of sizes.entries()) {
    if (i > 0 && size <= sizes[i - 1]!)
      throw new UsageError(
        `--grow: expected increasing sizes up to --size ${model.size}, got ${quote(grow)}`,
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
    `${where}: expected sizes and shares of the steps, both increasing, shares below 1, such as 16:0.5,24:0.8, got ${quote(text)}`,
  );
}
