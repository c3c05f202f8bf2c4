import type { Feature, TiledConvolution } from '../../src/engine/winograd/algorithms.js';
import { convolve, weightGradient } from '../helpers/convolution.js';
import { close, eachSplit, values } from '../helpers/kernels.js';

const [BATCH, INPUTS, OUTPUTS] = [2, 16, 24];

/** Image at (row, column) with zeros around it. */
type At = (row: number, column: number) => number;

interface Layer {
  readonly title: string;
  readonly mode: number;
  readonly height: number;
  readonly width: number;
  /** Size of the output from that of the input. */
  readonly scale: (side: number) => number;
  /** What the 3x3 kernel meets with its element (ky, kx) at output (y, x). */
  readonly meet: (at: At, y: number, x: number, ky: number, kx: number) => number;
}

/** As the layers are defined, one product after the other; where the stride is 2, for even sides. */
const LAYERS: readonly Layer[] = [
  {
    ...{ title: '3x3 stride 2, padding 1', mode: 0, height: 6, width: 8 },
    scale: (side) => side / 2,
    meet: (at, y, x, ky, kx) => at(2 * y - 1 + ky, 2 * x - 1 + kx),
  },
  {
    ...{ title: '3x3 stride 2, padding right and bottom', mode: 1, height: 8, width: 6 },
    scale: (side) => side / 2,
    meet: (at, y, x, ky, kx) => at(2 * y + ky, 2 * x + kx),
  },
  {
    ...{ title: 'upsampling and 3x3, padding 1', mode: 2, height: 3, width: 5 },
    scale: (side) => side * 2,
    meet: (at, y, x, ky, kx) => at((y - 1 + ky) >> 1, (x - 1 + kx) >> 1),
  },
];

/** Place of a weight in panels of 3x3 kernels. */
const weightAt = (co: number, ky: number, kx: number, ci: number): number =>
  (((co >> 3) * 9 + ky * 3 + kx) * INPUTS + ci) * 8 + (co & 7);

/** Calls `visit` with each weight, each output that it has a part in, and the input it is multiplied by. */
function eachProduct(
  { height, width, scale, meet }: Layer,
  x: Float32Array,
  visit: (weight: number, output: number, input: number) => void,
): void {
  const [rows, columns] = [scale(height), scale(width)];
  for (let n = 0; n < BATCH; n++)
    for (let ci = 0; ci < INPUTS; ci++) {
      const at: At = (row, column) =>
        row < 0 || column < 0 || row >= height || column >= width
          ? 0
          : x[((n * height + row) * width + column) * INPUTS + ci]!;
      for (let pixel = 0; pixel < rows * columns; pixel++)
        for (let tap = 0; tap < 9; tap++) {
          const [ky, kx] = [Math.floor(tap / 3), tap % 3];
          const input = meet(at, Math.floor(pixel / columns), pixel % columns, ky, kx);
          for (let co = 0; co < OUTPUTS; co++)
            visit(weightAt(co, ky, kx, ci), (n * rows * columns + pixel) * OUTPUTS + co, input);
        }
    }
}

for (const layer of LAYERS) {
  const { title, mode, height, width, scale } = layer;
  const feature = (h: number, w: number, channels: number): Feature => ({
    ...{ height: h, width: w, channels, pixel: channels },
  });
  const c: TiledConvolution = {
    ...{ kind: mode === 2 ? 'up' : 'down', algorithm: 'F(4,2)', batch: BATCH },
    input: feature(height, width, INPUTS),
    output: feature(scale(height), scale(width), OUTPUTS),
  };
  const x = values(BATCH * height * width * INPUTS, 1);
  const w = values(9 * INPUTS * OUTPUTS, 2);
  const panels = OUTPUTS / 8;

  eachSplit(`deriveWeights: the 4x4 convolution gives the same result as ${title}`, (t, bench) => {
    const expected = new Float64Array(BATCH * scale(height) * scale(width) * OUTPUTS);
    eachProduct(layer, x, (weight, output, input) => {
      expected[output]! += w[weight]! * input;
    });
    const length = 16 * INPUTS * OUTPUTS;
    const out = bench.put(new Float32Array(length + 4).fill(7));
    bench.run('deriveWeights', [out, bench.put(w), INPUTS, panels, mode], 16 * panels);
    const derived = bench.f32(out, length + 4);
    t.deepEqual([...derived.slice(length)], [7, 7, 7, 7]);
    const got = new Float64Array(expected.length);
    convolve(c, x, derived, got);
    // A sum of four weights is rounded three times.
    close(t, got, expected, { atol: 16 * INPUTS * 2 ** -23 });
    return [derived];
  });

  eachSplit(`foldGradient: ⟨derive(w), dk⟩ = ⟨w, fold(dk)⟩ for ${title}`, (t, bench) => {
    const dk = values(16 * INPUTS * OUTPUTS, 3);
    const derived = bench.alloc(dk.byteLength);
    bench.run('deriveWeights', [derived, bench.put(w), INPUTS, panels, mode], 16 * panels);
    const dw = bench.put(new Float32Array(w.length + 4).fill(7));
    bench.run('foldGradient', [dw, bench.put(dk), INPUTS, panels, mode], 9 * panels);
    const folded = bench.f32(dw, w.length + 4);
    t.deepEqual([...folded.slice(w.length)], [7, 7, 7, 7]);
    const k = bench.f32(derived, dk.length);
    const forward = k.reduce((sum, v, i) => sum + v * dk[i]!, 0);
    const backward = w.reduce((sum, v, i) => sum + v * folded[i]!, 0);
    t.true(Math.abs(forward - backward) < w.length * 2 ** -23, `${forward}, got ${backward}`);
    t.true(Math.abs(forward) > 1);
    return [folded];
  });

  eachSplit(`foldGradient gives each weight of ${title} its own gradient`, (t, bench) => {
    const dy = values(BATCH * scale(height) * scale(width) * OUTPUTS, 5);
    const expected = new Float64Array(w.length);
    eachProduct(layer, x, (weight, output, input) => {
      expected[weight]! += dy[output]! * input;
    });
    const dk = Float32Array.from(weightGradient(c, x, dy));
    const dw = bench.alloc(w.byteLength);
    bench.run('foldGradient', [dw, bench.put(dk), INPUTS, panels, mode], 9 * panels);
    const got = bench.f32(dw, w.length);
    // Sums of some tens of products below 1, rounded to f32, and then of four of them.
    close(t, got, expected, { atol: 2 ** -18 });
    return [got];
  });
}
