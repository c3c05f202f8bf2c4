/*
 * Distillation as tables: a student learns to take one step where its teacher takes several (Salimans & Ho, 2022, Algorithm 2, with any
 * number of steps instead of two). Both use the same deterministic sampler, whose even timesteps are nested: every k-th of the teacher's
 * N·k are the student's N. From x_t, which is an image with noise, the teacher goes to where the student's step ends; the target is the
 * output that takes the student there.
 */
import { UsageError } from '../errors.js';
import type { Positions } from './mixture.js';
import { planRows } from './plan-rows.js';
import type { Schedule } from './schedule.js';
import { packRow, type Row } from './table.js';

export interface DistillationOptions {
  /** Steps of the student, and of the teacher: a multiple of them. */
  readonly steps: number;
  readonly teacherSteps: number;
  /** Range that the teacher's x̂_0 is clamped to; default not clamped. */
  readonly clamp?: number | undefined;
}

/** A step of the teacher. */
export interface TaughtStep {
  /** The network's timestep. */
  readonly t: number;
  /** The row of `tableStep`. */
  readonly row: Float32Array;
}

/** By step of the student. */
export interface Distillation {
  /** Where its steps begin, in the order of visit: timesteps, for `flow` s. */
  readonly positions: Positions;
  /** The teacher's steps from there. */
  readonly taught: readonly (readonly TaughtStep[])[];
  /** The target's shares of the teacher's x and of x_t: m = end·x' + start·x_t. */
  readonly end: Float32Array;
  readonly start: Float32Array;
}

/** The sampler of student and teacher: first order, without noise, each step on its own. */
export const distilledSampler = ({ objective }: Pick<Schedule, 'objective'>) =>
  objective === 'flow' ? 'flow-euler' : 'ddim';

/** @throws UsageError for a network that predicts noise, of which a step from pure noise tells nothing (Salimans & Ho, section 4) */
export function checkDistilled({ objective }: Pick<Schedule, 'objective'>): void {
  if (objective !== 'epsilon') return;
  throw new UsageError(
    '--teacher: expected a model with --objective v, x0 or flow, got epsilon: the noise in pure noise does not tell the image',
  );
}

/** @throws UsageError like `checkDistilled` */
export function planDistillation(
  schedule: Schedule,
  { steps, teacherSteps, clamp = Number.POSITIVE_INFINITY }: DistillationOptions,
): Distillation {
  checkDistilled(schedule);
  const each = teacherSteps / steps;
  const rowsOf = (count: number) =>
    planRows(schedule, { sampler: distilledSampler(schedule), steps: count }, 0);
  const { rows, levels } = rowsOf(steps);
  const taught = rowsOf(teacherSteps).rows.map((row) => ({
    t: Math.fround(row.t),
    row: Float32Array.from(packRow(row, clamp)),
  }));
  const moves = rows.map(moveOf);
  return {
    positions:
      schedule.objective === 'flow'
        ? Float32Array.from(levels!, ({ from }) => from.sigma)
        : Int32Array.from(rows, ({ t }) => t),
    taught: rows.map((_, i) => taught.slice(i * each, (i + 1) * each)),
    end: Float32Array.from(moves, ({ output }) => 1 / output),
    start: Float32Array.from(moves, ({ x, output }) => -x / output),
  };
}

/** Where a row leads without a clamp: x' = x·x_t + output·m. */
const moveOf = ({ foresees, x, x0, output = 0 }: Row) => ({
  x: x + x0 * foresees.x,
  output: output + x0 * foresees.output,
});

/** Weights with which the loss on the student's output is that on v (SNR + 1 for x̂_0); null for 1. */
export function distilledWeights({ objective, exact }: Schedule): readonly number[] | null {
  if (objective !== 'x0') return null;
  return Array.from(exact.alphaBar, (bar) => 1 / (1 - bar));
}
