import { NULL } from '../../src/engine/pointer.js';
import { type Bench, bits, close, eachSplit, values } from '../helpers/kernels.js';

interface Options {
  readonly lr: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly decay: number;
}

/** Runs the kernel once for each gradient and returns p, m and v. clips: a factor for each, or none. */
function run(
  bench: Bench,
  start: Float32Array,
  gradients: readonly Float32Array[],
  { lr, beta1, beta2, eps, decay }: Options,
  clips?: readonly number[],
) {
  const at = [start, new Float32Array(start.length), new Float32Array(start.length)].map((a) =>
    bench.put(a, 4),
  );
  for (const [i, g] of gradients.entries()) {
    const rates = bench.put(
      Float32Array.of(lr / (1 - beta1 ** (i + 1)), 1 / Math.sqrt(1 - beta2 ** (i + 1)), lr * decay),
    );
    const clip = clips ? bench.put(Float32Array.of(clips[i]!)) : NULL;
    const [p, m, v] = at;
    bench.run(
      'adamW',
      [p!, bench.put(g), m!, v!, rates, beta1, beta2, eps, clip],
      start.length / 8,
    );
  }
  return at.map((a) => bench.f32(a, start.length));
}

/** AdamW as Loshchilov & Hutter write it, in f64. */
function plain(
  start: Float32Array,
  gradients: readonly Float32Array[],
  { lr, beta1, beta2, eps, decay }: Options,
  clips?: readonly number[],
) {
  const p = Float64Array.from(start);
  const [m, v] = [new Float64Array(p.length), new Float64Array(p.length)];
  for (const [i, gradient] of gradients.entries())
    for (let k = 0; k < p.length; k++) {
      const g = gradient[k]! * (clips?.[i] ?? 1);
      m[k] = beta1 * m[k]! + (1 - beta1) * g;
      v[k] = beta2 * v[k]! + (1 - beta2) * g ** 2;
      const mean = m[k]! / (1 - beta1 ** (i + 1));
      p[k]! *= 1 - lr * decay;
      p[k]! -= (lr * mean) / (Math.sqrt(v[k]! / (1 - beta2 ** (i + 1))) + eps);
    }
  return { p, m, v };
}

for (const [title, options, clips] of [
  ['without decay', { lr: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, decay: 0 }, undefined],
  ['with decay', { lr: 1e-2, beta1: 0.95, beta2: 0.99, eps: 1e-6, decay: 0.1 }, undefined],
  [
    'with decay and clipped gradients',
    { lr: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, decay: 0.01 },
    [1, 0.5, 0.01, 1, 0.3, 0.7],
  ],
] as const)
  for (const items of [1, 2, 11, 17])
    eachSplit(
      `adamW takes the steps of the plain algorithm ${title}, ${8 * items} elements`,
      (t, bench) => {
        const start = values(8 * items, 9);
        const scale = (k: number) => (k < 4 && items > 1 ? 0 : 10 ** ((k % 9) - 4));
        const gradients = [1, 2, 3, 4, 5, 6].map((seed) =>
          values(8 * items, seed).map((g, k) => g * scale(k)),
        );
        const got = run(bench, start, gradients, options, clips);
        const expected = plain(start, gradients, options, clips);
        // A step is at most some lr, by operations that are each rounded to f32, as p is at each step.
        const atol = gradients.length * (2 ** -23 + options.lr * 1e-5);
        close(t, got[0]!, expected.p, { atol, what: 'p' });
        for (let k = 0; k < start.length; k++) {
          close(t, [got[1]![k]!], [expected.m[k]!], { atol: scale(k) * 1e-6, what: `m[${k}]` });
          close(t, [got[2]![k]!], [expected.v[k]!], { rtol: 1e-6, what: `v[${k}]` });
        }
        return got;
      },
    );

eachSplit('adamW and clipping match PyTorch', (t, bench) => {
  const options = { lr: 0.01, beta1: 0.95, beta2: 0.999, eps: 1e-6, decay: 0.1 };
  const gradients = [
    [3, -4, 0.25, 0],
    [0.1, 0.2, -0.3, 1e-4],
    [-6, 2, 1, 0.5],
  ].map((g) => Float32Array.from([...g, 0, 0, 0, 0]));
  const clips = gradients.map((g) => {
    const [partial, out] = [bench.alloc(8), bench.alloc(8)];
    bench.run('gradientNorm', [partial, bench.put(g), 8], 1);
    bench.run('gradientClip', [out, partial, 1, 1], 1);
    return bench.f32(out, 2);
  });
  // torch 2.13: clip_grad_norm_(…, 1.0) and torch.optim.AdamW after each of three steps.
  const norms = [5.006246089935303, 0.37416577339172363, 6.422616481781006];
  close(
    t,
    clips.map((c) => c[0]!),
    norms,
    { rtol: 2 ** -23, what: 'norm' },
  );
  const factors = clips.map((c) => c[1]!);
  const start = Float32Array.of(0.5, -1.25, 2, 0, 0, 0, 0, 0);
  const [p, m, v] = run(bench, start, gradients, options, factors).map((a) => a.subarray(0, 4));
  close(
    t,
    p!,
    [0.48216354846954346, -1.229839563369751, 1.9915382862091064, -0.013218605890870094],
    {
      ...{ atol: 2 ** -23, rtol: 2 ** -22, what: 'p' },
    },
  );
  close(
    t,
    m!,
    [-0.014918714761734009, -0.010984974913299084, -0.00421157805249095, 0.0038972441107034683],
    { rtol: 2 ** -21, what: 'm' },
  );
  close(
    t,
    v!,
    [0.0012411013012751937, 0.0007740572327747941, 0.00011664120393106714, 6.06061439611949e-6],
    { rtol: 2 ** -21, what: 'v' },
  );
  return [p!, m!, v!];
});

eachSplit('adamW with a factor of 1 gives the same bits as without a factor', (t, bench) => {
  const options = { lr: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, decay: 0.01 };
  const gradients = [values(24, 1), values(24, 2)];
  const [plainly, clipped] = [undefined, [1, 1]].map((clips) =>
    run(bench, values(24, 3), gradients, options, clips),
  );
  for (const [i, array] of plainly!.entries()) t.deepEqual(bits(array), bits(clipped![i]!));
  return plainly!;
});
