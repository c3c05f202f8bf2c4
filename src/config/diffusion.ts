import { OBJECTIVES, type Objective } from '../diffusion/objective.js';
import { checkSchedule, makeSchedule, SCHEDULES } from '../diffusion/schedule.js';
import { UsageError } from '../errors.js';
import type { DiffusionConfig } from './config.js';
import { type Flags, given, kebab } from './flag.js';
import type { Source } from './source.js';

/** Flags of the forward process and the loss. */
export const diffusionFlags: Flags = {
  timesteps: { describe: 'Steps T of the forward process', value: 'N', default: '300' },
  schedule: {
    describe:
      'How beta grows: linearly, as the square of a line, as a sigmoid, or by the cosine schedule',
    value: SCHEDULES.join('|'),
    default: 'linear',
  },
  'beta-start': {
    describe: 'First beta of all schedules but cosine',
    value: 'X',
    default: '0.0001',
  },
  'beta-end': { describe: 'Last beta of all schedules but cosine', value: 'X', default: '0.02' },
  'scale-betas': {
    describe: 'Multiply both betas by 1000/T, so that any T ends with as much noise',
  },
  'zero-terminal-snr': {
    describe: 'Rescale the betas so that x_T is pure noise; for networks that predict v or x0',
  },
};

/** What bare weights were trained to predict; their shapes do not tell. */
export const objectiveFlag: Flags = {
  objective: {
    describe:
      'What the network predicts: the noise, the image, v, or the velocity of flow matching',
    value: OBJECTIVES.join('|'),
    default: 'epsilon',
  },
};

/** The loss belongs to training; the forward process does not use it. */
export const lossFlag: Flags = {
  loss: {
    describe: 'Distance between prediction and target',
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

/** The diffusion settings that a source gives. @throws UsageError for an invalid one */
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

/** The network's objective, if the source gives it. */
export const readObjective = (source: Source): { objective?: Objective } =>
  given<{ objective: Objective }>({ objective: source.oneOf('objective', OBJECTIVES) });

/** Fields of the diffusion that a config may omit. */
export const OPTIONAL_DIFFUSION = ['scaleBetas', 'zeroTerminalSnr', 'objective'] as const;

/** @throws UsageError for decreasing betas, for conflicting settings, and for betas without noise or with nothing but noise */
export function checkDiffusion(config: DiffusionConfig): DiffusionConfig {
  if (config.betaEnd < config.betaStart)
    throw new UsageError(
      `--beta-end: expected at least --beta-start, which is ${config.betaStart}, got ${config.betaEnd}`,
    );
  checkSchedule(config);
  if (config.objective !== 'flow') checkNoise(config);
  return config;
}

/** The smallest share of the image, √ᾱ, by which x̂_0 = (x_t − √(1−ᾱ)·ε)/√ᾱ can be divided in 32-bit floats. */
const SMALLEST_SHARE = 2 ** -126;

/** @throws UsageError if no timestep has noise, or one before the last has only noise, as 32-bit floats: no network can learn from these */
function checkNoise(config: DiffusionConfig): void {
  const { alphaBar, sqrtAlphaBar } = makeSchedule(config);
  const { timesteps, betaStart, betaEnd } = config;
  const betas = `betas from ${betaStart} to ${betaEnd}`;
  if (!(alphaBar.at(-1)! < 1))
    throw new UsageError(
      `--beta-end: expected betas that add noise, got ${betas}, whose sum over --timesteps ${timesteps} is 0 as a 32-bit float beside 1`,
    );
  const end = sqrtAlphaBar.findIndex((share) => !(share >= SMALLEST_SHARE));
  if (end >= 0 && end + 1 < timesteps)
    throw new UsageError(
      `--beta-end: expected smaller betas or fewer --timesteps, got ${betas}, which leave nothing of an image after ${end + 1} of ${timesteps} steps`,
    );
}

/** Settings of the schedule, which straight paths do not use. */
const OF_SCHEDULE = ['schedule', 'betaStart', 'betaEnd', 'scaleBetas'] as const;

/** @throws UsageError for settings of a schedule with flow */
function refuseSchedule(settings: Partial<DiffusionConfig>): void {
  const name = OF_SCHEDULE.find((name) => settings[name] !== undefined && settings[name] !== false);
  if (name !== undefined)
    throw new UsageError(`--${kebab(name)}: --objective flow has straight paths and no schedule`);
}

/**
 * A config with the given settings in place of its own.
 * @throws UsageError for decreasing betas, for a beta with the cosine schedule, which has its own, and for settings of a schedule
 *   with flow, which has none
 */
export function withDiffusion(
  base: DiffusionConfig,
  settings: Partial<DiffusionConfig>,
): DiffusionConfig {
  const config = { ...base, ...settings };
  if (config.objective === 'flow') refuseSchedule(settings);
  // Unless requested, a network that predicts the noise does not get pure noise as input.
  if (settings.objective === 'epsilon' && settings.zeroTerminalSnr === undefined)
    delete config.zeroTerminalSnr;
  for (const [flag, value] of [
    ['--beta-start', settings.betaStart],
    ['--beta-end', settings.betaEnd],
  ])
    if (config.schedule === 'cosine' && value !== undefined)
      throw new UsageError(
        `${flag}: belongs to --schedule linear, scaled-linear or sigmoid; the schedule is cosine`,
      );
  return checkDiffusion(config);
}

/** With the implied values of fields that a config omits. */
export const wholeDiffusion = (config: DiffusionConfig): DiffusionConfig => ({
  ...{ scaleBetas: false, zeroTerminalSnr: false, objective: 'epsilon' },
  ...config,
});
