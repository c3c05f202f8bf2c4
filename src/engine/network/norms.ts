import { BLOCK } from '../../../assembly/constants.js';
import { RunError } from '../../errors.js';
import type { Value } from '../../network/graph.js';
import { applyItems, momentItems } from '../group-norm.js';
import { NULL, type Pointer, plusFloats } from '../pointer.js';
import { type Call, call, type Phase, tuple } from '../program.js';
import { pixels, strided, type View } from '../tensors.js';
import type { LayerAddresses } from './parameters.js';
import type { BatchNormStep, GroupNormStep } from './steps.js';
import { blocksOf, joinSums } from './sums.js';
import { affineOf, savedOf, shiftOf, type Walk } from './walk.js';

/** Norms, forward and backward. */

/** PyTorch's momentum of the running statistics. */
const MOMENTUM = 0.1;

/** Stands for a missing view. */
const NONE: ReturnType<typeof strided> = [NULL, 0];

/** Addresses of a norm's parameters and running statistics. */
function addresses(walk: Walk, { weight, bias, runningMean, runningVar }: LayerAddresses) {
  const { statistics } = walk.memory.regions;
  return {
    weight: walk.weights(weight),
    bias: walk.weights(bias),
    mean: plusFloats(statistics, runningMean),
    variance: plusFloats(statistics, runningVar),
  };
}

/** Scale and shift from the batch's own statistics (those of the running ones are prepared), and the added vector. */
export function batchNormForward(walk: Walk, step: BatchNormStep): Phase[] {
  walk.lazy.set(step.out.id, step);
  const r = walk.view(step.x);
  const c = r.channels;
  const rows = walk.batch * pixels(r);
  const n = addresses(walk, walk.layer(step.layer.name));
  const affine = walk.kept(affineOf(step)) ?? NULL;
  const saved = walk.kept(savedOf(step)) ?? NULL;
  const phases: Phase[] = [];
  if (walk.mode !== 'running') {
    const partial = walk.scratch('partial', 8 * Math.ceil(rows / BLOCK) * c);
    const momentum = walk.mode === 'train' ? MOMENTUM : 0;
    phases.push(
      [call('batchNormMoments', [partial, r.at, rows, c], Math.ceil(rows / BLOCK))],
      [
        call(
          'batchNormFinish',
          [
            ...tuple(affine, saved, n.mean, n.variance, partial, n.weight, n.bias),
            ...tuple(rows, c, momentum, step.layer.eps),
          ],
          c,
        ),
      ],
    );
  }
  if (step.vector) {
    const shift = walk.floats(shiftOf(step), walk.batch * c);
    const vector = walk.view(step.vector).at;
    phases.push([call('imageShift', [shift, plusFloats(affine, c), vector, c], walk.batch)]);
  }
  return labels(`${step.layer.name} forward`, phases);
}

/** Scale and shift from the running statistics; once after each change of the weights or statistics. */
export function prepareBatchNorm(walk: Walk, step: BatchNormStep): Call {
  const n = addresses(walk, walk.layer(step.layer.name));
  const { channels } = walk.view(step.x);
  const affine = walk.kept(affineOf(step)) ?? NULL;
  return call(
    'batchNormRunning',
    [affine, n.mean, n.variance, n.weight, n.bias, channels, step.layer.eps],
    channels,
  );
}

/**
 * Back through a norm and the ReLU before it, in place: the result's gradient becomes that of the convolution's output,
 * and its column sums are left in `columns`. The vector was added to every pixel, so its gradient is each image's sum.
 */
export function batchNormBackward(walk: Walk, step: BatchNormStep): Phase[] {
  const r = walk.view(step.x);
  const d = walk.gradient(step.out);
  const c = r.channels;
  const items = walk.batch * blocksOf(r);
  const at = walk.layer(step.layer.name);
  const saved = walk.kept(savedOf(step)) ?? NULL;
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
    [call('batchNormBackwardSums', [partial, d.at, r.at, saved, pixels(r), c], items)],
    [
      call(
        'batchNormBackwardFinish',
        [
          ...tuple(factors, walk.gradients(at.weight), walk.gradients(at.bias), partial),
          ...tuple(walk.weights(at.weight), saved, walk.batch * pixels(r), items, c, again),
        ],
        c,
      ),
      ...(vector ? [vector] : []),
    ],
    [call('batchNormBackwardApply', [d.at, columns, r.at, factors, pixels(r), c], items)],
  ]);
}

/** The gradient of a vector that was added to every pixel: each image's sum, over blocks that are `step` floats apart. */
function vectorGradient(walk: Walk, vector: Value, sums: Pointer, x: View, step: number): Call {
  walk.accumulates(vector);
  return joinSums(walk, walk.gradient(vector), sums, blocksOf(x), step);
}

