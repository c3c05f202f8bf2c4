import type { ExecutionContext } from 'ava';
import { type Algorithm, maps } from '../../src/tensorflow/algorithm.js';
import type { ConvolutionGeometry } from '../../src/tensorflow/convolution.js';
import { EagerMachine } from '../../src/tensorflow/eager.js';
import { GraphMachine } from '../../src/tensorflow/graph.js';
import { loadTensorflow } from '../../src/tensorflow/load.js';
import { lowerConvolution, type Tile } from '../../src/tensorflow/lowering.js';
import type { Machine, Routine } from '../../src/tensorflow/ops.js';
import { relativeError } from '../helpers/convolution.js';
import { values } from '../helpers/kernels.js';
import { tensorflowTest } from '../helpers/tensorflow.js';

const SAME = { kernel: 3, stride: 1, padding: [1, 1] } as const;
const HALVING = { kernel: 4, stride: 2, padding: [1, 1] } as const;

/**
 * Sides of one tile and of several, and one that no tile divides; as many channels in as out, fewer and more.
 */
const CASES: readonly (ConvolutionGeometry & { readonly tiles: readonly Tile[] })[] = [
  { ...SAME, batch: 3, side: 8, inputs: 5, outputs: 7, tiles: [0, 2, 4] },
  { ...SAME, batch: 1, side: 4, inputs: 16, outputs: 3, tiles: [0, 2, 4] },
  { ...SAME, batch: 2, side: 5, inputs: 4, outputs: 4, tiles: [0] },
  { ...SAME, batch: 2, side: 6, inputs: 9, outputs: 8, tiles: [0, 2] },
  { ...HALVING, batch: 3, side: 16, inputs: 6, outputs: 5, tiles: [0, 2, 4] },
  { ...HALVING, batch: 2, side: 8, inputs: 3, outputs: 8, tiles: [0, 2, 4] },
  { ...HALVING, batch: 4, side: 2, inputs: 8, outputs: 8, tiles: [0] },
];

/** Of the root mean square: patches sum in another order, tiles round what their matrices magnify. */
const TOLERANCE: Readonly<Record<Tile, number>> = { 0: 1e-5, 2: 1e-5, 4: 3e-5 };

type Name = 'forward' | 'imageGradient' | 'weightGradient';

/** The three maps as routines of plain values. */
function routines(c: ConvolutionGeometry, algorithm: Algorithm): Record<Name, Routine> {
  const x = { name: 'x', shape: [c.batch, c.side, c.side, c.inputs] };
  const w = { name: 'w', shape: [c.kernel, c.kernel, c.inputs, c.outputs] };
  const side = c.side / c.stride;
  const dy = { name: 'dy', shape: [c.batch, side, side, c.outputs] };
  return {
    forward: {
      inputs: [x, w],
      body: (ops, [image, weights]) => {
        const by = maps(ops, algorithm);
        return [by.forward(by.image(image!), by.weights(weights!))];
      },
    },
    imageGradient: {
      inputs: [dy, w],
      body: (ops, [gradient, weights]) => {
        const by = maps(ops, algorithm);
        return [by.imageGradient(by.gradient(gradient!), by.weights(weights!))];
      },
    },
    weightGradient: {
      inputs: [x, dy],
      body: (ops, [image, gradient]) => {
        const by = maps(ops, algorithm);
        return [by.weightGradient(by.image(image!), by.gradient(gradient!))];
      },
    },
  };
}

/** What the three maps give of the same values, by graph or by eager execution. */
async function compute(c: ConvolutionGeometry, algorithm: Algorithm, eager = false) {
  const tensorflow = await loadTensorflow();
  const machine: Machine<Name> = eager
    ? new EagerMachine(tensorflow, routines(c, algorithm))
    : new GraphMachine(tensorflow, routines(c, algorithm));
  const x = values(c.batch * c.side ** 2 * c.inputs, 1);
  const w = values(c.kernel ** 2 * c.inputs * c.outputs, 2);
  const dy = values(c.batch * (c.side / c.stride) ** 2 * c.outputs, 3);
  const results = {
    forward: machine.run('forward', [x, w])[0]!,
    imageGradient: machine.run('imageGradient', [dy, w])[0]!,
    weightGradient: machine.run('weightGradient', [x, dy])[0]!,
  };
  machine.dispose();
  return results;
}

type Results = Awaited<ReturnType<typeof compute>>;

function agree(t: ExecutionContext, got: Results, expected: Results, tolerance: number): void {
  for (const name of Object.keys(expected) as Name[]) {
    t.is(got[name].length, expected[name].length, name);
    const error = relativeError(got[name], expected[name]);
    t.true(error <= tolerance, `${name} is off by ${error} of the rms, allowed ${tolerance}`);
  }
}

for (const { tiles, ...c } of CASES)
  tensorflowTest(
    `${c.kernel}x${c.kernel}, ${c.inputs} to ${c.outputs} channels at ${c.side}x${c.side}: tiles ${tiles} match TensorFlow's convolutions`,
    async (t) => {
      const expected = await compute(c, { direct: c });
      for (const tile of tiles) {
        const algorithm = { lowered: lowerConvolution(c, tile) };
        agree(t, await compute(c, algorithm), expected, TOLERANCE[tile]);
        agree(t, await compute(c, algorithm, true), expected, TOLERANCE[tile]);
      }
    },
  );
