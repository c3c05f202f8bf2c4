import { RunError } from '../../errors.js';
import type { Value } from '../../network/graph.js';
import type { Call, Phase } from '../program.js';
import { pixels, type View } from '../tensors.js';
import type { LayerAddresses } from './parameters.js';
import type { BatchNormStep, GroupNormStep } from './steps.js';
import { affineOf, BLOCK, savedOf, shiftOf, type Walk } from './walk.js';

/** Norms, forward and backward. */

/** As PyTorch's: how far running statistics move towards the batch's. */
const MOMENTUM = 0.1;

/** Blocks that an image's pixels are summed by. */
const blocksOf = (view: View): number => Math.ceil(pixels(view) / BLOCK);

/** Addresses of a norm's parameters and running statistics. */
function addresses(walk: Walk, { weight, bias, runningMean, runningVar }: LayerAddresses) {
  const { statistics } = walk.memory.regions;
  return {
    weight: walk.weights(weight),
    bias: walk.weights(bias),
    mean: statistics + 4 * runningMean,
    variance: statistics + 4 * runningVar,
  };
}

/** Scale and shift of the batch's own statistics (those of the running ones are prepared), and the vector on top. */
export function batchNormForward(walk: Walk, step: BatchNormStep): Phase[] {
  walk.lazy.set(step.out.id, step);
  const r = walk.view(step.x);
  const c = r.channels;
  const rows = walk.batch * pixels(r);
  const n = addresses(walk, walk.layer(step.layer.name));
  const affine = walk.kept(affineOf(step)) ?? 0;
  const saved = walk.kept(savedOf(step)) ?? 0;
  const phases: Phase[] = [];
  if (walk.mode !== 'running') {
    const partial = walk.scratch('partial', 8 * Math.ceil(rows / BLOCK) * c);
    const momentum = walk.mode === 'train' ? MOMENTUM : 0;
    const moments = [partial, r.at, rows, c];
    phases.push(
      [{ kernel: 'batchNormMoments', args: moments, items: Math.ceil(rows / BLOCK) }],
      [
        {
          kernel: 'batchNormFinish',
          args: [
            ...[affine, saved, n.mean, n.variance, partial, n.weight, n.bias],
            ...[rows, c, momentum, step.layer.eps],
          ],
          items: c,
        },
      ],
    );
  }
  if (step.vector) {
    const shift = walk.floats(shiftOf(step), walk.batch * c);
    const args = [shift, affine + 4 * c, walk.view(step.vector).at, c];
    phases.push([{ kernel: 'imageShift', args, items: walk.batch }]);
  }
  return labels(`${step.layer.name} forward`, phases);
}

/** Scale and shift from the running statistics; once for each change of the weights or statistics. */
export function prepareBatchNorm(walk: Walk, step: BatchNormStep): Call {
  const n = addresses(walk, walk.layer(step.layer.name));
  const { channels } = walk.view(step.x);
  const affine = walk.kept(affineOf(step)) ?? 0;
  return {
    kernel: 'batchNormRunning',
    args: [affine, n.mean, n.variance, n.weight, n.bias, channels, step.layer.eps],
    items: channels,
  };
}

/**
 * Back through a norm and the ReLU before it, in place: the result's gradient becomes that of the convolution's output,
 * whose column sums are left in `columns`. A vector was added to every pixel, so that its gradient is each image's sum.
 */
export function batchNormBackward(walk: Walk, step: BatchNormStep): Phase[] {
  const r = walk.view(step.x);
  const d = walk.gradient(step.out);
  const c = r.channels;
  const items = walk.batch * blocksOf(r);
  const at = walk.layer(step.layer.name);
  const saved = walk.kept(savedOf(step)) ?? 0;
  const partial = walk.scratch('partial', 8 * items * c);
  const factors = walk.scratch('factors', 12 * c);
  const columns = walk.scratch('columns', 4 * items * c);
  const again = walk.met.has(step.layer.name);
  walk.met.add(step.layer.name);
  const vector = step.vector && vectorGradient(walk, step.vector, partial, r, 2 * c);
  walk.takesOver(step.x, step.out);
  walk.accumulates(step.x);
  walk.sums = { place: walk.gradientPlace(step.x), blocks: items };
  return labels(`${step.layer.name} backward`, [
    [{ kernel: 'batchNormBackwardSums', args: [partial, d.at, r.at, saved, pixels(r), c], items }],
    [
      {
        kernel: 'batchNormBackwardFinish',
        args: [
          ...[factors, walk.gradients(at.weight), walk.gradients(at.bias), partial],
          ...[walk.weights(at.weight), saved, walk.batch * pixels(r), items, c, again ? 1 : 0],
        ],
        items: c,
      },
      ...(vector ? [vector] : []),
    ],
    [
      {
        kernel: 'batchNormBackwardApply',
        args: [d.at, columns, r.at, factors, pixels(r), c],
        items,
      },
    ],
  ]);
}

/** The gradient of a vector that was added to every pixel: each image's sum, of blocks that lie `step` floats apart. */
function vectorGradient(
  walk: Walk,
  vector: Value,
  sums: number,
  { channels, height, width }: View,
  step: number,
): Call {
  walk.accumulates(vector);
  const blocks = Math.ceil((height * width) / BLOCK);
  return {
    kernel: 'joinColumnSums',
    args: [walk.gradient(vector).at, sums, blocks, channels, step],
    items: walk.batch * channels,
  };
}

/** What a group norm leaves for its backward pass: scale and shift of each image, then mean and 1/σ. */
const affineName = ({ out }: GroupNormStep): string => `affine ${out.id}`;
const savedName = ({ out }: GroupNormStep): string => `saved ${out.id}`;