/** What a group norm saves for its backward pass: scale and shift of each image, then mean and 1/σ. */
const affineName = ({ out }: GroupNormStep): string => `affine ${out.id}`;
const savedName = ({ out }: GroupNormStep): string => `saved ${out.id}`;

/** Name of the table with the group of each channel. */
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
  const table = walk.kept(membersName(layer.name)) ?? NULL;
  const add = vector ? strided(walk.view(vector)) : NONE;
  const by = film ? strided(walk.view(film)) : NONE;
  const n = addresses(walk, at);
  return labels(labelOf(step, 'forward'), [
    [
      call(
        'groupNormMoments',
        [partial, ...strided(x), pixels(x), c],
        walk.batch * momentItems(pixels(x), c),
      ),
    ],
    [
      call(
        'groupNormFinish',
        [
          ...tuple(affine, saved, partial, n.weight, n.bias, table, ...add, ...by),
          ...tuple(pixels(x), c, layer.groups, layer.outputs / layer.groups, layer.eps),
        ],
        walk.batch * layer.groups,
      ),
    ],
    [
      call(
        'groupNormApply',
        [...strided(y), ...strided(x), affine, pixels(x), c, step.silu ? 1 : 0],
        walk.batch * applyItems(pixels(x)),
      ),
    ],
  ]);
}

/** Back through the activation, in place, since nothing else reads dy any more; then through the norm, in place if nothing else reads x. */
export function groupNormBackward(walk: Walk, step: GroupNormStep): Phase[] {
  const { layer, vector, film } = step;
  const x = walk.view(step.x);
  const at = walk.layer(layer.name);
  const c = x.channels;
  const blocks = blocksOf(x);
  const items = walk.batch * blocks;
  const affine = walk.floats(affineName(step), 2 * walk.batch * c);
  const saved = walk.floats(savedName(step), 2 * walk.batch * c);
  const table = walk.kept(membersName(layer.name)) ?? NULL;
  const partial = walk.scratch('partial', 8 * items * c);
  const factors = walk.scratch('factors', 12 * walk.batch * c);
  const sums = walk.scratch('sums', 8 * walk.batch * c);
  const columns = walk.scratch('columns', 4 * items * c);
  const by = film ? strided(walk.view(film)) : NONE;
  if (film) walk.accumulates(film);
  const dby = film ? strided(walk.gradient(film)) : NONE;
  const dy = walk.gradient(step.out);
  walk.takesOver(step.x, step.out);
  const accumulate = walk.accumulates(step.x);
  if (accumulate && vector)
    throw new RunError(`${layer.name}: what a vector is added to is read by others, too`);
  const dx = walk.gradient(step.x);
  const n = addresses(walk, at);
  const again = walk.met.has(layer.name);
  walk.met.add(layer.name);
  // If it was added to another gradient, the sums are not those of the whole.
  walk.sums = accumulate ? undefined : { place: walk.gradientPlace(step.x), blocks: items };
  const time = vector && vectorGradient(walk, vector, columns, x, c);
  return labels(labelOf(step, 'backward'), [
    [
      call(
        'groupNormBackwardSums',
        [
          ...tuple(partial, ...strided(dy), ...strided(x), affine, saved),
          ...tuple(pixels(x), c, step.silu ? 1 : 0),
        ],
        items,
      ),
    ],
    [
      call(
        'groupNormBackwardFinish',
        [
          ...tuple(factors, sums, ...dby, partial, n.weight, n.bias, saved, ...by, table),
          ...tuple(pixels(x), c, layer.groups, layer.outputs / layer.groups),
        ],
        walk.batch,
      ),
    ],
    [
      call(
        'groupNormBackwardParameters',
        [walk.gradients(at.weight), walk.gradients(at.bias), sums, walk.batch, c, again],
        c,
      ),
      call(
        'groupNormBackwardApply',
        [
          ...tuple(...strided(dx), accumulate ? NULL : columns, ...strided(dy), ...strided(x)),
          ...tuple(factors, pixels(x), c, accumulate),
        ],
        items,
      ),
    ],
    ...(time ? [[time]] : []),
  ]);
}

/** Label for tables of times: a norm, and whether it is fused with the activation after it. */
const labelOf = ({ layer, silu }: GroupNormStep, pass: 'forward' | 'backward'): string =>
  `${layer.name} ${pass}${silu ? ' +SiLU' : ''}`;

const labels = (label: string, phases: readonly Phase[]): Phase[] =>
  phases.map((phase) => phase.map((call) => ({ ...call, label })));
