/** What a run with a teacher reads of it: the model itself at first, then the run's copy, so that a resume needs nothing else. */
import { createHash } from 'node:crypto';
import type { RunConfig } from '../config/config.js';
import { JsonObject } from '../config/json.js';
import { openModel } from '../config/open-model.js';
import { type Distillation, planDistillation } from '../diffusion/distillation.js';
import type { Schedule } from '../diffusion/schedule.js';
import { UsageError } from '../errors.js';
import { writeAtomically } from '../io/atomic.js';
import { isFile, type RunPaths, runPaths } from '../io/run.js';
import { writeTensors } from '../io/safetensors.js';
import { checkNetworkOf, readWeights } from '../io/weights.js';
import type { StateDict } from '../network/state.js';
import type { TrainOptions } from './options.js';

/** The weights that draw, and those that guide them. */
export interface TeacherWeights {
  readonly own: StateDict;
  /** Of a teacher that other weights guide. */
  readonly guide: StateDict | null;
  /** SHA-256 of both. */
  readonly hash: string;
}

/** How a run learns from its teacher; null without one. */
export function distillationOf(
  { teacher, sampling }: RunConfig,
  schedule: Schedule,
): Distillation | null {
  if (!teacher) return null;
  const { steps: teacherSteps, clamp } = teacher;
  return planDistillation(schedule, { steps: sampling!.steps!, teacherSteps, clamp });
}

/**
 * Reads the teacher of a run: on a resume the run's copy.
 * @throws UsageError for a file that is missing, or of another network
 */
export async function readTeacherWeights({
  config,
  out,
  resume,
}: Pick<TrainOptions, 'config' | 'out' | 'resume'>): Promise<TeacherWeights | null> {
  const { teacher, model } = config;
  if (!teacher) return null;
  const { weights, guide } = resume ? await copyIn(out, teacher.guidedBy) : await found(teacher);
  const load = async (path: string) => {
    await checkNetworkOf(path, model, 'this run');
    return readWeights(path, () => {});
  };
  const read = { own: await load(weights), guide: guide === null ? null : await load(guide) };
  return { ...read, hash: hashOf([read.own, read.guide]) };
}

function hashOf(states: readonly (StateDict | null)[]): string {
  const hash = createHash('sha256');
  for (const state of states)
    for (const [name, { shape, data }] of state ?? [])
      hash.update(JSON.stringify([name, shape])).update(data);
  return hash.digest('hex');
}

type Files = { readonly weights: string; readonly guide: string | null };

async function found({ source, guidedBy }: NonNullable<RunConfig['teacher']>): Promise<Files> {
  const { weights, guide } = await openModel(source, new JsonObject(source, {}, 'all'));
  if (guidedBy !== 'weights') return { weights, guide: null };
  if (guide === null) throw new UsageError(`--teacher: ${source} has no guide any more`);
  return { weights, guide };
}

async function copyIn(
  out: string,
  guidedBy: NonNullable<RunConfig['teacher']>['guidedBy'],
): Promise<Files> {
  const { teacher: weights, teacherGuide } = runPaths(out);
  const guide = guidedBy === 'weights' ? teacherGuide : null;
  for (const path of [weights, guide])
    if (path !== null && !(await isFile(path)))
      throw new UsageError(
        `${path}: expected the weights of the run's teacher, which a resume needs, got no file`,
      );
  return { weights, guide };
}

/** Gives a run its copy. @throws RunError if it cannot be written */
export async function keepTeacher(teacher: TeacherWeights | null, paths: RunPaths): Promise<void> {
  if (!teacher) return;
  await write(paths.teacher, teacher.own);
  if (teacher.guide) await write(paths.teacherGuide, teacher.guide);
}

const write = (path: string, weights: StateDict): Promise<void> =>
  writeAtomically(path, (file) => writeTensors(file, weights, { format: 'pt' }));
