import { STRIDED, STRIDED_RIGHT, UPSAMPLED } from '../../../assembly/constants.js';
import { RunError } from '../../errors.js';
import { type ConvKind, TAPS } from '../convolution.js';

import type { Pointer } from '../pointer.js';
import { type Call, call, type Phase } from '../program.js';

import { winogradForward } from './algorithm.js';

import type { ConvolveStep } from './steps.js';
import type { Walk } from './walk.js';

/** The kernels' convolution for a layer, and its weights in their form: unchanged, derived, or transformed and stored. */

/**
 * How a layer's weights become those of a convolution that the kernels support: a 3x3 convolution of stride 2 becomes a 4x4 one with
 * zeros, one after an upsampling a transposed 4x4 one of sums.
 */
export const DERIVED_MODES = {
  strided: STRIDED,
  stridedRight: STRIDED_RIGHT,
  upsampled: UPSAMPLED,
} as const;
export type Derived = keyof typeof DERIVED_MODES;

/** Products per output pixel of the 4x4 convolution, relative to those of the 3x3 one that it stands for. */
export const DERIVED_TAPS: Readonly<Record<Derived, number>> = {
  strided: 16 / 9,
  stridedRight: 16 / 9,
  upsampled: 4 / 9,
};

/** The kernels' convolution for a step, and how its weights are derived, if they are. */
export function kindOf({ layer, upsampled }: ConvolveStep): { kind: ConvKind; derived?: Derived } {
  if (layer.kind === 'linear') return { kind: 'same1' };
  const { kind, kernel, stride, padding } = layer;
  const shape = `${kind} ${kernel} ${stride} ${padding.join()}`;
  if (upsampled) return { kind: 'transposed4', derived: 'upsampled' };
  switch (shape) {
    case 'conv 1 1 0,0':
      return { kind: 'same1' };
    case 'conv 3 1 1,1':
      return { kind: 'same3' };
    case 'conv 4 2 1,1':
      return { kind: 'strided4' };
    case 'convTranspose 4 2 1,1':
      return { kind: 'transposed4' };
    case 'conv 3 2 1,1':
      return { kind: 'strided4', derived: 'strided' };
    case 'conv 3 2 0,1':
      return { kind: 'strided4', derived: 'stridedRight' };
    default:
      throw new RunError(
        `the wasm device has no ${kind} of kernel ${kernel}, stride ${stride} and padding ${padding}: ${layer.name}`,
      );
  }
}

/** Whether a step is a matrix product of its input and nothing else. */
export const isProduct = (step: ConvolveStep): boolean =>
  kindOf(step).kind === 'same1' && !step.side;

/** The weights as the kernels read them; derived ones are computed for this pass. */
export function theWeights(
  walk: Walk,
  { layer }: ConvolveStep,
  derived: Derived | undefined,
): { at: Pointer; phases: Phase[] } {
  const at = walk.layer(layer.name);
  const w = walk.weights(at.weight);
  if (!derived) return { at: w, phases: [] };
  const out = walk.scratch('derived weights', 4 * TAPS.strided4 * at.inputs * at.outputs);
  return { at: out, phases: walk.emit(() => [[deriveCall(walk, layer.name, out, derived)]]) };
}

function deriveCall(walk: Walk, name: string, out: Pointer, derived: Derived): Call {
  const at = walk.layer(name);
  return call(
    'deriveWeights',
    [out, walk.weights(at.weight), at.inputs, at.outputs / 8, DERIVED_MODES[derived]],
    TAPS.strided4 * (at.outputs / 8),
  );
}

/** Names of a layer's transformed weights, and of the derived ones from which they are made. */
export const transformedName = (layer: string): string => `transformed ${layer}`;
const derivedName = (layer: string): string => `derived ${layer}`;

/** Bytes by name that the layer stores if its weights are fixed: transformed weights, and those from which they are made. */
export function keptWeights(walk: Walk, step: ConvolveStep): [name: string, bytes: number][] {
  const { layer } = step;
  const { kind, derived } = kindOf(step);
  const { view: input } = walk.operand(step.x);
  const c = { kind, batch: walk.batch, input, output: walk.view(step.out) };
  const plan = winogradForward(c, true);
  if (!plan) return [];
  const { inputs, outputs } = walk.layer(layer.name);
  const own: [string, number][] = [[transformedName(layer.name), plan.weightBytes]];
  return derived ? [...own, [derivedName(layer.name), 4 * TAPS[kind] * inputs * outputs]] : own;
}

/** Transforms fixed weights, once after each change; nothing if none are stored. */
export function prepareWeights(walk: Walk, step: ConvolveStep): Phase[] {
  const { name } = step.layer;
  const u = walk.kept(transformedName(name));
  const { view: input } = walk.operand(step.x);
  const output = walk.view(step.out);
  const { kind, derived } = kindOf(step);
  if (u === undefined) return [];
  const plan = winogradForward({ kind, batch: walk.batch, input, output }, true);
  if (!plan) return [];
  const k = walk.kept(derivedName(name));
  const first = derived && k !== undefined ? [[deriveCall(walk, name, k, derived)]] : [];
  const w = k ?? walk.weights(walk.layer(name).weight);
  const descriptor = walk.words(plan.descriptor);
  return [...first, plan.weights({ descriptor, worker: walk.worker(plan.workerBytes), w, u })];
}
