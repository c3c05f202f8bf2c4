import {
  adjoint,
  type Convolution,
  convKind,
  denseCall,
  denseWeightsCall,
  transposeCall,
} from '../convolution.js';
import type { Call, Phase } from '../program.js';
import { pixels, type View } from '../tensors.js';
import type { AffinePointers } from '../winograd/forward.js';
import {
  chooseAlgorithm,
  winogradBackward,
  winogradForward,
  winogradGradient,
} from './algorithm.js';
import type { TrainingPlan, UnetMemory } from './memory.js';

/** A layer's forward and backward passes as phases of kernel calls, whatever algorithm its shape calls for. */

const BLOCK = 256;

/** What a layer's calls compute: its output, the gradients of its weights or of its input, or both of these. */
export type LayerPass = 'forward' | 'weights' | 'input' | 'both';

/** A matrix [batch, channels] as a view of one pixel an image. */
export const vector = (at: number, channels: number): View => ({
  at,
  height: 1,
  width: 1,
  channels,
  stride: channels,
});

interface ForwardOptions {
  readonly relu?: boolean;
  /** Evaluation, where the weights stay. */
  readonly fixed?: boolean;
  /** What the input goes through on its way in. */
  readonly affine?: AffinePointers | undefined;
}

/** y = layer(x). */
export function layerForward(
  memory: UnetMemory,
  name: string,
  input: View,
  output: View,
  { relu = false, fixed = false, affine }: ForwardOptions = {},
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
  const bias = weights + 4 * at.bias;
  const phases = convolve(memory, c, weights + 4 * at.weight, { bias, fixed, affine, u });
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
  return plan.weights({
    descriptor: memory.place(plan.descriptor),
    worker: worker(memory.winograd),
    w,
    u,
  });
}

interface ConvolveOptions {
  readonly bias: number;
  readonly fixed: boolean;
  readonly affine?: AffinePointers | undefined;
  /** Where the weights stand transformed, if they do. */
  readonly u?: number | undefined;
}

/** The convolution by its algorithm. */
function convolve(memory: UnetMemory, c: Convolution, w: number, o: ConvolveOptions): Phase[] {
  const { place, winograd } = memory;
  const plan = winogradForward(c, o.fixed);
  if (!plan) return [[denseCall(c, w, o.bias)]];
  return plan.forward({
    descriptor: place(plan.descriptor),
    worker: worker(winograd),
    scratch: winograd.scratch,
    x: c.input.at,
    ...(o.affine && { affine: o.affine }),
    w,
    u: o.u ?? winograd.u,
    ready: o.u !== undefined,
    y: c.output.at,
    bias: o.bias,
    accumulate: c.accumulate ?? false,
    relu: c.relu ?? false,
  });
}

interface BackwardOptions {
  /** Adds the input's gradient to what is there. */
  readonly accumulate?: boolean;
  /** What the input went through on its way in. */
  readonly affine?: AffinePointers;
  /** Blocks of dy's column sums that stand in `columnPartial` already; they are taken here otherwise. */
  readonly summed?: number | undefined;
  /** Offsets (floats) into shared scratch, by which several small layers do this side by side. */
  readonly partialAt?: number;
  readonly transposedAt?: number;
}

/** Weight and bias gradients of a layer, and the gradient of its input unless `dx` is null. */
export function layerBackward(
  memory: TrainingPlan,
  name: string,
  x: View,
  dy: View,
  dx: View | null,
  options: BackwardOptions = {},
): Phase[] {
  const { parameters, input } = layerGradients(memory, name, x, dy, dx, options);
  return [...parameters, ...input];
}

/**
 * The backward pass in two parts: the parameters' gradients, then (after a barrier) the input's with the last of the
 * bias.
 */
export function layerGradients(
  memory: TrainingPlan,
  name: string,
  x: View,
  dy: View,
  dx: View | null,
  { accumulate = false, affine, summed, partialAt = 0, transposedAt = 0 }: BackwardOptions,
): { parameters: Phase[]; input: Phase[] } {
  const { batch } = memory.shape;
  const at = memory.layout.layers.get(name)!;
  const { gradients } = memory.regions.training;
  const kind = convKind(at.layer.kind, at.layer.kernel);
  const c: Convolution = { kind, batch, input: x, output: dy };
  const partial = memory.training.columnPartial + 4 * partialAt;
  const transposed = memory.training.transposed + 4 * transposedAt;
  const rows = batch * pixels(dy);
  const blocks = summed ?? Math.ceil(rows / BLOCK);
  const sums: Phase = [
    {
      kernel: 'columnSums',
      args: [partial, dy.at, rows, dy.stride, dy.channels],
      items: blocks,
    },
  ];
  const bias: Call = {
    kernel: 'joinColumnSums',
    args: [gradients + 4 * at.bias, partial, blocks, dy.channels, dy.channels],
    items: dy.channels,
  };
  const dw = gradients + 4 * at.weight;
  const beside = summed === undefined ? sums : [];
  if (!dx) {
    const phases = together(beside, weightGradient(memory, c, dw, affine));
    return { parameters: labelled(phases, name, 'weights', c, false), input: [[bias]] };
  }
  const transpose = transposeCall(c, transposed, memory.regions.weights + 4 * at.weight);
  const before = [...beside, transpose];
  const both = bothGradients(memory, c, dx, { w: transposed, dw, accumulate, affine });
  if (both) {
    const phases = labelled(together([bias], both), name, 'both', c, false);
    return { parameters: labelled([before], name, 'both', c, false), input: phases };
  }
  const parameters = together(before, weightGradient(memory, c, dw, affine));
  const back = adjoint({ ...c, input: dx }, accumulate);
  const phases = together([bias], convolve(memory, back, transposed, { bias: 0, fixed: false }));
  return {
    parameters: labelled(parameters, name, 'weights', c, false),
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
  const label = `${name} ${pass} ${chooseAlgorithm(c, fixed) ?? 'dense'}`;
  return phases.map((phase) => phase.map((call) => ({ ...call, label })));
}

interface BothOptions {
  /** The transposed weights, and where the gradient of the weights goes. */
  readonly w: number;
  readonly dw: number;
  readonly accumulate: boolean;
  readonly affine: AffinePointers | undefined;
}

/** Both gradients of the layers that have them computed at once, else null. */
function bothGradients(
  memory: TrainingPlan,
  c: Convolution,
  dx: View,
  { affine, ...options }: BothOptions,
): Phase[] | null {
  const { place, winograd } = memory;
  const plan = winogradBackward(c);
  if (!plan) return null;
  return plan.phases({
    descriptor: place(plan.descriptor),
    worker: worker(winograd),
    ...{ x: c.input.at, dy: c.output.at, dx: dx.at, u: winograd.u },
    ...{ ...options, ...(affine && { affine }) },
  });
}

function weightGradient(
  memory: TrainingPlan,
  c: Convolution,
  dw: number,
  affine: AffinePointers | undefined,
): Phase[] {
  const { place, winograd } = memory;
  const plan = winogradGradient(c);
  if (!plan) return [[denseWeightsCall(c, dw)]];
  return plan.weightGradient({
    descriptor: place(plan.descriptor),
    scratch: winograd.scratch,
    worker: worker(winograd),
    x: c.input.at,
    ...(affine && { affine }),
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

const worker = ({ worker, workerBytes }: UnetMemory['winograd']) => ({
  base: worker,
  perWorker: workerBytes,
});
