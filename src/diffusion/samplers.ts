import { FLOW_TIMES, type Objective } from './objective.js';
import type { Schedule } from './schedule.js';
import type { Spacing } from './spacing.js';

/*
 * The samplers by their usual names, with the settings and objectives that each supports. Help, checks and messages come from
 * here.
 */

/** Settings that only some samplers have. */
export const OWN_SETTINGS = [
  'eta',
  'variance',
  'spacing',
  'stepsOffset',
  'lastAlpha',
  'karras',
  'lowerOrderFinal',
  'order',
  'solverType',
  'shift',
] as const;

export type OwnSetting = (typeof OWN_SETTINGS)[number];

export interface SamplerKind {
  /** For help. */
  readonly describe: string;
  readonly objectives: readonly Objective[];
  readonly settings: readonly OwnSetting[];
  readonly spacing: Spacing;
  /** Default number of reverse steps; `all` is one per timestep. */
  readonly steps: number | 'all';
}

const NOISED = ['epsilon', 'x0', 'v'] as const;
const ANY = [...NOISED, 'flow'] as const;
const ODE = ['spacing', 'stepsOffset', 'lastAlpha', 'karras'] as const;
const SOLVER = [...ODE, 'lowerOrderFinal', 'shift'] as const;

export const SAMPLERS = {
  ancestral: {
    describe: 'Ho et al. 2020; any number of steps',
    objectives: NOISED,
    settings: ['variance', 'spacing', 'stepsOffset'],
    spacing: 'even',
    steps: 'all',
  },
  ddim: {
    describe: 'Song et al. 2021',
    objectives: NOISED,
    settings: ['eta', 'spacing', 'stepsOffset', 'lastAlpha'],
    spacing: 'even',
    // Song et al. 2021, table 1: close to the full chain's quality.
    steps: 50,
  },
  euler: {
    describe: 'Karras et al. 2022, first order',
    objectives: ANY,
    settings: [...ODE, 'shift'],
    spacing: 'linspace',
    steps: 50,
  },
  'euler-a': {
    describe: 'Euler with noise at each step',
    objectives: NOISED,
    settings: ['spacing', 'stepsOffset', 'karras'],
    spacing: 'linspace',
    steps: 50,
  },
  heun: {
    describe: 'Karras et al. 2022, second order: two evaluations per step',
    objectives: ANY,
    settings: ['spacing', 'stepsOffset', 'karras', 'shift'],
    spacing: 'linspace',
    steps: 25,
  },
  'dpm++2m': {
    describe: 'Lu et al. 2022, second order',
    objectives: ANY,
    settings: SOLVER,
    spacing: 'linspace',
    steps: 20,
  },
  'dpm++3m': {
    describe: 'Lu et al. 2022, third order',
    objectives: ANY,
    settings: SOLVER,
    spacing: 'linspace',
    steps: 20,
  },
  'dpm++sde': {
    describe: 'Lu et al. 2022, second order with noise at each step',
    objectives: ANY,
    settings: SOLVER,
    spacing: 'linspace',
    steps: 25,
  },
  unipc: {
    describe: 'Zhao et al. 2023, second order, or --order',
    objectives: ANY,
    settings: [...SOLVER, 'order', 'solverType'],
    spacing: 'linspace',
    steps: 20,
  },
  'flow-euler': {
    describe: 'Euler for --objective flow',
    objectives: ['flow'],
    settings: ['spacing', 'shift'],
    spacing: 'even',
    steps: 50,
  },
} as const satisfies Readonly<Record<string, SamplerKind>>;

/** The part of a forward process that determines the reverse process. */
export type Forward = Pick<Schedule, 'timesteps' | 'objective'>;

export type SamplerName = keyof typeof SAMPLERS;

export const SAMPLER_NAMES = Object.keys(SAMPLERS) as SamplerName[];

export const kindOf = (sampler: SamplerName): SamplerKind => SAMPLERS[sampler];

/** The default sampler of a model. */
export const defaultSampler = (objective: Objective): SamplerName =>
  objective === 'flow' ? 'flow-euler' : 'ancestral';

/** The default spacing: along s there is no timestep to round to. */
export const defaultSpacing = (sampler: SamplerName, objective: Objective): Spacing =>
  objective === 'flow' ? 'even' : kindOf(sampler).spacing;

/** Spacings along s. */
export const FLOW_SPACINGS = ['even', 'linspace'] as const;

export const isFlowSpacing = (spacing: Spacing): spacing is (typeof FLOW_SPACINGS)[number] =>
  (FLOW_SPACINGS as readonly Spacing[]).includes(spacing);

/** Solvers that use earlier steps. */
const MULTISTEP = ['dpm++2m', 'dpm++3m', 'dpm++sde', 'unipc'] as const;

export type Multistep = (typeof MULTISTEP)[number];

export const isMultistep = (sampler: SamplerName): sampler is Multistep =>
  (MULTISTEP as readonly SamplerName[]).includes(sampler);

/** Samplers whose steps evaluate the network once and use no earlier ones. */
export const STANDING_ALONE: readonly SamplerName[] = [
  'ancestral',
  'ddim',
  'euler',
  'euler-a',
  'flow-euler',
];

/** Settings that a solver has only for the noise levels of a schedule, and only along s. */
export const SCHEDULE_ONLY: readonly OwnSetting[] = ['karras', 'stepsOffset', 'lastAlpha'];
export const FLOW_ONLY: readonly OwnSetting[] = ['shift'];

/** The most reverse steps: one per timestep; for flow matching, whose time is continuous, one per unit of the network's timestep. */
export const mostSteps = ({ timesteps, objective }: Forward): number =>
  objective === 'flow' ? FLOW_TIMES : timesteps;

/** The default number of reverse steps. */
export function defaultSteps(sampler: SamplerName, forward: Forward): number {
  const { steps } = kindOf(sampler);
  const most = mostSteps(forward);
  return steps === 'all' ? most : Math.min(steps, most);
}
