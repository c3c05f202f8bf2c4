import { RunError } from '../../errors.js';
import type { Loss } from '../../unet/device.js';
import type { Call, Phase } from '../program.js';
import { pixels, slice, type View } from '../tensors.js';
import { norm, normApply } from './forward.js';
import { layerBackward, layerGradients, vector } from './layers.js';
import type { StageMemory, TrainingPlan, UnetMemory } from './memory.js';

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
  const gradient = stage.gradient!;
  const d1: View = { ...r2, at: training.d1 };
  const d2: View = { ...r1, at: training.d2 };
  return [
    [normApply(memory, stage, 1, r2, d1.at)],
    ...layerBackward(memory, `${name}.transform`, d1, gradient.output, d1),
    ...normBackward(memory, stage, 1, d1, r2, [normApply(memory, stage, 0, r1, d2.at)]),
    ...layerBackward(memory, `${name}.conv2`, d2, d1, d2),
    ...timeSums(memory, stage, d2),
    ...normBackward(memory, stage, 0, d2, r1, []),
    ...layerBackward(memory, `${name}.conv1`, stage.input, d2, gradient.input, gradient.accumulate),
  ];
}

/** Back through a norm and the ReLU before it: `d` becomes the gradient of the convolution's output. */
function normBackward(
  memory: TrainingPlan,
  stage: StageMemory,
  k: 0 | 1,
  d: View,
  r: View,
  beside: Phase,
): Phase[] {
  const { training, partial } = memory;
  const name = stage.norms[k];
  const at = memory.layout.layers.get(name)!;
  const gradients = memory.regions.training.gradients;
  const rows = memory.shape.batch * pixels(r);
  const c = r.channels;
  const saved = stage.saved[k];
  // A shared norm is met twice: its second application comes first in backward.
  const again = k === 0 && stage.norms[0] === stage.norms[1];
  return [
    [
      {
        kernel: 'batchNormBackwardSums',
        args: [partial, d.at, r.at, saved, rows, c],
        items: Math.ceil(rows / BLOCK),
      },
      ...beside,
    ],
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
          rows,
          c,
          again ? 1 : 0,
        ],
        items: c,
      },
    ],
    [{ kernel: 'batchNormBackwardApply', args: [d.at, r.at, training.factors, c], items: rows }],
  ];
}

/** The embedding is added to every pixel, so its gradient is each image's sum. */
function timeSums(memory: TrainingPlan, stage: StageMemory, d: View): Phase[] {
  const { batch } = memory.shape;
  const blocks = Math.ceil(pixels(d) / BLOCK);
  const partial = memory.training.columnPartial;
  return [
    [
      {
        kernel: 'columnSums',
        args: [partial, d.at, pixels(d), d.stride, d.channels],
        items: batch * blocks,
      },
    ],
    [
      {
        kernel: 'joinColumnSums',
        args: [stage.gradient!.time, partial, blocks, d.channels],
        items: batch * d.channels,
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
    const plan = layerGradients(
      memory,
      name,
      embedding,
      dy,
      dEmbedding,
      s > 0,
      partialAt,
      transposedAt,
    );
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
