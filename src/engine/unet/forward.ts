import type { Argument, Call, Phase } from '../program.js';
import { pixels, slice, type View } from '../tensors.js';
import type { AffinePointers } from '../winograd/forward.js';
import { layerForward, transformWeights, vector } from './layers.js';
import type { UnetMemory } from './memory.js';
import type { StageMemory } from './stage-memory.js';

/**
 * Where BatchNorm's statistics come from: `train` uses the batch's and moves the running ones, `batch` uses the
 * batch's alone, `running` uses the running ones.
 */
export type NormMode = 'train' | 'batch' | 'running';

export const EPS = 1e-5;
const MOMENTUM = 0.1;

/** Timesteps of a pass: their address (which may move with the step), and whether there is one for each image. */
export interface Timesteps {
  readonly at: Argument;
  readonly every: boolean;
}

/**
 * ε̂ = f(x_t, t), from `memory.xt` to `memory.output` (padded), as phases of kernel calls. Only `train` leaves what
 * the backward pass needs.
 */
export function forward(memory: UnetMemory, mode: NormMode, t: Timesteps): Phase[] {
  const { shape, input } = memory;
  const { batch, size, architecture } = shape;
  const phases: Phase[] = [...embedTime(memory, t)];
  phases[0] = [
    ...phases[0]!,
    {
      kernel: 'padChannels',
      args: [input.at, memory.xt, architecture.channels],
      items: batch * size * size,
    },
  ];
  const fixed = !memory.training;
  phases.push(...layerForward(memory, 'conv0', input, memory.first, { fixed }));
  for (const [s, stage] of memory.stages.entries()) {
    if (s === memory.stages.length / 2) phases.push([bottom(memory, stage)]);
    phases.push(...stageForward(memory, stage, mode));
  }
  phases.push(...layerForward(memory, 'output', memory.last, memory.output, { fixed }));
  return phases;
}

/** Every norm's scale and shift from the running statistics; once for each change of the weights or statistics. */
export function prepareNorms(memory: UnetMemory): Phase {
  return memory.stages.flatMap((stage) =>
    stage.norms.map((name, k): Call => {
      const n = norm(memory, name);
      const c = stage.r1.channels;
      return {
        kernel: 'batchNormRunning',
        args: [stage.affine[k]!, n.mean, n.variance, n.weight, n.bias, c, EPS],
        items: c,
      };
    }),
  );
}

/** The transformed weights where they are kept, which is in plans without training; once for each change of them. */
export function prepareWeights(memory: UnetMemory): Phase {
  const stages = memory.stages.flatMap((stage) => [
    ...transformWeights(memory, `${stage.name}.conv1`, stage.input, stage.r1),
    ...transformWeights(memory, `${stage.name}.conv2`, stage.r1, stage.r2),
    ...transformWeights(memory, `${stage.name}.transform`, stage.r2, stage.output),
  ]);
  return [...transformWeights(memory, 'conv0', memory.input, memory.first), ...stages];
}

/** Dense ε̂ for the world outside: `memory.output` to `memory.epsilon`. */
export function dropPadding(memory: UnetMemory): Phase {
  const { batch, size, architecture } = memory.shape;
  const args = [memory.epsilon, memory.output.at, architecture.channels];
  return [{ kernel: 'dropChannels', args, items: batch * size * size }];
}

/** Addresses of a norm's parameters and running statistics. */
export function norm(memory: UnetMemory, name: string) {
  const at = memory.layout.layers.get(name)!;
  const { weights, statistics } = memory.regions;
  return {
    weight: weights + 4 * at.weight,
    bias: weights + 4 * at.bias,
    mean: statistics + 4 * at.runningMean,
    variance: statistics + 4 * at.runningVar,
  };
}

