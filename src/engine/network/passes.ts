import { BLOCK, HUBER, L1, L2 } from '../../../assembly/constants.js';
import { ADAM, type Loss, type Optimizer } from '../../contracts/device.js';
import { NULL } from '../pointer.js';
import { type Call, call, type Phase, type Program, type Section } from '../program.js';
import { pixels } from '../tensors.js';
import { type Beside, convolveBackward } from './convolve-backward.js';
import { isProduct, prepareWeights } from './layer-weights.js';
import { LOWERINGS, sideBackward } from './lowering.js';
import { type NetworkMemory, trainingMemory } from './memory.js';
import { prepareBatchNorm } from './norms.js';
import { averagePhases, optimizerPhases } from './optimizer.js';
import type { Step, StepOf } from './steps.js';
import { type NormMode, sideBySide, type Timesteps, Walk } from './walk.js';

/** Whole passes over a network: its steps' kernel calls in schedule order. */

/**
 * ε̂ = f(x_t, t), from `memory.xt` to the output (padded), as phases of kernel calls. Only `train` saves what the backward
 * pass needs.
 */
export function forward(memory: NetworkMemory, mode: NormMode, t: Timesteps): Phase[] {
  return forwardWalk(new Walk(memory, mode, t, true));
}

/** Writes the output without padding to `memory.epsilon`. */
export function dropPadding(memory: NetworkMemory): Phase {
  const { graph, batch } = memory.shape;
  const output = new Walk(memory, 'running', NO_TIMESTEPS, true).view(graph.output);
  const items = batch * graph.output.side ** 2;
  return [call('dropChannels', [memory.epsilon, output.at, graph.output.channels], items)];
}

/** Forward in training mode, the loss, and every gradient. */
export function training(memory: NetworkMemory, loss: Loss): Phase[] {
  return trainingWalk(trainWalk(memory), loss);
}

/** One step of the optimizer, and of the averages. */
export function optimizing(memory: NetworkMemory, optimizer: Optimizer): Phase[] {
  return [
    ...optimizerPhases(trainWalk(memory), optimizer),
    ...averagePhases(trainingMemory(memory)),
  ];
}

/** Adds the gradients of a batch to those before it, weighted by its share of the step. */
export function summing(memory: NetworkMemory, share: number, more: boolean): Section {
  const { regions, layout } = trainingMemory(memory);
  const { sum, gradients } = regions.training;
  const add = call('addGradient', [sum, gradients, share, Number(more)], layout.floats / 4, {
    grain: 4,
  });
  return { name: 'optimizer', phases: [[add]] };
}

const trainWalk = (memory: NetworkMemory): Walk =>
  new Walk(memory, 'train', { at: memory.t, every: true }, true);

/** The walk of training, or of prediction with the batch's own statistics: it needs everything that any other walk needs. */
export function survey(memory: NetworkMemory): Walk {
  const walk = new Walk(memory, memory.shape.training ? 'train' : 'batch', NO_TIMESTEPS, false);
  const { training, muon } = memory.shape;
  if (!training) forwardWalk(walk);
  else trainingWalk(walk, 'l1');
  if (muon) optimizerPhases(walk, { ...ADAM, muon: { momentum: 0, ratio: 0 } });
  return walk;
}

/** The batch norms' scale and shift from the running statistics; once after each change of the weights or statistics. */
export function prepareNorms(memory: NetworkMemory): Phase {
  const walk = new Walk(memory, 'running', NO_TIMESTEPS, true);
  return memory.schedule.images.flatMap((step): Call[] =>
    step.op === 'batchNorm' ? [prepareBatchNorm(walk, step)] : [],
  );
}

/** The transformed weights, if they are stored, which is in plans without training; once after each change of them. */
export function prepareKeptWeights(memory: NetworkMemory): Phase[] {
  const walk = new Walk(memory, 'running', NO_TIMESTEPS, true);
  // In forward order, since an operand may belong to a batch norm.
  const programs = memory.schedule.images.map((step) => {
    if (step.op === 'batchNorm') walk.lazy.set(step.out.id, step);
    return step.op === 'convolve' ? prepareWeights(walk, step) : [];
  });
  // First weights that are derived, then all transforms: a transform reads what a derivation of its own layer wrote.
  const last = (program: Phase[]) => program.at(-1) ?? [];
  const first = programs.flatMap((program) => (program.length > 1 ? program[0]! : []));
  const rest = programs.flatMap(last);
  return [first, rest].filter((phase) => phase.length > 0);
}

/** `prepareKeptWeights` and `prepareNorms` of plans that share their weights, in the first one's memory. Nothing for no plans. */
export function prepareProgram(plans: readonly NetworkMemory[]): Program {
  const [first] = plans;
  const weights = first ? prepareKeptWeights(first) : [];
  const norms = plans.flatMap((plan) => prepareNorms(plan));
  return [{ name: 'unet', phases: [...weights, norms].filter((phase) => phase.length > 0) }];
}

