import { RunError } from '../../errors.js';
import { type ConvKind, denseCall, denseScratch, type LayerConvolution } from '../convolution.js';

import { NULL, type Pointer } from '../pointer.js';
import { type Call, call, type Phase } from '../program.js';
import { pixels, strided, type View } from '../tensors.js';
import type { AffinePointers } from '../winograd/forward.js';
import { addsInPassing, chooseAlgorithm, winogradForward } from './algorithm.js';
import { kindOf, theWeights, transformedName } from './layer-weights.js';
import type { ConvolveStep } from './steps.js';
import type { Walk } from './walk.js';

/** A layer's forward pass as phases of kernel calls, with the algorithm for its shape. */

/** What a layer's calls compute: its output, the gradient of its weights or of its input, or both gradients. */
export type LayerPass = 'forward' | 'weights' | 'input' | 'both';

/** y = layer(x), added to the output's contents if the step says so. */
export function convolveForward(walk: Walk, step: ConvolveStep): Phase[] {
  const { name } = step.layer;
  const { view: input, affine } = walk.operand(step.x);
  const output = walk.view(step.out);
  const { kind, derived } = kindOf(step);
  checkHalves(name, kind, input, output);
  const plain: LayerConvolution = {
    ...{ kind, batch: walk.batch, input, output, relu: step.relu },
    accumulate: step.side !== undefined,
  };
  const { base, before } = startFrom(walk, step, plain);
  const c = { ...plain, base };
  const at = walk.layer(name);
  const u = walk.fixed ? walk.kept(transformedName(name)) : undefined;
  const weights =
    u === undefined ? theWeights(walk, step, derived) : { at: walk.weights(at.weight), phases: [] };
  const bias = at.bias < 0 ? NULL : walk.weights(at.bias);
  const phases = convolve(walk, c, weights.at, { bias, affine, u });
  return [...before, ...weights.phases, ...labelled(walk, phases, name, 'forward', c)];
}

/** What the output is added to: it is read by the layer if it is elsewhere, or copied first. */
function startFrom(
  walk: Walk,
  { side, out }: ConvolveStep,
  c: LayerConvolution,
): { base?: View; before: Phase[] } {
  if (!side) return { before: [] };
  const from = walk.view(side);
  if (walk.liesIn(side, out, 0)) return { before: [] };
  if (addsInPassing(c, walk.fixed, walk.memory.workers)) return { base: from, before: [] };
  return { before: walk.emit(() => [[copyCall(walk, c.output, from, false)]]) };
}

interface ConvolveOptions {
  readonly bias: Pointer;
  readonly affine?: AffinePointers | undefined;
  /** Address of the transformed weights, if they are stored. */
  readonly u?: Pointer | undefined;
}

/** The convolution with its algorithm. */
export function convolve(walk: Walk, c: LayerConvolution, w: Pointer, o: ConvolveOptions): Phase[] {
  const plan = winogradForward(c, walk.fixed, walk.memory.workers);
  if (!plan) {
    if (o.affine) throw new RunError('a product of matrices reads no batch norm');
    const { workers } = walk.memory;
    const worker = walk.worker(denseScratch(c, workers));
    return walk.emit(() => [[denseCall(c, workers, w, o.bias, worker)]]);
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

/** Phases whose calls are labelled with layer, pass and algorithm. */
export function labelled(
  walk: Walk,
  phases: readonly Phase[],
  name: string,
  pass: LayerPass,
  c: LayerConvolution,
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
