import { BLOCK } from '../../../assembly/constants.js';

import { adjoint, type LayerConvolution, TAPS, transposeCall } from '../convolution.js';
import { planDenseGradient } from '../dense-gradient.js';
import { NULL, type Pointer, plus, plusFloats } from '../pointer.js';
import { type Call, call, type Phase } from '../program.js';
import { pixels, type View } from '../tensors.js';
import type { AffinePointers } from '../winograd/forward.js';
import { winogradBackward, winogradGradient } from './algorithm.js';
import { convolve, labelled } from './convolve.js';
import { DERIVED_MODES, type Derived, kindOf, theWeights } from './layer-weights.js';
import { type LayerAddresses, weightFloats } from './parameters.js';
import type { ConvolveStep } from './steps.js';
import { together, type Walk } from './walk.js';

/** A layer's backward pass as phases of kernel calls: the gradients of its parameters, and of its input. */

/** Where small layers that run side by side have their scratch: floats from its start. */
export interface Beside {
  columns: number;
  transposed: number;
}

/**
 * The backward pass in two parts: the parameters' gradients, then (after a barrier) the input's, with the end of the
 * bias's. Advances `beside`.
 */
export function convolveBackward(
  walk: Walk,
  step: ConvolveStep,
  beside: Beside = { columns: 0, transposed: 0 },
): { parameters: Phase[]; input: Phase[] } {
  const { name } = step.layer;
  const at = walk.layer(name);
  const { view: x, affine } = walk.operand(step.x);
  const dy = walk.gradient(step.out);
  const { kind, derived } = kindOf(step);
  const c: LayerConvolution = { kind, batch: walk.batch, input: x, output: dy };
  const sums = at.bias < 0 ? noSums(walk) : columnSums(walk, step, dy, beside);
  const own = ownGradient(walk, at);
  const bias = sums.blocks > 0 ? [biasCall(own.bias, dy, sums)] : [];
  const { dw, fold } = weightGradientPlace(walk, at, own.weight, derived);
  fold.push(...own.add);
  const wanted = walk.wants(step.x);
  if (!wanted) {
    const phases = together(sums.calls, weightGradient(walk, c, dw, affine));
    return {
      parameters: labelled(walk, phases, name, 'weights', c),
      input: [...walk.emit(() => (bias.length > 0 ? [bias] : [])), ...fold],
    };
  }
  const accumulate = walk.accumulates(step.x);
  const dx = walk.gradient(step.x);
  const weights = theWeights(walk, step, derived);
  const floats = TAPS[kind] * at.inputs * at.outputs;
  const transposed = plusFloats(
    walk.scratch('transposed weights', 4 * (beside.transposed + floats)),
    beside.transposed,
  );
  beside.transposed += floats;
  const transpose = transposeCall(
    { ...c, input: { ...x, channels: at.inputs }, output: { ...dy, channels: at.outputs } },
    transposed,
    weights.at,
  );
  const before = [...sums.calls, transpose];
  const both = bothGradients(walk, c, dx, { w: transposed, dw, accumulate, affine });
  if (both) {
    const phases = labelled(walk, together(bias, both), name, 'both', c);
    return {
      parameters: [...weights.phases, ...labelled(walk, [before], name, 'both', c)],
      input: [...phases, ...fold],
    };
  }
  const parameters = together(before, weightGradient(walk, c, dw, affine));
  const back = adjoint({ ...c, input: dx }, accumulate);
  const phases = together(bias, convolve(walk, back, transposed, { bias: NULL }));
  return {
    parameters: [...weights.phases, ...labelled(walk, parameters, name, 'weights', c)],
    input: [...labelled(walk, phases, name, 'input', back), ...fold],
  };
}

interface Sums {
  readonly at: Pointer;
  readonly blocks: number;
  readonly calls: Call[];
}

/** Of a layer without a bias. */
function noSums(walk: Walk): Sums {
  walk.sums = undefined;
  return { at: NULL, blocks: 0, calls: [] };
}

