import { type Architecture, stages } from '../../unet/architecture.js';
import type { Arena } from '../arena.js';
import { adjoint, type ConvKind, type Convolution, TAPS } from '../convolution.js';
import { contiguous, padded, pixels, slice, type View } from '../tensors.js';
import { winogradBackward, winogradForward, winogradGradient } from './algorithm.js';
import {
  allocateParameters,
  layoutParameters,
  type ParameterLayout,
  type ParameterRegions,
} from './parameters.js';

export interface UnetShape {
  readonly architecture: Architecture;
  /** Side of the square images. */
  readonly size: number;
  readonly batch: number;
  /** Rows of the time-embedding table: timesteps of the schedule. */
  readonly timesteps: number;
  /** Whether gradients and Adam's moments are kept. */
  readonly training: boolean;
}

/** A stage's tensors. `r1` and `r2` are what the two ReLUs let through: all that backward needs besides the input. */
export interface StageMemory {
  readonly name: string;
  readonly up: boolean;
  readonly norms: readonly [string, string];
  readonly input: View;
  readonly r1: View;
  readonly r2: View;
  readonly output: View;
  /** ReLU(Linear(embedding)), [batch, channels]. */
  readonly time: number;
  /** Shift of the first norm and `time`, [batch, channels]. */
  readonly shift: number;
  /** Scale and shift of each application of a norm, [2][channels]; then mean and 1/σ, likewise. */
  readonly affine: readonly [number, number];
  readonly saved: readonly [number, number];
  readonly gradient?: {
    readonly input: View | null;
    readonly output: View;
    readonly time: number;
    /** The down stages after the first add to what the up stages left in the skip. */
    readonly accumulate: boolean;
  };
}

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

/** Winograd's memory: as much as its neediest convolution takes, in whichever direction. */
function planWinograd(
  arena: Arena,
  memory: Pick<UnetMemory, 'shape' | 'first' | 'input' | 'stages' | 'layout'>,
  threads: number,
  shared: UnetMemory['transformedWeights'] | undefined,
): Pick<UnetMemory, 'winograd' | 'transformedWeights'> {
  const { training } = memory.shape;
  const own = new Map<string, number>();
  let scratch = 0;
  let workerBytes = 0;
  let u = 0;
  for (const [name, c] of convolutions(memory)) {
    const forward = winogradForward(c, !training);
    const back = training ? [winogradForward(adjoint(c, false), false), winogradGradient(c)] : [];
    const both = training ? winogradBackward(c) : null;
    for (const plan of [forward, ...back]) scratch = Math.max(scratch, plan?.scratchBytes ?? 0);
    for (const plan of [forward, ...back, both])
      workerBytes = Math.max(workerBytes, plan?.workerBytes ?? 0);
    for (const plan of training ? [forward, ...back, both] : [])
      u = Math.max(u, plan?.weightBytes ?? 0);
    if (forward && !training && !shared)
      own.set(name, arena.bytes('transformed weights', forward.weightBytes));
  }
  // A cache line between workers.
  workerBytes = 64 * Math.ceil(workerBytes / 64) + 64;
  return {
    winograd: {
      scratch: arena.bytes('scratch', scratch),
      worker: arena.bytes('scratch', threads * workerBytes),
      workerBytes,
      u: arena.bytes('scratch', u),
    },
    transformedWeights: shared ?? own,
  };
}

/** The U-Net's convolutions but the last, which is a product of matrices. */
function convolutions({
  shape,
  stages,
  input,
  first,
}: Pick<UnetMemory, 'shape' | 'first' | 'input' | 'stages'>): [name: string, Convolution][] {
  const { batch } = shape;
  return [
    ['conv0', { kind: 'same3', batch, input, output: first }],
    ...stages.flatMap((s): [string, Convolution][] => [
      [`${s.name}.conv1`, { kind: 'same3', batch, input: s.input, output: s.r1 }],
      [`${s.name}.conv2`, { kind: 'same3', batch, input: s.r1, output: s.r2 }],
      [
        `${s.name}.transform`,
        { kind: s.up ? 'transposed4' : 'strided4', batch, input: s.r2, output: s.output },
      ],
    ]),
  ];
}

/**
 * Partial column sums: of the output gradient of one convolution over the batch (bias), of one stage image by image
 * (time embedding), or of all the time layers at once.
 */
