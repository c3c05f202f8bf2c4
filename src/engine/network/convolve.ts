import { BLOCK, STRIDED, STRIDED_RIGHT, UPSAMPLED } from '../../../assembly/constants.js';
import { RunError } from '../../errors.js';
import {
  adjoint,
  type ConvKind,
  type Convolution,
  denseCall,
  denseScratch,
  TAPS,
  transposeCall,
} from '../convolution.js';
import { planDenseGradient } from '../dense-gradient.js';
import { NULL, type Pointer, plus, plusFloats } from '../pointer.js';
import { type Call, call, type Phase } from '../program.js';
import { pixels, strided, type View } from '../tensors.js';
import type { AffinePointers } from '../winograd/forward.js';
import {
  addsInPassing,
  chooseAlgorithm,
  winogradBackward,
  winogradForward,
  winogradGradient,
} from './algorithm.js';
import type { LayerAddresses } from './parameters.js';
import type { ConvolveStep } from './steps.js';
import { together, type Walk } from './walk.js';

/** A layer's forward and backward passes as phases of kernel calls, whatever algorithm its shape calls for. */

/** What a layer's calls compute: its output, the gradients of its weights or of its input, or both of these. */
export type LayerPass = 'forward' | 'weights' | 'input' | 'both';

/**
 * How a layer's weights become those of a convolution that the kernels have: a 3x3 convolution of stride 2 is a 4x4 one with
 * zeros, and behind an upsampling a 4x4 transposed one of sums.
 */
const DERIVED_MODES = {
  strided: STRIDED,
  stridedRight: STRIDED_RIGHT,
  upsampled: UPSAMPLED,
} as const;
type Derived = keyof typeof DERIVED_MODES;