/** Name of the table that says to which group each channel belongs. */
export const membersName = (layer: string): string => `members ${layer}`;

/** The group of each padded channel, −1 for padding. */
export function members({ outputPlaces, outputs }: LayerAddresses, groups: number): Int32Array {
  const table = new Int32Array(outputs).fill(-1);
  const per = outputPlaces.length / groups;
  for (const [c, place] of outputPlaces.entries()) table[place] = Math.floor(c / per);
  return table;
}

/** activation((norm(x + vector))·(1 + scale) + shift), materialised. */
export function groupNormForward(walk: Walk, step: GroupNormStep): Phase[] {
  const { layer, vector, film } = step;
  const x = walk.view(step.x);
  const y = walk.view(step.out);
  const at = walk.layer(layer.name);
  const c = x.channels;
  const items = walk.batch * blocksOf(x);
  const partial = walk.scratch('partial', 8 * items * c);
  const affine = walk.floats(affineName(step), 2 * walk.batch * c);
  const saved = walk.floats(savedName(step), 2 * walk.batch * c);
  const table = walk.kept(membersName(layer.name)) ?? 0;
  const [add, addStride] = vector ? [walk.view(vector).at, walk.view(vector).stride] : [0, 0];
  const [by, byStride] = film ? [walk.view(film).at, walk.view(film).stride] : [0, 0];
  const n = addresses(walk, at);
  return labels(labelOf(step, 'forward'), [
    [
      {
        kernel: 'groupNormMoments',
        args: [partial, x.at, x.stride, pixels(x), c],
        items,
      },
    ],
    [
      {
        kernel: 'groupNormFinish',
        args: [
          ...[affine, saved, partial, n.weight, n.bias, table, add, addStride, by, byStride],
          ...[pixels(x), c, layer.groups, layer.outputs / layer.groups, layer.eps],
        ],
        items: walk.batch,
      },
    ],
    [
      {
        kernel: 'groupNormApply',
        args: [y.at, y.stride, x.at, x.stride, affine, pixels(x), c, step.silu ? 1 : 0],
        items,
      },
    ],
  ]);
}

/** Back through the activation, in place, for nobody else reads dy any more; then through the norm, in place where nobody else reads x. */
export function groupNormBackward(walk: Walk, step: GroupNormStep): Phase[] {
  const { layer, vector, film } = step;
  const x = walk.view(step.x);
  const at = walk.layer(layer.name);
  const c = x.channels;
  const blocks = blocksOf(x);
  const items = walk.batch * blocks;
  const affine = walk.floats(affineName(step), 2 * walk.batch * c);
  const saved = walk.floats(savedName(step), 2 * walk.batch * c);
  const table = walk.kept(membersName(layer.name)) ?? 0;
  const partial = walk.scratch('partial', 8 * items * c);
  const factors = walk.scratch('factors', 12 * walk.batch * c);
  const sums = walk.scratch('sums', 8 * walk.batch * c);
  const columns = walk.scratch('columns', 4 * items * c);
  const [by, byStride] = film ? [walk.view(film).at, walk.view(film).stride] : [0, 0];
  if (film) walk.accumulates(film);
  const [dby, dbyStride] = film ? [walk.gradient(film).at, walk.gradient(film).stride] : [0, 0];
  const dy = walk.gradient(step.out);
  walk.takesOver(step.x, step.out);
  const accumulate = walk.accumulates(step.x);
  if (accumulate && vector)
    throw new RunError(`${layer.name}: what a vector is added to is read by others, too`);
  const dx = walk.gradient(step.x);
  const n = addresses(walk, at);
  const again = walk.met.has(layer.name);
  walk.met.add(layer.name);
  // What is added to another gradient is not all of it, so that its sums are of no use.
  walk.sums = accumulate ? undefined : { place: walk.gradientPlace(step.x), blocks: items };
  const time = vector && vectorGradient(walk, vector, columns, x, c);
  return labels(labelOf(step, 'backward'), [
    [
      {
        kernel: 'groupNormBackwardSums',
        args: [
          ...[partial, dy.at, dy.stride, x.at, x.stride, affine, saved],
          ...[pixels(x), c, step.silu ? 1 : 0],
        ],
        items,
      },
    ],
    [
      {
        kernel: 'groupNormBackwardFinish',
        args: [
          ...[factors, sums, dby, dbyStride, partial, n.weight, n.bias, saved, by, byStride, table],
          ...[pixels(x), c, layer.groups, layer.outputs / layer.groups],
        ],
        items: walk.batch,
      },
    ],
    [
      {
        kernel: 'groupNormBackwardParameters',
        args: [
          ...[walk.gradients(at.weight), walk.gradients(at.bias), sums],
          ...[walk.batch, c, again ? 1 : 0],
        ],
        items: c,
      },
      {
        kernel: 'groupNormBackwardApply',
        args: [
          ...[dx.at, dx.stride, accumulate ? 0 : columns, dy.at, dy.stride, x.at, x.stride],
          ...[factors, pixels(x), c, accumulate ? 1 : 0],
        ],
        items,
      },
    ],
    ...(time ? [[time]] : []),
  ]);
}

/** For tables of times: a norm, and whether the activation behind it goes with it. */
const labelOf = ({ layer, silu }: GroupNormStep, pass: 'forward' | 'backward'): string =>
  `${layer.name} ${pass}${silu ? ' +SiLU' : ''}`;

const labels = (label: string, phases: readonly Phase[]): Phase[] =>
  phases.map((phase) => phase.map((call) => ({ ...call, label })));
