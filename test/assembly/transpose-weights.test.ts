import { adjoint, type ConvKind, convCall, transposeCall } from '../../src/engine/convolution.js';
import { bits, eachBuild, eachSplit, values } from '../helpers/kernels.js';
import {
  type Case,
  depth,
  dot,
  length,
  place,
  weightLength,
} from '../helpers/plain-convolution.js';
import { walk } from '../helpers/program.js';

const KINDS: readonly ConvKind[] = ['same3', 'same1', 'strided4', 'transposed4'];
const shapeOf = (kind: ConvKind): Case => ({
  ...{ kind, batch: 2, size: [6, 10], inputs: 16, outputs: 24, gaps: [8, 0] },
});

for (const kind of KINDS)
  eachSplit(`transposeWeights: ⟨conv(x), z⟩ = ⟨x, adjoint(z)⟩ for ${kind}`, (t, bench) => {
    const c = shapeOf(kind);
    const { x, convolution, weights, scratch, placeShape } = place(bench, c, 0);
    const { input, output } = convolution;
    const z = values(length(output, c.batch), 5);
    const back = adjoint(
      { ...convolution, input: { ...input, at: bench.put(new Float32Array(x.length)) } },
      false,
    );
    const transposed = bench.alloc(4 * weightLength(c));
    walk(bench, [
      [
        convCall(convolution, weights, 0, placeShape, scratch),
        transposeCall(convolution, transposed, weights),
      ],
      [
        convCall(
          { ...back, input: { ...output, at: bench.put(z) } },
          transposed,
          0,
          placeShape,
          scratch,
        ),
      ],
    ]);
    const y = bench.f32(output.at, length(output, c.batch));
    const dx = bench.f32(back.output.at, x.length);
    const forward = dot(output, c.batch, y, z);
    // Each of the z.length terms is off by at most what conv may be.
    const atol = 2 ** -24 * depth(c) * Math.sqrt(z.length);
    const difference = Math.abs(forward - dot(input, c.batch, x, dx));
    t.true(difference <= atol, `${forward} differs by ${difference}`);
    return [dx];
  });

eachBuild('transposeWeights twice gives the weights back', (t, bench) => {
  for (const kind of KINDS) {
    bench.reset();
    const c = shapeOf(kind);
    const { w, convolution, weights } = place(bench, c);
    const [once, twice] = [bench.alloc(4 * w.length), bench.alloc(4 * w.length)];
    walk(bench, [
      [transposeCall(convolution, once, weights)],
      [transposeCall(adjoint(convolution, false), twice, once)],
    ]);
    t.deepEqual(bits(bench.f32(twice, w.length)), bits(w), kind);
  }
});
