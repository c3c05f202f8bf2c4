import {
  adjoint,
  type Convolution,
  convCall,
  transposeCall,
  weightGradientCall,
} from '../convolution.js';
import type { Call, Phase } from '../program.js';
import { pixels, type View } from '../tensors.js';
import { WORKER_BYTES } from '../winograd.js';
import { chooseAlgorithm, winogradForward, winogradGradient } from './algorithm.js';
import { convKind, type TrainingPlan, type UnetMemory } from './memory.js';

/** A layer's forward and backward passes as phases of kernel calls, whatever algorithm its shape calls for. */

const BLOCK = 256;

/** What a layer's calls compute: its output, or the gradients of its weights or of its input. */
export type LayerPass = 'forward' | 'weights' | 'input';

/** A matrix [batch, channels] as a view of one pixel an image. */
export const vector = (at: number, channels: number): View => ({
  at,
  height: 1,
  width: 1,
  channels,
  stride: channels,
});

/** y = layer(x), with ReLU if asked. `fixed`: evaluation, where the weights stay. */
export function layerForward(
  memory: UnetMemory,
  name: string,
  input: View,
  output: View,
  { relu = false, fixed = false } = {},
): Phase[] {
  const at = memory.layout.layers.get(name)!;
  const { weights } = memory.regions;
  const c: Convolution = {
    kind: convKind(at.layer.kind, at.layer.kernel),
    batch: memory.shape.batch,
    input,
    output,
    relu,
  };
  const u = fixed ? memory.transformedWeights.get(name) : undefined;
  const phases = convolve(memory, c, weights + 4 * at.weight, weights + 4 * at.bias, fixed, u);
  return labelled(phases, name, 'forward', c, fixed);
}

/** Transforms the weights that stay, once for each change of them; nothing where none are kept. */
export function transformWeights(
  memory: UnetMemory,
  name: string,
  input: View,
  output: View,
): Phase {
  const u = memory.transformedWeights.get(name);
  if (u === undefined) return [];
  const at = memory.layout.layers.get(name)!;
  const kind = convKind(at.layer.kind, at.layer.kernel);
  const plan = winogradForward({ kind, batch: memory.shape.batch, input, output }, true);
  if (!plan) return [];
  const w = memory.regions.weights + 4 * at.weight;
  const { place, winograd } = memory;
  return plan.weights({
    descriptor: place(plan.descriptor),
    worker: worker(winograd.worker),
    w,
    u,
  });
}

/**
 * The convolution by its algorithm. Weights are transformed on the way, unless `u` holds them already or the plan
 * transforms them piece by piece.
 */
function convolve(
  memory: UnetMemory,
  c: Convolution,
  w: number,
  bias: number,
  fixed: boolean,
  u?: number,
): Phase[] {
  const { place, winograd } = memory;
  const plan = winogradForward(c, fixed);
  if (!plan) return [[convCall(c, w, bias, place, memory.scratch)]];
  const at = { descriptor: place(plan.descriptor), worker: worker(winograd.worker) };
  const calls = u === undefined ? plan.weights({ ...at, w, u: winograd.u }) : [];
  const phases = plan.forward({
    ...at,
    scratch: winograd.scratch,
    x: c.input.at,
    weights: u ?? (calls.length > 0 ? winograd.u : w),
    y: c.output.at,
    bias,
    accumulate: c.accumulate ?? false,
    relu: c.relu ?? false,
  });
  return together(calls, phases);
}

/** Weight and bias gradients of a layer, and the gradient of its input unless `dx` is null. */
export function layerBackward(
  memory: TrainingPlan,
  name: string,
  x: View,
  dy: View,
  dx: View | null,
  accumulate = false,
): Phase[] {
  const { parameters, input } = layerGradients(memory, name, x, dy, dx, accumulate);
  return [...parameters, ...input];
}

/**
 * The backward pass in two parts: the parameters' gradients, then (after a barrier) the input's with the last of the
 * bias. The offsets (floats) into shared scratch let several small layers do this side by side.
 */
export function layerGradients(
  memory: TrainingPlan,
  name: string,
  x: View,
  dy: View,
  dx: View | null,
  accumulate: boolean,
  partialAt = 0,
  transposedAt = 0,
): { parameters: Phase[]; input: Phase[] } {
  const { batch } = memory.shape;
  const at = memory.layout.layers.get(name)!;
  const { gradients } = memory.regions.training;
  const kind = convKind(at.layer.kind, at.layer.kernel);
  const c: Convolution = { kind, batch, input: x, output: dy };
  const partial = memory.training.columnPartial + 4 * partialAt;
  const transposed = memory.training.transposed + 4 * transposedAt;
  const rows = batch * pixels(dy);
  const sums: Call = {
    kernel: 'columnSums',
    args: [partial, dy.at, rows, dy.stride, dy.channels],
    items: Math.ceil(rows / BLOCK),
  };
  const bias: Call = {
    kernel: 'joinColumnSums',
    args: [gradients + 4 * at.bias, partial, Math.ceil(rows / BLOCK), dy.channels],
    items: dy.channels,
  };
  const dw = weightGradient(memory, c, gradients + 4 * at.weight);
  const parameters = (calls: Phase) => labelled(together(calls, dw), name, 'weights', c, false);
  if (!dx) return { parameters: parameters([sums]), input: [[bias]] };
  const transpose = transposeCall(c, transposed, memory.regions.weights + 4 * at.weight);
  const back = adjoint({ ...c, input: dx }, accumulate);
  const phases = together([bias], convolve(memory, back, transposed, 0, false));
  return {
    parameters: parameters([sums, transpose]),
    input: labelled(phases, name, 'input', back, false),
  };
}

/** Phases whose calls say what they are part of: layer, pass, algorithm. */
function labelled(
  phases: readonly Phase[],
  name: string,
  pass: LayerPass,
  c: Convolution,
  fixed: boolean,
): Phase[] {
  const label = `${name} ${pass} ${chooseAlgorithm(c, fixed) ?? 'direct'}`;
  return phases.map((phase) => phase.map((call) => ({ ...call, label })));
}

function weightGradient(memory: TrainingPlan, c: Convolution, dw: number): Phase[] {
  const { place, winograd } = memory;
  const plan = winogradGradient(c);
  if (!plan) return [[weightGradientCall(c, dw, place, memory.scratch)]];
  return plan.weightGradient({
    descriptor: place(plan.descriptor),
    scratch: winograd.scratch,
    worker: worker(winograd.worker),
    x: c.input.at,
    dy: c.output.at,
    du: winograd.u,
    dw,
  });
}

/** Calls that do not depend on the first phase join it. */
const together = (calls: Phase, [first, ...rest]: readonly Phase[]): Phase[] => [
  [...calls, ...first!],
  ...rest,
];

const worker = (base: number) => ({ base, perWorker: WORKER_BYTES });
