/** A run that learns to draw in few steps what another model, its teacher, draws in many. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { checkDistilled, distilledSampler } from '../diffusion/distillation.js';
import { mostSteps } from '../diffusion/samplers.js';
import { UsageError } from '../errors.js';
import { classRows } from '../network/classes.js';
import { plural } from '../units.js';
import { USUAL_GUIDANCE } from './condition.js';
import type {
  DiffusionConfig,
  ModelConfig,
  RunConfig,
  RunSampling,
  TeacherConfig,
} from './config.js';
import { type Flags, given } from './flag.js';
import type { JsonObject } from './json.js';
import { GUIDANCE } from './limits.js';
import type { Recipe } from './presets.js';
import type { Source } from './source.js';

/** Steps that a student learns to draw in. */
const USUAL_STEPS = 4;
/** The teacher's for each of them. */
const USUAL_RATIO = 8;

export const teacherFlags: Flags = {
  teacher: {
    describe:
      'Learn to draw in --student-steps what this model draws in --teacher-steps: a run, a checkpoint of one or a diffusers folder, which gives the network, the first weights and the forward process',
    value: 'MODEL',
  },
  'student-steps': {
    describe: 'Reverse steps that a run with --teacher learns to draw in, and draws in',
    value: 'N',
    default: String(USUAL_STEPS),
  },
  'teacher-steps': {
    describe: "The teacher's reverse steps, a multiple of --student-steps",
    value: 'N',
    default: `${USUAL_RATIO} for each of --student-steps`,
  },
  'teacher-guidance': {
    describe: "W of the teacher's own guide, or of its classes; 1: not guided",
    value: 'W',
    default: `${USUAL_GUIDANCE} with a guide that its run kept, else 1`,
  },
};

const GUIDED_BY = ['weights', 'classes'] as const;

/** How a student is trained unless settings say otherwise. */
export const DISTILLING: Recipe = {
  diffusion: { loss: 'l2' },
  training: {
    optimizer: 'muon',
    lr: 3e-4,
    muonLr: 0.005,
    betas: [0.9, 0.99],
    warmup: 20,
    decay: 'linear',
    decayFloor: 0.02,
    clip: 1,
    ema: [0.99],
    steps: 300,
  },
};

/** The model that a setting names as a teacher, if one does. @throws UsageError for settings of a teacher without one */
export function teacherNamed(settings: Source): string | undefined {
  const named = settings.text('teacher');
  for (const name of ['studentSteps', 'teacherSteps', 'teacherGuidance'] as const)
    if (named === undefined && settings.has(name))
      throw new UsageError(`${settings.where(name)}: belongs to --teacher, which is not given`);
  for (const [other, why] of [
    ['init', 'already gives the first weights'],
    ['preset', 'gives the network, and presets are for training on images'],
    ['networkConfig', 'already gives the network'],
  ] as const)
    if (named !== undefined && settings.has(other))
      throw new UsageError(
        `${settings.where(other)}: ${settings.where('teacher')} ${why}; give only one of the two`,
      );
  return named;
}

/** What is known of a teacher when its student is described. */
export interface KnownTeacher {
  readonly named: string;
  readonly model: ModelConfig;
  readonly diffusion: DiffusionConfig;
  /** Range that it clamps x̂_0 to; false or missing does not. */
  readonly clamp: number | false | undefined;
  /** The file of the guide that its run kept. */
  readonly guide: string | undefined;
  /** Whether it can draw without a class. */
  readonly drops: boolean;
}

/** The teacher's part of a run's config, and how the student draws. @throws UsageError for settings that do not fit */
export function readTeacher(
  settings: Source,
  { named, model, diffusion, clamp, guide, drops }: KnownTeacher,
): { readonly teacher: TeacherConfig; readonly sampling: RunSampling } {
  const objective = diffusion.objective ?? 'epsilon';
  checkDistilled({ objective });
  const most = mostSteps({ ...diffusion, objective });
  const steps =
    settings.whole('studentSteps', { min: 1, max: most }) ?? Math.min(USUAL_STEPS, most);
  const usual = Math.max(1, Math.min(USUAL_RATIO, Math.floor(most / steps))) * steps;
  const teacherSteps = settings.whole('teacherSteps', { min: 1, max: most }) ?? usual;
  const kept = guide !== undefined && existsSync(guide);
  const asked = settings.real('teacherGuidance', GUIDANCE);
  const guidance = asked ?? (kept ? USUAL_GUIDANCE : 1);
  const classes = classRows(model) !== null && drops;
  if (guidance !== 1 && !kept && !classes)
    throw new UsageError(
      `${settings.where('teacherGuidance')}: ${named} has neither kept a guide nor been trained with --label-dropout; expected 1, got ${guidance}`,
    );
  return {
    teacher: {
      source: named,
      steps: teacherSteps,
      ...(clamp && { clamp }),
      guidance,
      guidedBy: guidance === 1 ? null : kept ? 'weights' : 'classes',
    },
    sampling: {
      sampler: distilledSampler({ objective }),
      steps,
    },
  };
}