/** What the convolution behind a norm reads its input through: the norm, and behind the first the time embedding. */
export function affine(stage: StageMemory, k: 0 | 1): AffinePointers {
  const { channels } = stage.r1;
  const scale = stage.affine[k];
  return k === 0
    ? { scale, shift: stage.shift, shiftStep: channels }
    : { scale, shift: scale + 4 * channels, shiftStep: 0 };
}

function embedTime(memory: UnetMemory, t: Timesteps): Phase[] {
  const { batch } = memory.shape;
  const width = memory.layout.layers.get('time_mlp.1')!.inputs;
  const sinusoid = vector(memory.sinusoid, width);
  const embedding = vector(memory.embedding, width);
  return [
    [
      {
        kernel: 'timeEmbedding',
        args: [memory.sinusoid, memory.table, t.at, width, t.every ? 1 : 0],
        items: batch,
      },
    ],
    ...layerForward(memory, 'time_mlp.1', sinusoid, embedding, { relu: true }),
    memory.stages.flatMap((s) => timeLayer(memory, s, embedding)),
  ];
}

/** ReLU(Linear(embedding)) of one stage: a single call, so that all stages do it in one phase. */
function timeLayer(memory: UnetMemory, s: StageMemory, embedding: View): Phase {
  const out = vector(s.time, s.r1.channels);
  return layerForward(memory, `${s.name}.time_mlp`, embedding, out, { relu: true }).flat();
}

/** The first up stage reads the bottom twice: as its input and as its skip. */
function bottom(memory: UnetMemory, stage: StageMemory): Call {
  const { input } = stage;
  const half = input.channels / 2;
  return {
    kernel: 'copyChannels',
    args: [input.at, input.stride, slice(input, half, half).at, input.stride, half, 0],
    items: memory.shape.batch * pixels(input),
  };
}

/**
 * h = BN(ReLU(conv1(x))) + time; h = BN(ReLU(conv2(h))); out = transform(h). What a norm makes of a ReLU's output never
 * stands in memory: the next convolution computes it as it reads.
 */
function stageForward(memory: UnetMemory, stage: StageMemory, mode: NormMode): Phase[] {
  const { name, input, r1, r2, output } = stage;
  const fixed = !memory.training;
  const through = (k: 0 | 1) => ({ fixed, affine: affine(stage, k) });
  return [
    ...layerForward(memory, `${name}.conv1`, input, r1, { relu: true, fixed }),
    ...normForward(memory, stage, 0, r1, mode),
    [timeShift(memory, stage)],
    ...layerForward(memory, `${name}.conv2`, r1, r2, { relu: true, ...through(0) }),
    ...normForward(memory, stage, 1, r2, mode),
    ...layerForward(memory, `${name}.transform`, r2, output, through(1)),
  ];
}

/** The first norm's shift and the time embedding, image by image. */
function timeShift(memory: UnetMemory, stage: StageMemory): Call {
  const { channels } = stage.r1;
  return {
    kernel: 'imageShift',
    args: [stage.shift, stage.affine[0] + 4 * channels, stage.time, channels],
    items: memory.shape.batch,
  };
}

/** Scale and shift of the batch's own statistics; those of the running ones are prepared. */
function normForward(
  memory: UnetMemory,
  stage: StageMemory,
  k: 0 | 1,
  r: View,
  mode: NormMode,
): Phase[] {
  if (mode === 'running') return [];
  const rows = memory.shape.batch * pixels(r);
  const n = norm(memory, stage.norms[k]);
  const c = r.channels;
  const momentum = mode === 'train' ? MOMENTUM : 0;
  return [
    [
      {
        kernel: 'batchNormMoments',
        args: [memory.partial, r.at, rows, c],
        items: Math.ceil(rows / 256),
      },
    ],
    [
      {
        kernel: 'batchNormFinish',
        args: [
          stage.affine[k],
          stage.saved[k],
          n.mean,
          n.variance,
          memory.partial,
          n.weight,
          n.bias,
          rows,
          c,
          momentum,
          EPS,
        ],
        items: c,
      },
    ],
  ];
}
