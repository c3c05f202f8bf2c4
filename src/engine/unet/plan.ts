import { type Architecture, checkArchitecture, checkSize } from '../../unet/architecture.js';
import type { Loss } from '../../unet/device.js';
import { Arena, type Demand, MAX_BYTES, planRoom } from '../arena.js';
import type { Program, Section } from '../program.js';
import { adam, backward, noiseLoss, trainingPlan } from './backward.js';
import { dropPadding, forward, prepareNorms, prepareWeights } from './forward.js';
import { planMemory, type TrainingPlan, type UnetMemory } from './memory.js';

/** Plans a U-Net: its memory and the programs over it. Nothing is allocated but addresses. */

export interface UnetPlanOptions extends Demand {
  readonly architecture: Architecture;
  readonly size: number;
  readonly batch: number;
  readonly timesteps: number;
  readonly loss?: Loss;
  /** Keeps gradients and Adam's moments; default true. */
  readonly training?: boolean;
}

/**
 * The programs over a layout that fits, by name. Their length grows with the batch; their tables, a few kilobytes more in
 * the arena, do not.
 */
export function planPrograms(
  { training = true, loss = 'l1' }: UnetPlanOptions,
  memory: UnetMemory,
): ReadonlyMap<string, Program> {
  const t = { at: memory.t, every: true };
  const programs = new Map<string, Program>([
    ['prepareNorms', [{ name: 'unet', phases: [prepareNorms(memory)] }]],
    ['prepareWeights', [{ name: 'unet', phases: [prepareWeights(memory)] }]],
  ]);
  for (const mode of ['running', 'batch'] as const)
    programs.set(mode, [
      { name: 'unet', phases: [...forward(memory, mode, t), dropPadding(memory)] },
    ]);
  if (training) {
    const sections = trainSections(trainingPlan(memory), loss);
    programs.set('train', sections);
    programs.set('gradients', [
      ...sections.filter((s) => s.name !== 'optimizer'),
      { name: 'unet', phases: [dropPadding(memory)] },
    ]);
  }
  return programs;
}

/** Lays out what is to lie beside a U-Net, of whatever batch. */
export type Extension<T = unknown> = (arena: Arena, memory: UnetMemory) => T;

/** Bytes by what they hold, and in all, for a U-Net of this shape. Of one that does not fit, without its programs' tables. */
export function planBytes(
  options: UnetPlanOptions,
  extend?: Extension,
): { groups: ReadonlyMap<string, number>; total: number } {
  const { arena, memory } = planLayout(options);
  extend?.(arena, memory);
  if (arena.size <= MAX_BYTES) planPrograms(options, memory);
  return { groups: arena.groups, total: arena.size };
}

/**
 * The largest batch that fits into the memory there is, 0 if none does. Looks at layouts without programs, whose length grows with the
 * batch and whose tables do not.
 */
export function largestBatch(options: Omit<UnetPlanOptions, 'batch'>, extend?: Extension): number {
  const one = planLayout({ ...options, batch: 1 });
  const layoutBytes = one.arena.size;
  planPrograms({ ...options, batch: 1 }, one.memory);
  const tableBytes = one.arena.size - layoutBytes;
  const room = planRoom(options).bytes;
  const fits = (batch: number) => {
    const { arena, memory } = planLayout({ ...options, batch });
    extend?.(arena, memory);
    return arena.size + tableBytes <= room;
  };
  let low = 0;
  let high = 1;
  while (fits(high)) [low, high] = [high, 2 * high];
  while (low + 1 < high) {
    const middle = Math.floor((low + high) / 2);
    if (fits(middle)) low = middle;
    else high = middle;
  }
  return low;
}

/**
 * Lays a U-Net out in an arena of its own.
 * @throws UsageError for an impossible architecture or size.
 */
export function planLayout(options: UnetPlanOptions): { arena: Arena; memory: UnetMemory } {
  checkArchitecture(options.architecture);
  checkSize(options.architecture, options.size);
  const arena = new Arena();
  const training = options.training ?? true;
  return { arena, memory: planMemory(arena, { ...options, training }, options.threads) };
}

function trainSections(plan: TrainingPlan, loss: Loss): Section[] {
  return [
    {
      name: 'unet',
      phases: [
        ...forward(plan, 'train', { at: plan.t, every: true }),
        ...noiseLoss(plan, loss),
        ...backward(plan),
      ],
    },
    { name: 'optimizer', phases: [adam(plan)] },
  ];
}