/** The kernels' convolution that a step is, and how its weights are made if not as they are. */
function kindOf({ layer, upsampled }: ConvolveStep): { kind: ConvKind; derived?: Derived } {
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

/** y = layer(x), added to what is there if the step says so. */
export function convolveForward(walk: Walk, step: ConvolveStep): Phase[] {
  const { name } = step.layer;
  const { view: input, affine } = walk.operand(step.x);
  const output = walk.view(step.out);
  const { kind, derived } = kindOf(step);
  checkHalves(name, kind, input, output);
  const plain: Convolution = {
    ...{ kind, batch: walk.batch, input, output, relu: step.relu },
    accumulate: step.side !== undefined,
  };
  const { base, before } = startFrom(walk, step, plain);
  const c = { ...plain, base };
  const at = walk.layer(name);
  const u = walk.fixed ? walk.kept(transformedName(name)) : undefined;
  const weights =
    u === undefined ? theWeights(walk, step, derived) : { at: walk.weights(at.weight), phases: [] };
  const bias = walk.weights(at.bias);
  const phases = convolve(walk, c, weights.at, { bias, affine, u });
  return [...before, ...weights.phases, ...labelled(walk, phases, name, 'forward', c)];
}

/** What the output is added to, unless it lies there: for the layer to read, or copied there first. */
function startFrom(
  walk: Walk,
  { side, out }: ConvolveStep,
  c: Convolution,
): { base?: View; before: Phase[] } {
  if (!side) return { before: [] };
  const from = walk.view(side);
  if (walk.liesIn(side, out, 0)) return { before: [] };
  if (addsInPassing(c, walk.fixed)) return { base: from, before: [] };
  return { before: walk.emit(() => [[copyCall(walk, c.output, from, false)]]) };
}

/** The weights as the kernels take them, made for this pass if they are derived. */
function theWeights(
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

interface ConvolveOptions {
  readonly bias: Pointer;
  readonly affine?: AffinePointers | undefined;
  /** Where the weights stand transformed, if they do. */
  readonly u?: Pointer | undefined;
}

/** The convolution by its algorithm. */
function convolve(walk: Walk, c: Convolution, w: Pointer, o: ConvolveOptions): Phase[] {
  const plan = winogradForward(c, walk.fixed);
  if (!plan) {
    if (o.affine) throw new RunError('a product of matrices reads no batch norm');
    const worker = walk.worker(denseScratch(c));
    return walk.emit(() => [[denseCall(c, w, o.bias, worker)]]);
  }
  const worker = walk.worker(plan.workerBytes);
  const scratch = walk.scratch('planes', plan.scratchBytes);
  const u = o.u ?? walk.scratch('weights', plan.weightBytes);
  return walk.emit(() =>
    plan.forward({
      descriptor: walk.words(plan.descriptor),
      ...{ worker, scratch, w, u },
      x: c.input.at,
      ...(o.affine && { affine: o.affine }),
      ready: o.u !== undefined,
      y: c.output.at,
      ...(c.base && { base: c.base }),
      bias: o.bias,
      accumulate: c.accumulate ?? false,
      relu: c.relu ?? false,
    }),
  );
}

/** Where small layers that go side by side have their scratch: floats from its beginning. */
export interface Beside {
  columns: number;
  transposed: number;
}

/**
 * The backward pass in two parts: the parameters' gradients, then (after a barrier) the input's with the last of the
 * bias. `beside` is moved on.
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
  const c: Convolution = { kind, batch: walk.batch, input: x, output: dy };
  const sums = columnSums(walk, step, dy, beside);
  const own = ownGradient(walk, at);
  const bias = biasCall(own.bias, dy, sums);
  const { dw, fold } = weightGradientPlace(walk, at, own.weight, derived);
  fold.push(...own.add);
  const wanted = walk.wants(step.x);
  if (!wanted) {
    const phases = together(sums.calls, weightGradient(walk, c, dw, affine));
    return {
      parameters: labelled(walk, phases, name, 'weights', c),
      input: [...walk.emit(() => [[bias]]), ...fold],
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
    const phases = labelled(walk, together([bias], both), name, 'both', c);
    return {
      parameters: [...weights.phases, ...labelled(walk, [before], name, 'both', c)],
      input: [...phases, ...fold],
    };
  }
  const parameters = together(before, weightGradient(walk, c, dw, affine));
  const back = adjoint({ ...c, input: dx }, accumulate);
  const phases = together([bias], convolve(walk, back, transposed, { bias: NULL }));
  return {
    parameters: [...weights.phases, ...labelled(walk, parameters, name, 'weights', c)],
    input: [...labelled(walk, phases, name, 'input', back), ...fold],
  };
}

/** Sums of a gradient's columns by blocks: those that the step before has left, or calls that take them. */
function columnSums(
  walk: Walk,
  { out }: ConvolveStep,
  dy: View,
  beside: Beside,
): { at: Pointer; blocks: number; calls: Call[] } {
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

function biasCall(bias: Pointer, dy: View, { at, blocks }: { at: Pointer; blocks: number }): Call {
  return call('joinColumnSums', [bias, at, blocks, dy.channels, dy.channels], dy.channels);
}

/**
 * Where the gradients of a layer go, weight and then bias: to the parameters', or where the layer has been met before, to
 * scratch from which they are added.
 */
function ownGradient(
  walk: Walk,
  at: LayerAddresses,
): { weight: Pointer; bias: Pointer; add: Phase[] } {
  const { name } = at.layer;
  const first = walk.gradients(at.weight);
  const toBias = 4 * (at.bias - at.weight);
  const again = walk.met.has(name);
  walk.met.add(name);
  if (!again) return { weight: first, bias: plus(first, toBias), add: [] };
  const bytes = toBias + 4 * at.outputs;
  const other = walk.scratch(`second gradient of ${name}`, bytes);
  // Padded channels make all counts multiples of 8.
  const add = walk.emit(() => [[call('copyChannels', [first, 8, other, 8, 8, true], bytes / 32)]]);
  return { weight: other, bias: plus(other, toBias), add };
}

/** Where the gradient of the kernels' weights goes, and how it becomes that of the layer's. */
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
  /** The transposed weights, and where the gradient of the weights goes. */
  readonly w: Pointer;
  readonly dw: Pointer;
  readonly accumulate: boolean;
  readonly affine: AffinePointers | undefined;
}

/** Both gradients of the layers that have them computed at once, else null. */
function bothGradients(
  walk: Walk,
  c: Convolution,
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
  c: Convolution,
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

function denseGradient(walk: Walk, c: Convolution, dw: Pointer): Phase[] {
  const plan = planDenseGradient(c);
  const worker = walk.worker(plan.workerBytes);
  const scratch = walk.scratch('groups of rows', plan.scratchBytes);
  return walk.emit(() => plan.phases({ dw, scratch, worker }));
}

/** Phases whose calls say what they are part of: layer, pass, algorithm. */
function labelled(
  walk: Walk,
  phases: readonly Phase[],
  name: string,
  pass: LayerPass,
  c: Convolution,
): Phase[] {
  const fixed = walk.fixed && pass === 'forward';
  const label = `${name} ${pass} ${chooseAlgorithm(c, fixed) ?? 'dense'}`;
  return phases.map((phase) => phase.map((call) => ({ ...call, label })));
}

/** One tensor copied to another, or added to it. */
export const copyCall = (walk: Walk, to: View, from: View, add: boolean): Call =>
  call(
    'copyChannels',
    [...strided(to), ...strided(from), to.channels, add],
    walk.batch * pixels(to),
  );

/** The kernels of stride 2 halve an even side. */
function checkHalves(name: string, kind: ConvKind, input: View, output: View): void {
  const halves = kind === 'strided4' && input.height !== 2 * output.height;
  if (halves)
    throw new RunError(
      `${name}: the wasm device halves images of an even side, got ${input.height}`,
    );
}
