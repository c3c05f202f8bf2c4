import { STRIDED, STRIDED_RIGHT, UPSAMPLED } from '../../../assembly/constants.js';
import { RunError } from '../../errors.js';
import { type ConvKind, TAPS } from '../convolution.js';

import type { Pointer } from '../pointer.js';
import { type Call, call, type Phase } from '../program.js';

import { winogradForward } from './algorithm.js';

import type { ConvolveStep } from './steps.js';
import type { Walk } from './walk.js';

/** The convolution of the kernels that a layer is, and its weights as they take them: as they are, derived, or transformed and kept. */

/**
 * How a layer's weights become those of a convolution that the kernels have: a 3x3 convolution of stride 2 is a 4x4 one with
 * zeros, and behind an upsampling a 4x4 transposed one of sums.
 */
export const DERIVED_MODES = {
  strided: STRIDED,
  stridedRight: STRIDED_RIGHT,
  upsampled: UPSAMPLED,
} as const;
export type Derived = keyof typeof DERIVED_MODES;

/** The kernels' convolution that a step is, and how its weights are made if not as they are. */
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

/** Whether a step is a product of matrices of its input and nothing else. */
export const isProduct = (step: ConvolveStep): boolean =>
  kindOf(step).kind === 'same1' && !step.side;

/** The weights as the kernels take them, made for this pass if they are derived. */
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

/** Name of the transformed weights of a layer, and of the derived ones that they are made from. */
export const transformedName = (layer: string): string => `transformed ${layer}`;
const derivedName = (layer: string): string => `derived ${layer}`;

/** Bytes by name that the layer keeps where the weights stay: transformed weights, and those they are made from. */
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

/** Transforms the weights that stay, once for each change of them; nothing where none are kept. */
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