const NO_TIMESTEPS: Timesteps = { at: NULL, every: true };

function forwardWalk(walk: Walk): Phase[] {
  const { waves, images } = walk.memory.schedule;
  const phases: Phase[] = [];
  for (const wave of waves) {
    walk.moment++;
    phases.push(...sideBySide(wave.map((step) => forwardOf(walk, step))));
  }
  for (const run of runs(images)) {
    walk.moment++;
    phases.push(...sideBySide(run.map((step) => forwardOf(walk, step))));
  }
  // The output is read after the pass.
  walk.moment++;
  walk.view(walk.memory.shape.graph.output);
  return phases;
}

/** Steps on images; consecutive products of the same value run side by side: attention's queries, keys and values. */
function runs(images: readonly Step[]): Step[][] {
  const list: Step[][] = [];
  for (const step of images) {
    const last = list.at(-1);
    if (last && readAlike(last[0]!, step)) last.push(step);
    else list.push([step]);
  }
  return list;
}

const readAlike = (a: Step, b: Step): boolean =>
  a.op === 'convolve' && b.op === 'convolve' && a.x === b.x && isProduct(a) && isProduct(b);

function trainingWalk(walk: Walk, loss: Loss): Phase[] {
  const { waves, images } = walk.memory.schedule;
  const phases = [...forwardWalk(walk), ...noiseLoss(walk, loss)];
  for (const step of [...images].reverse()) {
    walk.moment++;
    if (walk.arrived(step.out)) phases.push(...backwardOf(walk, step));
  }
  for (const wave of [...waves].reverse()) {
    walk.moment++;
    phases.push(...waveBackward(walk, wave));
  }
  // The output can still be read.
  walk.moment++;
  walk.view(walk.memory.shape.graph.output);
  return phases;
}

const forwardOf = (walk: Walk, step: Step): Phase[] => lowering(step).forward(walk, step);
const backwardOf = (walk: Walk, step: Step): Phase[] => lowering(step).backward(walk, step);

/** The table's entry for any kind of step. */
function lowering(step: Step): {
  forward(walk: Walk, step: Step): Phase[];
  backward(walk: Walk, step: Step): Phase[];
} {
  return LOWERINGS[step.op] as ReturnType<typeof lowering>;
}

const KINDS: Record<Loss, number> = { l1: L1, l2: L2, huber: HUBER };

/** The loss between the output and `memory.noise`, and its gradient with respect to the output. */
function noiseLoss(walk: Walk, loss: Loss): Phase[] {
  const { memory } = walk;
  const { output } = memory.shape.graph;
  const { channels } = output;
  const y = walk.view(output);
  walk.accumulates(output);
  const dy = walk.gradient(output);
  const count = walk.batch * pixels(y);
  const blocks = Math.ceil(count / BLOCK);
  const partial = walk.scratch('loss', 8 * blocks);
  const kind = KINDS[loss];
  const { lossWeights: weights } = memory;
  const shape = [pixels(y), channels, kind] as const;
  const ofImages = [memory.imageLosses, y.at, memory.noise, weights, ...shape] as const;
  return [
    [
      call('noiseLoss', [dy.at, partial, y.at, memory.noise, count, channels, kind], blocks),
      call('imageLosses', ofImages, walk.batch),
    ],
    weights === NULL
      ? [call('finishLoss', [memory.loss, partial, blocks, count * channels], 1)]
      : [
          call('finishLoss', [memory.loss, memory.imageLosses, walk.batch, walk.batch], 1),
          call('weighGradient', [dy.at, weights, pixels(y) * dy.channels], walk.batch),
        ],
  ];
}

/**
 * Back through a wave of steps on vectors. Linear layers run side by side: through their ReLUs, then all parameter
 * gradients, then the inputs', which may add up in one buffer.
 */
function waveBackward(walk: Walk, wave: readonly Step[]): Phase[] {
  const arrived = wave.filter((step) => walk.arrived(step.out));
  const linear = arrived.filter((step): step is StepOf<'convolve'> => step.op === 'convolve');
  const others = arrived.filter((step) => step.op !== 'convolve');
  const masks = linear.filter(({ relu }) => relu).map((step) => mask(walk, step));
  const beside: Beside = { columns: 0, transposed: 0 };
  const plans = linear.map((step) => convolveBackward(walk, step, beside));
  return [
    ...(masks.length > 0 ? [masks] : []),
    ...sideBySide(plans.map((p) => p.parameters)),
    ...plans.flatMap((p) => p.input),
    ...linear.flatMap((step) => sideBackward(walk, step)),
    ...others.flatMap((step) => backwardOf(walk, step)),
  ];
}

function mask(walk: Walk, { out }: StepOf<'convolve'>): Call {
  const d = walk.gradient(out);
  return call('reluBackward', [d.at, walk.view(out).at], (walk.batch * d.channels) / 4);
}