function columnPartialFloats(memory: Omit<UnetMemory, 'training'>): number {
  const { batch } = memory.shape;
  const blocks = (rows: number) => Math.ceil(rows / 256);
  const overBatch = (view: View) => blocks(batch * pixels(view)) * view.channels;
  const views = [memory.first, memory.output, ...memory.stages.flatMap((s) => [s.r1, s.output])];
  const perImage = memory.stages.map((s) => batch * blocks(pixels(s.r1)) * s.r1.channels);
  return Math.max(...views.map(overBatch), ...perImage, blocks(batch) * timeOutputs(memory.layout));
}

/** Outputs of all layers that read the time embedding, and of the one that makes it. */
const timeOutputs = (layout: ParameterLayout): number =>
  linears(layout).reduce((sum, l) => sum + l.outputs, 0);

const linears = (layout: ParameterLayout) =>
  [...layout.layers.values()].filter((l) => l.layer.kind === 'linear');

/** Transposed weights: of the largest convolution, or of all the time layers at once. */
function transposedFloats(layout: ParameterLayout): number {
  const floats = [...layout.layers.values()].map(
    (l) => l.inputs * l.outputs * TAPS[convKind(l.layer.kind, l.layer.kernel)],
  );
  return Math.max(
    ...floats,
    linears(layout).reduce((sum, l) => sum + l.inputs * l.outputs, 0),
  );
}

/** The engine's kind of convolution for a layer. */
export function convKind(kind: string, kernel: number): ConvKind {
  if (kind === 'convTranspose') return 'transposed4';
  return kernel === 3 ? 'same3' : kernel === 4 ? 'strided4' : 'same1';
}

/**
 * The stages' tensors. An up stage reads a buffer [batch, side, side, 2·channels] whose first half the stage below
 * writes and whose second half a down stage has written: concatenation without a copy. Gradients mirror it.
 */
function planStages(
  arena: Arena,
  { architecture, batch, size, training }: UnetShape,
  first: View,
  last: View,
  dLast: View | undefined,
): StageMemory[] {
  const list = stages(architecture);
  const depth = list.length / 2;
  const widths = architecture.widths.map(padded);
  const image = (group: string, side: number, channels: number): View =>
    contiguous(arena.floats(group, batch * side * side * channels), side, channels);
  const side = (level: number) => size / 2 ** level;
  const concat = (group: string) =>
    Array.from({ length: depth }, (_, j) => image(group, side(depth - j), 2 * widths[depth - j]!));
  const joined = concat('activations');
  const dJoined = training ? concat('gradients of activations') : [];
  const half = (view: View, second: boolean) =>
    slice(view, second ? view.channels / 2 : 0, view.channels / 2);

  const level = (s: number) => (s < depth ? s : 2 * depth - s);
  const largest = Math.max(...list.map((s, i) => side(level(i)) ** 2 * padded(s.outputs)));
  // Without a backward pass nothing outlives its stage, so that all stages share two tensors.
  const shared = training
    ? null
    : ([0, 1].map(() => arena.floats('activations', batch * largest)) as [number, number]);

  return list.map((stage, s) => {
    const channels = padded(stage.outputs);
    const at = side(level(s));
    const relu = (k: 0 | 1) =>
      shared ? contiguous(shared[k], at, channels) : image('activations', at, channels);
    const isDown = s < depth;
    const j = s - depth;
    const input = isDown ? (s === 0 ? first : half(joined[depth - s]!, true)) : joined[j]!;
    const outputOf = (buffers: readonly View[], end: View) =>
      isDown
        ? half(buffers[depth - 1 - s]!, true)
        : j === depth - 1
          ? end
          : half(buffers[j + 1]!, false);
    const pair = (): [number, number] => [
      arena.floats('tables', 2 * channels),
      arena.floats('tables', 2 * channels),
    ];
    const memory: StageMemory = {
      name: stage.name,
      up: stage.up,
      norms: stage.norms,
      input,
      r1: relu(0),
      r2: relu(1),
      output: outputOf(joined, last),
      time: arena.floats('activations', batch * channels),
      shift: arena.floats('activations', batch * channels),
      affine: pair(),
      saved: pair(),
    };
    if (!dLast) return memory;
    const dInput = isDown ? (s === 0 ? dLast : half(dJoined[depth - s]!, true)) : dJoined[j]!;
    return {
      ...memory,
      gradient: {
        input: dInput,
        output: outputOf(dJoined, dLast),
        time: arena.floats('gradients of activations', batch * channels),
        accumulate: isDown && s > 0,
      },
    };
  });
}
