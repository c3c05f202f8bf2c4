import { type Architecture, checkArchitecture, checkSize } from '../../unet/architecture.js';
import type { Loss } from '../../unet/device.js';
import { Arena, MAX_BYTES } from '../arena.js';
import type { Program, Section } from '../program.js';
import { adam, backward, noiseLoss, trainingPlan } from './backward.js';
import { dropPadding, forward, prepareNorms, prepareWeights } from './forward.js';
import { planMemory, type TrainingPlan, type UnetMemory } from './memory.js';

/** Plans a U-Net: its memory and the programs over it. Nothing is allocated but addresses. */

export interface UnetPlanOptions {
  readonly architecture: Architecture;
  readonly size: number;
  readonly batch: number;
  readonly timesteps: number;
  readonly loss?: Loss;
  /** Keeps gradients and Adam's moments; default true. */
  readonly training?: boolean;
  readonly threads: number;
}

export interface UnetPlan {
  readonly arena: Arena;
  readonly memory: UnetMemory;
  readonly programs: ReadonlyMap<string, Program>;
  /** Bytes that the programs' tables take. */
  readonly tableBytes: number;
}

/** @throws UsageError for an impossible architecture or size. */
export function planUnet(options: UnetPlanOptions): UnetPlan {
  checkArchitecture(options.architecture);
  checkSize(options.architecture, options.size);
  const { arena, memory } = planArena(options);
  const before = arena.size;
  const t = { at: memory.t, every: true };
  const programs = new Map<string, Program>([
    ['prepareNorms', [{ name: 'unet', phases: [prepareNorms(memory)] }]],
    ['prepareWeights', [{ name: 'unet', phases: [prepareWeights(memory)] }]],
  ]);
  for (const mode of ['running', 'batch'] as const)
    programs.set(mode, [
      { name: 'unet', phases: [...forward(memory, mode, t), dropPadding(memory)] },
    ]);
  if (options.training ?? true) {
    const sections = trainSections(trainingPlan(memory), options.loss ?? 'l1');
    programs.set('train', sections);
    programs.set('gradients', [
      ...sections.filter((s) => s.name !== 'optimizer'),
      { name: 'unet', phases: [dropPadding(memory)] },
    ]);
  }
  return { arena, memory, programs, tableBytes: arena.size - before };
}

/** Bytes by what they hold, and in all, for a U-Net of this shape. */
export function planBytes(options: UnetPlanOptions): {
  groups: ReadonlyMap<string, number>;
  total: number;
} {
  const { arena } = planUnet(options);
  return { groups: arena.groups, total: arena.size };
}

/**
 * The largest batch that fits into memory, 0 if none does. Looks at layouts without programs, whose length grows with the
 * batch and whose tables do not.
 * @param beside bytes for each image that others take beside the U-Net
 */
export function largestBatch(options: Omit<UnetPlanOptions, 'batch'>, beside = 0): number {
  const { tableBytes } = planUnet({ ...options, batch: 1 });
  const fits = (batch: number) =>
    planArena({ ...options, batch }).arena.size + tableBytes + beside * batch <= MAX_BYTES;
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

function planArena(options: UnetPlanOptions) {
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
