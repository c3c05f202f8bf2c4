import type { Arena } from '../arena.js';
import { contiguous, padded, pixels, type View } from '../tensors.js';
import {
  allocateParameters,
  layoutParameters,
  type ParameterLayout,
  type ParameterRegions,
} from './parameters.js';
import { columnPartialFloats, planWinograd, transposedFloats } from './scratch-memory.js';
import type { UnetShape } from './shape.js';
import { planStages, type StageMemory } from './stage-memory.js';

/** All addresses of a U-Net of one shape. Images are [batch, height, width, channel]. */
export interface UnetMemory {
  readonly shape: UnetShape;
  readonly layout: ParameterLayout;
  readonly regions: ParameterRegions;
  /** Dense images, f32: x_t and ε̂ always; ε in training. */
  readonly xt: number;
  readonly epsilon: number;
  readonly noise: number;
  /** u32 timesteps, one an image. */
  readonly t: number;
  /** f32 [timesteps, time channels]: the sinusoids. */
  readonly table: number;
  readonly input: View;
  readonly first: View;
  readonly stages: readonly StageMemory[];
  readonly last: View;
  readonly output: View;
  /** Sinusoid and its embedding, [batch, time channels]. */
  readonly sinusoid: number;
  readonly embedding: number;
  readonly partial: number;
  readonly training?: TrainingMemory;
  /** Winograd's: planes between the transforms, room of each worker, and transformed weights or their gradient. */
  readonly winograd: {
    readonly scratch: number;
    readonly worker: number;
    readonly workerBytes: number;
    readonly u: number;
  };
  /** Transformed weights by layer, kept where the weights stay; empty in training. */
  readonly transformedWeights: ReadonlyMap<string, number>;
  /** Reserves memory for a convolution's geometry; written once the memory exists. */
  readonly place: (words: Int32Array) => number;
  readonly placed: { readonly at: number; readonly words: Int32Array }[];
}

/** A plan that has a backward pass. */
export type TrainingPlan = UnetMemory & {
  readonly training: TrainingMemory;
  readonly regions: Required<ParameterRegions>;
};

export interface TrainingMemory {
  readonly loss: number;
  readonly lossPartial: number;
  /** lr/(1−β₁ᵗ), 1/√(1−β₂ᵗ). */
  readonly rates: number;
  readonly dOutput: View;
  /** Gradient of the last stage's output, and later of conv0's: the same shape, never at the same time. */
  readonly dLast: View;
  readonly dEmbedding: number;
  /** The gradients on either side of a stage's second convolution. */
  readonly d1: number;
  readonly d2: number;
  readonly factors: number;
  readonly columnPartial: number;
  readonly transposed: number;
}

/** What several plans of one architecture and size may have in common: all that a pass reads and does not write. */
export type SharedMemory = Pick<UnetMemory, 'layout' | 'regions' | 'table' | 'transformedWeights'>;

/**
 * Lays out a U-Net. Deterministic, allocates nothing but addresses.
 * @param shared of a plan whose weights this one reads, for passes of their own side by side; neither trains
 */
export function planMemory(
  arena: Arena,
  shape: UnetShape,
  threads: number,
  shared?: SharedMemory,
): UnetMemory {
  const { architecture, batch, size, training } = shape;
  const layout = shared?.layout ?? layoutParameters(architecture);
  const regions = shared?.regions ?? allocateParameters(arena, layout, training);
  const placed: UnetMemory['placed'] = [];
  const place = (words: Int32Array) => {
    const at = arena.bytes('tables', words.byteLength);
    placed.push({ at, words });
    return at;
  };
  const dense = batch * size * size * architecture.channels;
  const timeChannels = padded(architecture.timeDim);
  const image = (group: string, side: number, channels: number): View =>
    contiguous(arena.floats(group, batch * side * side * channels), side, channels);
  const widths = architecture.widths.map(padded);
  const common = {
    shape,
    layout,
    regions,
    place,
    placed,
    xt: arena.floats('images', dense),
    epsilon: arena.floats('images', dense),
    noise: training ? arena.floats('images', dense) : 0,
    t: arena.bytes('tables', 4 * batch),
    table: shared?.table ?? arena.floats('tables', shape.timesteps * timeChannels),
    input: image('activations', size, 8),
    first: image('activations', size, widths[0]!),
    last: image('activations', size, widths[0]!),
    output: image('activations', size, 8),
    sinusoid: arena.floats('activations', batch * timeChannels),
    embedding: arena.floats('activations', batch * timeChannels),
  };
  const dLast = training ? image('gradients of activations', size, widths[0]!) : undefined;
  const list = planStages(arena, shape, common.first, common.last, dLast);
  const largest = Math.max(...list.map((s) => batch * pixels(s.input) * s.r1.channels));
  const blocks = (s: StageMemory) => batch * Math.ceil(pixels(s.input) / 256);
  const partial = arena.floats(
    'scratch',
    Math.max(...list.map((s) => blocks(s) * 2 * s.r1.channels)),
  );
  const memory = {
    ...common,
    stages: list,
    partial,
    ...planWinograd(arena, { ...common, stages: list }, threads, shared?.transformedWeights),
  };
  if (!training || !dLast) return memory;
  const widest = Math.max(timeChannels, ...widths);
  const rows = batch * size * size;
  const d = () => arena.floats('gradients of activations', largest);
  return {
    ...memory,
    training: {
      loss: arena.bytes('tables', 8),
      lossPartial: arena.bytes('scratch', 8 * Math.ceil(rows / 256)),
      rates: arena.floats('tables', 4),
      dOutput: image('gradients of activations', size, 8),
      dLast,
      dEmbedding: arena.floats('gradients of activations', batch * timeChannels),
      d1: d(),
      d2: d(),
      factors: arena.floats('scratch', 3 * widest),
      columnPartial: arena.floats('scratch', columnPartialFloats(memory)),
      transposed: arena.floats('scratch', transposedFloats(layout)),
    },
  };
}
