import { OBJECTIVES, type Objective } from '../diffusion/objective.js';
import { checkSchedule, SCHEDULES } from '../diffusion/schedule.js';
import { UsageError } from '../errors.js';
import type { DiffusionConfig } from './config.js';
import { type Flags, given } from './flag.js';
import type { Source } from './source.js';

/** Flags of the forward process and the loss. */
export const diffusionFlags: Flags = {
  timesteps: { describe: 'Steps T of the forward process', value: 'N', default: '300' },
  schedule: {
    describe: 'How beta grows: as a line, the square of one, a sigmoid, or the cosine schedule',
    value: SCHEDULES.join('|'),
    default: 'linear',
  },
  'beta-start': {
    describe: 'First beta of all schedules but cosine',
    value: 'X',
    default: '0.0001',
  },
  'beta-end': { describe: 'Last beta of all schedules but cosine', value: 'X', default: '0.02' },
  'scale-betas': { describe: 'Both betas times 1000/T: any T ends with as much noise' },
  'zero-terminal-snr': {
    describe: 'Betas rescaled so that x_T is noise alone; for networks that predict v or x0',
  },
};

/** What bare weights were trained to predict, which their shapes do not say. */
export const objectiveFlag: Flags = {
  objective: {
    describe:
      'What the network predicts: the noise, the image, v, or the velocity of flow matching',
    value: OBJECTIVES.join('|'),
    default: 'epsilon',
  },
};

/** The loss is training's alone: the forward process does not know it. */
export const lossFlag: Flags = {
  loss: {
    describe: 'Distance between what is predicted and what should be',
    value: 'l1|l2|huber',
    default: 'l1',
  },
};

export const DIFFUSION_DEFAULTS: DiffusionConfig = {
  timesteps: 300,
  schedule: 'linear',
  betaStart: 1e-4,
  betaEnd: 0.02,
  loss: 'l1',
};

/** The diffusion settings that a source gives. @throws UsageError for one that cannot be. */
export function readDiffusion(source: Source): Partial<DiffusionConfig> {
  return given<DiffusionConfig>({
    timesteps: source.whole('timesteps', { min: 1, max: 100_000 }),
    schedule: source.oneOf('schedule', SCHEDULES),
    betaStart: source.real('betaStart', { above: 0, below: 1 }),
    betaEnd: source.real('betaEnd', { above: 0, below: 1 }),
    scaleBetas: source.boolean('scaleBetas'),
    zeroTerminalSnr: source.boolean('zeroTerminalSnr'),
    loss: source.oneOf('loss', ['l1', 'l2', 'huber']),
  });
}

/** What the network predicts, if a source says so. */
export const readObjective = (source: Source): { objective?: Objective } =>
  given<{ objective: Objective }>({ objective: source.oneOf('objective', OBJECTIVES) });

/** Fields of the diffusion that a config need not have. */
export const OPTIONAL_DIFFUSION = ['scaleBetas', 'zeroTerminalSnr', 'objective'] as const;

/** @throws UsageError for betas that fall, and for what does not go together. */
export function checkDiffusion(config: DiffusionConfig): DiffusionConfig {
  if (config.betaEnd < config.betaStart)
    throw new UsageError(
      `--beta-end: expected at least --beta-start, which is ${config.betaStart}, got ${config.betaEnd}`,
    );
  checkSchedule(config);
  return config;
}

/**
 * A config with the settings that were given in place of its own.
 * @throws UsageError for betas that fall, and for a beta given to the cosine schedule, which has its own.
 */
export function withDiffusion(
  base: DiffusionConfig,
  settings: Partial<DiffusionConfig>,
): DiffusionConfig {
  const config = { ...base, ...settings };
  // Without it being asked for, a network that is to predict the noise is not told of noise alone.
  if (settings.objective === 'epsilon' && settings.zeroTerminalSnr === undefined)
    delete config.zeroTerminalSnr;
  for (const [flag, value] of [
    ['--beta-start', settings.betaStart],
    ['--beta-end', settings.betaEnd],
  ])
    if (config.schedule === 'cosine' && value !== undefined)
      throw new UsageError(`${flag}: belongs to --schedule linear; the schedule is cosine`);
  return checkDiffusion(config);
}
