import type { Loss } from '../../contracts/device.js';
import { RunError } from '../../errors.js';
import type { Call, Phase } from '../program.js';
import { pixels, slice, type View } from '../tensors.js';
import { affine, norm } from './forward.js';
import { layerBackward, layerGradients, vector } from './layers.js';
import type { TrainingPlan, UnetMemory } from './memory.js';
import type { StageMemory } from './stage-memory.js';

const KINDS: Record<Loss, number> = { l1: 0, l2: 1, huber: 2 };
const BLOCK = 256;

/** @throws RunError if the plan was made without training. */
export function trainingPlan(memory: UnetMemory): TrainingPlan {
  if (!memory.training || !memory.regions.training)
    throw new RunError('this U-Net was planned without training');
  return memory as TrainingPlan;
}

/** The loss between `memory.output` and `memory.noise`, and its gradient by ε̂. */
export function noiseLoss(memory: TrainingPlan, loss: Loss): Phase[] {
  const { training, shape, output } = memory;
  const channels = shape.architecture.channels;
  const count = shape.batch * pixels(output);
  const blocks = Math.ceil(count / BLOCK);
  const args = [
    training.dOutput.at,
    training.lossPartial,
    output.at,
    memory.noise,
    count,
    channels,
    KINDS[loss],
  ];
  return [
    [{ kernel: 'noiseLoss', args, items: blocks }],
    [
      {
        kernel: 'finishLoss',
        args: [training.loss, training.lossPartial, blocks, count * channels],
        items: 1,
      },
    ],
  ];
}

/** Every gradient, from `dOutput` back to conv0, after a `train` forward pass. */
export function backward(memory: TrainingPlan): Phase[] {
  const { training, stages } = memory;
  const phases: Phase[] = layerBackward(
    memory,
    'output',
    memory.last,
    training.dOutput,
    training.dLast,
  );
  for (const [s, stage] of [...stages.entries()].reverse()) {
    phases.push(...stageBackward(memory, stage));
    if (s === stages.length / 2) phases.push([bottomBackward(memory, stage.gradient!.input!)]);
  }
  phases.push(...layerBackward(memory, 'conv0', memory.input, training.dLast, null));
  return [...phases, ...timeBackward(memory)];
}

/** One step of Adam over all parameters. */
export function adam(memory: TrainingPlan): Phase {
  const { weights, training } = memory.regions;
  const args = [weights, training.gradients, training.m, training.v, memory.training.rates];
  return [{ kernel: 'adam', args, items: memory.layout.floats / 4, grain: 4 }];
}

function stageBackward(memory: TrainingPlan, stage: StageMemory): Phase[] {
  const { training } = memory;
  const { r1, r2, name } = stage;
  const { input, output, accumulate } = stage.gradient!;
  const d1: View = { ...r2, at: training.d1 };
  const d2: View = { ...r1, at: training.d2 };
  const summed = imageBlocks(memory, r1);
  return [
    ...layerBackward(memory, `${name}.transform`, r2, output, d1, { affine: affine(stage, 1) }),
    ...normBackward(memory, stage, 1, d1, r2),
    ...layerBackward(memory, `${name}.conv2`, r1, d1, d2, { affine: affine(stage, 0), summed }),
    ...normBackward(memory, stage, 0, d2, r1),
    ...layerBackward(memory, `${name}.conv1`, stage.input, d2, input, { accumulate, summed }),
  ];
}

/** Blocks of 256 pixels, or less, that an image's pixels are summed by. */
const blocksOf = (view: View): number => Math.ceil(pixels(view) / BLOCK);

/** Those of all images. */
const imageBlocks = (memory: TrainingPlan, view: View): number =>
  memory.shape.batch * blocksOf(view);

/**
 * Back through a norm and the ReLU before it: `d` becomes the gradient of the convolution's output, whose column sums are
 * left in `columnPartial`. Behind the first norm the time embedding was added to every pixel, so that its gradient is each
 * image's sum.
 */
function normBackward(
  memory: TrainingPlan,
  stage: StageMemory,
  k: 0 | 1,
  d: View,
  r: View,
): Phase[] {
  const { training, partial } = memory;
  const { batch } = memory.shape;
  const name = stage.norms[k];
  const at = memory.layout.layers.get(name)!;
  const gradients = memory.regions.training.gradients;
  const c = r.channels;
  const saved = stage.saved[k];
  const items = imageBlocks(memory, r);
  // A shared norm is met twice: its second application comes first in backward.
  const again = k === 0 && stage.norms[0] === stage.norms[1];
  const time: Call = {
    kernel: 'joinColumnSums',
    args: [stage.gradient!.time, partial, blocksOf(r), c, 2 * c],
    items: batch * c,
  };
  return [
    [{ kernel: 'batchNormBackwardSums', args: [partial, d.at, r.at, saved, pixels(r), c], items }],
    [
      {
        kernel: 'batchNormBackwardFinish',
        args: [
          training.factors,
          gradients + 4 * at.weight,
          gradients + 4 * at.bias,
          partial,
          norm(memory, name).weight,
          saved,
          batch * pixels(r),
          items,
          c,
          again ? 1 : 0,
        ],
        items: c,
      },
      ...(k === 0 ? [time] : []),
    ],
    [
      {
        kernel: 'batchNormBackwardApply',
        args: [d.at, training.columnPartial, r.at, training.factors, pixels(r), c],
        items,
      },
    ],
  ];
}

/** The bottom was read twice, so its gradient is the sum of both halves. */
function bottomBackward(memory: TrainingPlan, joined: View): Call {
  const half = joined.channels / 2;
  return {
    kernel: 'copyChannels',
    args: [slice(joined, half, half).at, joined.stride, joined.at, joined.stride, half, 1],
    items: memory.shape.batch * pixels(joined),
  };
}

/** Back through the time layers of all stages into the embedding's own layer. */
function timeBackward(memory: TrainingPlan): Phase[] {
  const { batch } = memory.shape;
  const { training } = memory;
  const width = memory.layout.layers.get('time_mlp.1')!.inputs;
  const embedding = vector(memory.embedding, width);
  const dEmbedding = vector(training.dEmbedding, width);
  const mask = (d: number, y: number, channels: number): Call => ({
    kernel: 'reluBackward',
    args: [d, y],
    items: (batch * channels) / 4,
  });
  let partialAt = 0;
  let transposedAt = 0;
  const plans = memory.stages.map((stage, s) => {
    const channels = stage.r1.channels;
    const dy = vector(stage.gradient!.time, channels);
    const name = `${stage.name}.time_mlp`;
    const plan = layerGradients(memory, name, embedding, dy, dEmbedding, {
      accumulate: s > 0,
      partialAt,
      transposedAt,
    });
    partialAt += Math.ceil(batch / BLOCK) * channels;
    transposedAt += width * channels;
    return plan;
  });
  return [
    memory.stages.map((s) => mask(s.gradient!.time, s.time, s.r1.channels)),
    plans.flatMap((p) => p.parameters.flat()),
    ...plans.flatMap((p) => p.input),
    [mask(training.dEmbedding, memory.embedding, width)],
    ...layerBackward(memory, 'time_mlp.1', vector(memory.sinusoid, width), dEmbedding, null),
  ];
}