/** The settings of a teacher, and their values in a run: null without one. */
export const TEACHER_FIELDS: readonly (readonly [
  name: 'teacher' | 'studentSteps' | 'teacherSteps' | 'teacherGuidance',
  read: (run: Pick<RunConfig, 'teacher' | 'sampling'>) => unknown,
])[] = [
  ['teacher', ({ teacher }) => teacher?.source ?? null],
  ['studentSteps', ({ teacher, sampling }) => (teacher ? sampling?.steps : null)],
  ['teacherSteps', ({ teacher }) => teacher?.steps ?? null],
  ['teacherGuidance', ({ teacher }) => teacher?.guidance ?? null],
];

/** These settings, the run's values, and those that a resume gives, undefined for none. */
export function teacherChanges(
  settings: Source,
  run: RunConfig,
): [name: string, has: unknown, got: unknown][] {
  const named = settings.text('teacher');
  const given = {
    teacher: named === undefined ? undefined : resolve(named),
    studentSteps: settings.whole('studentSteps', { min: 1, max: 1e6 }),
    teacherSteps: settings.whole('teacherSteps', { min: 1, max: 1e6 }),
    teacherGuidance: settings.real('teacherGuidance', GUIDANCE),
  };
  return TEACHER_FIELDS.map(([name, read]) => [name, read(run), given[name]]);
}

/** `runs/1 in 32 steps, guided by the weights that its run kept with W = 1.5`. */
export function teacherInWords({ source, steps, guidance, guidedBy }: TeacherConfig): string {
  const by = { weights: 'the weights that its run kept', classes: 'its classes' };
  const guided = guidedBy === null ? '' : `, guided by ${by[guidedBy]} with W = ${guidance}`;
  return `${source} in ${plural(steps, 'step')}${guided}`;
}

/** The teacher in a config.json. */
export const readTeacherConfig = (object: JsonObject): TeacherConfig => ({
  source: object.text('source')!,
  steps: object.whole('steps', { min: 1, max: 1e6 })!,
  ...given<Pick<TeacherConfig, 'clamp'>>({ clamp: object.real('clamp', { above: 0 }) }),
  guidance: object.real('guidance', GUIDANCE)!,
  guidedBy: object.oneOf('guidedBy', GUIDED_BY) ?? null,
});

/** @throws UsageError for a run whose settings its teacher leaves no room for */
export function checkTeacher({
  teacher,
  model,
  data,
  training,
  diffusion,
  sampling,
}: Omit<RunConfig, 'seed' | 'version' | 'computing' | 'chosen'>): void {
  if (!teacher) return;
  const objective = diffusion.objective ?? 'epsilon';
  checkDistilled({ objective });
  const { steps } = sampling ?? {};
  const sampler = distilledSampler({ objective });
  const { spacing = 'even', eta = 0, shift = 1 } = sampling ?? {};
  const asTaught = sampling?.sampler === sampler && spacing === 'even' && eta === 0 && shift === 1;
  if (steps === undefined || !asTaught)
    throw new UsageError(
      `--teacher: expected a run that samples by ${sampler} in a number of even steps, without noise, got another sampler`,
    );
  const most = mostSteps({ ...diffusion, objective });
  if (teacher.steps % steps !== 0 || teacher.steps <= steps || teacher.steps > most)
    throw new UsageError(
      `--teacher-steps: expected a multiple of --student-steps ${steps}, from ${2 * steps} to ${most}, got ${teacher.steps}`,
    );
  if (teacher.guidedBy === 'classes' && (classRows(model) === null || !data.classes))
    throw new UsageError(
      `--teacher-guidance: expected --classes for a teacher that its classes guide, got none`,
    );
  const others = [
    ['--grow', training.grow !== null],
    ['--sync-every', training.syncEvery !== null],
    ['--keep-guide', training.keepGuide !== null],
    ['--time-sampling', training.timeSampling !== 'uniform'],
    ['--weighting', training.snrGamma !== null || training.lossWeights !== null],
  ] as const;
  const [flag] = others.find(([, set]) => set) ?? [];
  if (flag !== undefined)
    throw new UsageError(
      `${flag}: belongs to training on images; with --teacher the teacher's steps say what is learned`,
    );
}
