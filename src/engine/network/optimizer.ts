import { CLIP_BLOCK } from '../../../assembly/constants.js';
import { ADAM, type Optimizer } from '../../contracts/device.js';
import { NULL, type Pointer, plusFloats } from '../pointer.js';
import { type Call, call, type Phase } from '../program.js';
import { RATES, type TrainingMemory, trainingMemory } from './memory.js';
import { muonPhases, otherRanges } from './muon.js';
import type { Walk } from './walk.js';

/** What follows the gradients: their norm, the optimizer's step, and the averages of the weights. */

/** One step of the optimizer over all parameters. */
export function optimizerPhases(walk: Walk, optimizer: Optimizer): Phase[] {
  const memory = trainingMemory(walk.memory);
  const { weights, training } = memory.regions;
  const { sum: gradients, m, v } = training;
  const { beta1, beta2, epsilon, clip, muon } = optimizer;
  const whole = { grain: 2 };
  if (isPlainAdam(optimizer))
    return [
      [call('adam', [weights, gradients, m, v, memory.rates], memory.layout.floats / 8, whole)],
    ];
  const scale = clip === null ? NULL : plusFloats(memory.rates, RATES.norm + 1);
  const adamW = (first: number, floats: number): Call => {
    const [p, g, one, two] = [weights, gradients, m, v].map((at) => plusFloats(at, first)) as [
      ...[Pointer, Pointer, Pointer, Pointer],
    ];
    const args = [p, g, one, two, memory.rates, beta1, beta2, epsilon, scale] as const;
    return call('adamW', args, floats / 8, whole);
  };
  const ranges = muon ? otherRanges(walk) : [{ first: 0, floats: memory.layout.floats }];
  return [
    ...(clip === null ? [] : clipPhases(memory, clip)),
    ranges.map(({ first, floats }) => adamW(first, floats)),
    ...(muon ? muonPhases(walk, muon, gradients, scale) : []),
  ];
}

/** Computes the factor that reduces the global norm of the gradients to `clip` if it is larger. */
function clipPhases(memory: TrainingMemory, clip: number): Phase[] {
  const { regions, layout, normPartial, rates } = memory;
  const blocks = Math.ceil(layout.floats / CLIP_BLOCK);
  const { sum: gradients } = regions.training;
  return [
    [call('gradientNorm', [normPartial, gradients, layout.floats], blocks)],
    [call('gradientClip', [plusFloats(rates, RATES.norm), normPartial, blocks, clip], 1)],
  ];
}

/** One step of each average of the weights and the running statistics, after the optimizer's. */
export function averagePhases({ regions, layout, rates }: TrainingMemory): Phase[] {
  const calls = regions.training.averages.flatMap((average, i): Call[] => {
    const rate = plusFloats(rates, RATES.averages + i);
    const toward = (to: Pointer, from: Pointer, floats: number) =>
      call('ema', [to, from, rate], floats / 8, { grain: 2 });
    return [
      toward(average.weights, regions.weights, layout.floats),
      toward(average.statistics, regions.statistics, layout.statistics),
    ];
  });
  return calls.length > 0 ? [calls] : [];
}

const isPlainAdam = (o: Optimizer): boolean =>
  o.muon === undefined &&
  (Object.keys(ADAM) as (keyof Optimizer)[]).every((key) => o[key] === ADAM[key]);