/** Column sums of a gradient by blocks: those that the previous step left, or calls that compute them. */
function columnSums(walk: Walk, { out }: ConvolveStep, dy: View, beside: Beside): Sums {
  const rows = walk.batch * pixels(dy);
  const place = walk.gradientPlace(out);
  const first = beside.columns === 0;
  const left = first && walk.sums?.place === place ? walk.sums : undefined;
  const blocks = left?.blocks ?? Math.ceil(rows / BLOCK);
  const base = walk.scratch('columns', 4 * (beside.columns + blocks * dy.channels));
  const at = plusFloats(base, beside.columns);
  if (left) return { at, blocks, calls: [] };
  walk.sums = first ? { place, blocks } : undefined;
  beside.columns += blocks * dy.channels;
  const sums = call('columnSums', [at, dy.at, rows, dy.stride, dy.channels], blocks);
  return { at, blocks, calls: [sums] };
}

function biasCall(bias: Pointer, dy: View, { at, blocks }: Sums): Call {
  return call(
    'joinColumnSums',
    [bias, dy.channels, at, blocks, dy.channels, dy.channels],
    dy.channels,
  );
}

/**
 * Where a layer's gradients are written, weight and then bias: to the parameters', or, if the layer has occurred before, to
 * scratch, from which they are added.
 */
function ownGradient(
  walk: Walk,
  at: LayerAddresses,
): { weight: Pointer; bias: Pointer; add: Phase[] } {
  const { name } = at.layer;
  const first = walk.gradients(at.weight);
  const toBias = 4 * weightFloats(at);
  const again = walk.met.has(name);
  walk.met.add(name);
  if (!again) return { weight: first, bias: plus(first, toBias), add: [] };
  const bytes = toBias + (at.bias < 0 ? 0 : 4 * at.outputs);
  const other = walk.scratch(`second gradient of ${name}`, bytes);
  // Padding makes all channel counts multiples of 8.
  const add = walk.emit(() => [[call('copyChannels', [first, 8, other, 8, 8, true], bytes / 32)]]);
  return { weight: other, bias: plus(other, toBias), add };
}

/** Where the gradient of the kernels' weights is written, and the calls that turn it into the layer's. */
function weightGradientPlace(
  walk: Walk,
  at: LayerAddresses,
  own: Pointer,
  derived: Derived | undefined,
): { dw: Pointer; fold: Phase[] } {
  if (!derived) return { dw: own, fold: [] };
  const dw = walk.scratch('derived gradient', 4 * TAPS.strided4 * at.inputs * at.outputs);
  const panels = at.outputs / 8;
  const fold = call(
    'foldGradient',
    [own, dw, at.inputs, panels, DERIVED_MODES[derived]],
    TAPS.same3 * panels,
  );
  return { dw, fold: walk.emit(() => [[fold]]) };
}

interface BothOptions {
  /** The transposed weights, and where the weight gradient is written. */
  readonly w: Pointer;
  readonly dw: Pointer;
  readonly accumulate: boolean;
  readonly affine: AffinePointers | undefined;
}

/** Both gradients, for layers that compute them at once, else null. */
function bothGradients(
  walk: Walk,
  c: LayerConvolution,
  dx: View,
  { affine, ...options }: BothOptions,
): Phase[] | null {
  const plan = winogradBackward(c);
  if (!plan) return null;
  const worker = walk.worker(plan.workerBytes);
  const u = walk.scratch('weights', plan.weightBytes);
  return walk.emit(() =>
    plan.phases({
      descriptor: walk.words(plan.descriptor),
      ...{ worker, u, x: c.input.at, dy: c.output.at, dx: dx.at },
      ...{ ...options, ...(affine && { affine }) },
    }),
  );
}

function weightGradient(
  walk: Walk,
  c: LayerConvolution,
  dw: Pointer,
  affine: AffinePointers | undefined,
): Phase[] {
  const plan = winogradGradient(c);
  if (!plan) return denseGradient(walk, c, dw);
  const worker = walk.worker(plan.workerBytes);
  const scratch = walk.scratch('planes', plan.scratchBytes);
  const du = walk.scratch('weights', plan.weightBytes);
  return walk.emit(() =>
    plan.weightGradient({
      descriptor: walk.words(plan.descriptor),
      ...{ scratch, worker, du, dw },
      x: c.input.at,
      ...(affine && { affine }),
      dy: c.output.at,
    }),
  );
}

function denseGradient(walk: Walk, c: LayerConvolution, dw: Pointer): Phase[] {
  const plan = planDenseGradient(c);
  const worker = walk.worker(plan.workerBytes);
  const scratch = walk.scratch('groups of rows', plan.scratchBytes);
  return walk.emit(() => plan.phases({ dw, scratch, worker }));
}
