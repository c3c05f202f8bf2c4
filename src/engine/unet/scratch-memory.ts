import type { Arena } from '../arena.js';
import { adjoint, type Convolution, convKind, TAPS } from '../convolution.js';
import { pixels, type View } from '../tensors.js';
import { winogradBackward, winogradForward, winogradGradient } from './algorithm.js';
import type { UnetMemory } from './memory.js';
import type { ParameterLayout } from './parameters.js';

/** What a pass needs besides tensors and parameters, as much as the neediest layer takes. */

/** Winograd's memory: as much as its neediest convolution takes, in whichever direction. */
export function planWinograd(
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
export function columnPartialFloats(memory: Omit<UnetMemory, 'training'>): number {
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
export function transposedFloats(layout: ParameterLayout): number {
  const floats = [...layout.layers.values()].map(
    (l) => l.inputs * l.outputs * TAPS[convKind(l.layer.kind, l.layer.kernel)],
  );
  return Math.max(
    ...floats,
    linears(layout).reduce((sum, l) => sum + l.inputs * l.outputs, 0),
  );
}
