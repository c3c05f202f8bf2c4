import { convCall } from '../convolution.js';
import type { Argument, Call, Phase } from '../program.js';
import { pixels, slice, type View } from '../tensors.js';
import { convKind, type StageMemory, type UnetMemory } from './memory.js';

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
 * the backward pass needs; the other modes normalise in place.
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
  phases.push([layer(memory, 'conv0', input, memory.first)]);
  for (const [s, stage] of memory.stages.entries()) {
    if (s === memory.stages.length / 2) phases.push([bottom(memory, stage)]);
    phases.push(...stageForward(memory, stage, mode));
  }
  phases.push([layer(memory, 'output', memory.last, memory.output)]);
  return phases;
}

/** Scale and shift of every norm from the running statistics; before the first `running` pass over new weights. */
export function prepareRunning(memory: UnetMemory): Phase {
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

/** Dense ε̂ for the world outside: `memory.output` to `memory.epsilon`. */
export function dropPadding(memory: UnetMemory): Phase {
  const { batch, size, architecture } = memory.shape;
  const args = [memory.epsilon, memory.output.at, architecture.channels];
  return [{ kernel: 'dropChannels', args, items: batch * size * size }];
}

/** One convolution or linear layer. */
export function layer(
  memory: UnetMemory,
  name: string,
  input: View,
  output: View,
  relu = false,
): Call {
  const at = memory.layout.layers.get(name)!;
  const { weights } = memory.regions;
  const kind = convKind(at.layer.kind, at.layer.kernel);
  return convCall(
    { kind, batch: memory.shape.batch, input, output, relu },
    weights + 4 * at.weight,
    weights + 4 * at.bias,
    memory.place,
    memory.scratch,
  );
}

/** A matrix [batch, channels] as a view of one pixel an image. */
export const vector = (at: number, channels: number): View => ({
  at,
  height: 1,
  width: 1,
  channels,
  stride: channels,
});

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

/** r · scale + shift (+ time) of one application of a norm; `h` may be `r`. */
export function normApply(
  memory: UnetMemory,
  stage: StageMemory,
  k: 0 | 1,
  r: View,
  h: number,
): Call {
  const time = k === 0 ? stage.time : 0;
  return {
    kernel: 'batchNormApply',
    args: [h, r.at, stage.affine[k], time, pixels(r), r.channels],
    items: memory.shape.batch * pixels(r),
  };
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
    [layer(memory, 'time_mlp.1', sinusoid, embedding, true)],
    memory.stages.map((s) =>
      layer(memory, `${s.name}.time_mlp`, embedding, vector(s.time, s.r1.channels), true),
    ),
  ];
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

/** h = BN(ReLU(conv1(x))) + time; h = BN(ReLU(conv2(h))); out = transform(h). */
function stageForward(memory: UnetMemory, stage: StageMemory, mode: NormMode): Phase[] {
  const { name, input, r1, r2, output } = stage;
  const kept = mode === 'train';
  const normalised = (r: View): View =>
    kept && memory.training ? { ...r, at: memory.training.h } : r;
  return [
    [layer(memory, `${name}.conv1`, input, r1, true)],
    ...normForward(memory, stage, 0, r1, normalised(r1).at, mode),
    [layer(memory, `${name}.conv2`, normalised(r1), r2, true)],
    ...normForward(memory, stage, 1, r2, normalised(r2).at, mode),
    [layer(memory, `${name}.transform`, normalised(r2), output)],
  ];
}

function normForward(
  memory: UnetMemory,
  stage: StageMemory,
  k: 0 | 1,
  r: View,
  h: number,
  mode: NormMode,
): Phase[] {
  const apply: Phase = [normApply(memory, stage, k, r, h)];
  if (mode === 'running') return [apply];
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
    apply,
  ];
}
