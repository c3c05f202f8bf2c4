import { UsageError } from '../errors.js';
import type { SamplerOptions } from './sampler.js';
import {
  defaultSpacing,
  defaultSteps,
  FLOW_ONLY,
  FLOW_SPACINGS,
  type Forward,
  isFlowSpacing,
  isMultistep,
  kindOf,
  mostSteps,
  type OwnSetting,
  SAMPLER_NAMES,
  type SamplerName,
  SCHEDULE_ONLY,
} from './samplers.js';
import type { Schedule } from './schedule.js';
import { spaced } from './spacing.js';

/* Which settings of a sampler can be, and go together. */

/** Flags of settings that have another name. */
const FLAGS: Partial<Record<OwnSetting, string>> = {
  stepsOffset: '--steps-offset',
  lastAlpha: '--last-alpha',
  lowerOrderFinal: '--lower-order-final',
  solverType: '--solver-type',
};

const flagOfSetting = (name: OwnSetting): string => FLAGS[name] ?? `--${name}`;

/** @throws UsageError for invalid or conflicting settings */
export function checkSampler(schedule: Forward, options: SamplerOptions): void {
  const { objective } = schedule;
  const {
    sampler,
    eta = 0,
    clamp = 1,
    dynamicThreshold = 1,
    thresholdMax = 1,
    shift = 1,
  } = options;
  if (!SAMPLER_NAMES.includes(sampler))
    throw new UsageError(
      `--sampler: expected one of ${SAMPLER_NAMES.join(', ')}, got ${String(sampler)}`,
    );
  const steps = options.steps ?? defaultSteps(sampler, schedule);
  const most = mostSteps(schedule);
  if (!Number.isInteger(steps) || steps < 1 || steps > most)
    throw new UsageError(`--sample-steps: expected a whole number from 1 to ${most}, got ${steps}`);
  checkObjective(sampler, objective, options);
  if (!(eta >= 0 && eta <= 1))
    throw new UsageError(`--eta: expected a number from 0 to 1, got ${eta}`);
  if (!(clamp > 0)) throw new UsageError(`--clamp-range: expected a number above 0, got ${clamp}`);
  if (!(dynamicThreshold > 0 && dynamicThreshold <= 1))
    throw new UsageError(
      `--dynamic-threshold: expected a number above 0 and at most 1, got ${dynamicThreshold}`,
    );
  if (!(thresholdMax > 0))
    throw new UsageError(`--threshold-max: expected a number above 0, got ${thresholdMax}`);
  checkSolver(options);
  if (!(shift > 0)) throw new UsageError(`--shift: expected a number above 0, got ${shift}`);
  if (options.clamp !== undefined && options.dynamicThreshold !== undefined)
    throw new UsageError('--dynamic-threshold: clamps too, so it cannot be combined with --clamp');
  if (objective !== 'flow') checkSpacing(schedule, options, steps);
}

/** @throws UsageError for an order or a B(h) that UniPC does not have */
function checkSolver({ order = 2, solverType = 'bh2' }: SamplerOptions): void {
  if (![1, 2, 3].includes(order))
    throw new UsageError(`--order: expected a whole number from 1 to 3, got ${String(order)}`);
  if (!['bh1', 'bh2'].includes(solverType))
    throw new UsageError(`--solver-type: expected bh1 or bh2, got ${String(solverType)}`);
}

/** @throws UsageError for a sampler or a setting that the objective does not support */
function checkObjective(
  sampler: SamplerName,
  objective: Schedule['objective'],
  options: SamplerOptions,
): void {
  if (!kindOf(sampler).objectives.includes(objective)) {
    const able = SAMPLER_NAMES.filter((name) => kindOf(name).objectives.includes(objective));
    throw new UsageError(
      `--sampler: ${sampler} does not support a model of --objective ${objective}; expected ${able.join(', ')}`,
    );
  }
  const flow = objective === 'flow';
  for (const name of flow ? SCHEDULE_ONLY : FLOW_ONLY)
    if (options[name] !== undefined)
      throw new UsageError(
        `${flagOfSetting(name)}: not supported for a model of --objective ${objective}`,
      );
  if (flow && options.spacing !== undefined && !isFlowSpacing(options.spacing))
    throw new UsageError(
      `--spacing: expected ${FLOW_SPACINGS.join(' or ')} for a model of --objective flow, got ${options.spacing}`,
    );
}

function checkSpacing({ timesteps, objective }: Forward, options: SamplerOptions, steps: number) {
  const { sampler, stepsOffset = 0 } = options;
  const spacing = options.spacing ?? defaultSpacing(sampler, objective);
  if (spacing !== 'leading') return;
  const open = isMultistep(sampler);
  const [first] = spaced('leading', { timesteps, steps, offset: stepsOffset, open });
  if (first! >= timesteps)
    throw new UsageError(
      `--steps-offset: expected the first timestep below ${timesteps}, got ${first} with an offset of ${stepsOffset}`,
    );
}
