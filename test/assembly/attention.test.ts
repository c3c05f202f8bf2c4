import test, { type ExecutionContext } from 'ava';
import {
  type Attention,
  attentionBackwardItems,
  attentionBackwardScratch,
  attentionItems,
  attentionSaved,
  attentionScratch,
} from '../../src/engine/attention.js';
import type { Pointer } from '../../src/engine/pointer.js';
import { tuple } from '../../src/engine/program.js';
import { attend, attendBackward } from '../helpers/attention.js';
import { Bench, bits, close, eachBuild, eachSplit, values } from '../helpers/kernels.js';

/** One token and several blocks of keys; widths that are whole vectors and that are not; heads that begin anywhere. */
const CASES: readonly Attention[] = [
  { images: 2, tokens: 1, heads: 1, width: 1 },
  { images: 3, tokens: 4, heads: 3, width: 3 },
  { images: 1, tokens: 9, heads: 2, width: 8 },
  { images: 2, tokens: 49, heads: 3, width: 1 },
  { images: 1, tokens: 49, heads: 2, width: 20 },
  { images: 2, tokens: 64, heads: 3, width: 8 },
  { images: 1, tokens: 64, heads: 1, width: 64 },
  { images: 1, tokens: 102, heads: 2, width: 5 },
  { images: 1, tokens: 301, heads: 1, width: 6 },
];

/** Four views, in the order of the arguments, with strides of their own. */
const NAMES = ['q', 'k', 'v', 'dout'] as const;
const GAPS = [0, 8, 24, 16];
const GAP = 42;

/** A tensor as the engine has it: channels padded with zeros to a multiple of 8, and gaps between the pixels. */
interface View {
  readonly at: Pointer;
  readonly stride: number;
}

const paddedChannels = ({ heads, width }: Attention) => 8 * Math.ceil((heads * width) / 8);

/** Dense values as a view. What is in the gaps must not matter: NaN would spread. */
function view(bench: Bench, s: Attention, dense: Float32Array, gap: number): View {
  const real = s.heads * s.width;
  const stride = paddedChannels(s) + gap;
  const rows = s.images * s.tokens;
  const all = new Float32Array(rows * stride).fill(NaN);
  for (let row = 0; row < rows; row++) {
    all.fill(0, row * stride + real, row * stride + paddedChannels(s));
    all.set(dense.subarray(row * real, (row + 1) * real), row * stride);
  }
  return { at: bench.put(all), stride };
}

/** An output, with what must be overwritten and what must stay. */
const blank = (bench: Bench, s: Attention, gap: number): View => {
  const stride = paddedChannels(s) + gap;
  return { at: bench.put(new Float32Array(s.images * s.tokens * stride).fill(GAP)), stride };
};

/** A view's values without padding and gaps; asserts that the padding is zero and that the gaps are as they were. */
function read(t: ExecutionContext, bench: Bench, s: Attention, { at, stride }: View): Float32Array {
  const real = s.heads * s.width;
  const all = bench.f32(at, s.images * s.tokens * stride);
  const wrong = all.findIndex((v, i) => {
    const c = i % stride;
    return c >= real && v !== (c < paddedChannels(s) ? 0 : GAP);
  });
  t.is(wrong, -1, 'padding and gaps');
  return all.filter((_, i) => i % stride < real);
}

/** Scratch that is exactly as large as it should be, and NaN; `intact` tells whether what follows was left alone. */
function scratch(bench: Bench, bytes: number): { at: Pointer; intact: () => boolean } {
  const at = bench.alloc(bytes + 64);
  new Float32Array(bench.memory.buffer, at, bytes / 4).fill(NaN);
  new Float32Array(bench.memory.buffer, at + bytes, 16).fill(GAP);
  return { at, intact: () => bench.f32(at + bytes, 16).every((v) => v === GAP) };
}

/** Inputs of a case, in [-1, 1) times `size`. */
function inputs(s: Attention, size = 1): Record<(typeof NAMES)[number], Float32Array> {
  const count = s.images * s.tokens * s.heads * s.width;
  const [q, k, v, dout] = NAMES.map((_, i) => values(count, i + 1));
  return { q: q!.map((x) => x * size), k: k!.map((x) => x * size), v: v!, dout: dout! };
}

type Values = ReturnType<typeof inputs>;
const doubles = (x: Values) => ({
  q: Float64Array.from(x.q),
  k: Float64Array.from(x.k),
  v: Float64Array.from(x.v),
});

type Four = [View, View, View, View];

/** Both passes on a bench. */
function run(t: ExecutionContext, bench: Bench, s: Attention, x: Values, scale: number) {
  const [q, k, v, dout] = NAMES.map((name, i) => view(bench, s, x[name], GAPS[i]!)) as Four;
  const [out, dq, dk, dv] = [16, 0, 8, 40].map((gap) => blank(bench, s, gap)) as Four;
  const saved = bench.alloc(4 * attentionSaved(s));
  const flat = ({ at, stride }: View) => tuple(at, stride);
  const inputs3 = tuple(...flat(q), ...flat(k), ...flat(v));
  const shape = tuple(s.tokens, s.heads, s.width, paddedChannels(s), scale);
  const room = scratch(bench, attentionScratch(s));
  const args = tuple(...flat(out), saved, ...inputs3, ...shape, room.at);
  bench.run('attention', args, attentionItems(s));
  t.true(room.intact(), 'scratch of attention');
  const more = scratch(bench, attentionBackwardScratch(s));
  bench.run(
    'attentionBackward',
    [
      ...tuple(...flat(dq), ...flat(dk), ...flat(dv), ...flat(dout), ...flat(out)),
      ...tuple(saved, ...inputs3, ...shape, more.at),
    ],
    attentionBackwardItems(s),
  );
  t.true(more.intact(), 'scratch of attentionBackward');
  const got = [out, dq, dk, dv].map((w) => read(t, bench, s, w));
  return { out: got[0]!, dq: got[1]!, dk: got[2]!, dv: got[3]! };
}

for (const s of CASES)
  eachSplit(
    `attention and its gradients: ${s.images}x${s.tokens} tokens, ${s.heads} heads of ${s.width}`,
    (t, bench) => {
      const scale = s.width ** -0.5;
      const x = inputs(s);
      const got = run(t, bench, s, x, scale);
      /*
       * A score of `width` products below `scale` is off by 2⁻²⁴ · √width · scale or so, and its weight by that part of itself;
       * a sum over the tokens adds √tokens roundings of its terms, which in dk and dv are below 1 for each query.
       */
      const atol = 2 ** -22 * (4 + Math.sqrt(s.tokens));
      close(t, got.out, attend(s, doubles(x), scale), { atol, what: 'out' });
      const exact = attendBackward(s, doubles(x), Float64Array.from(x.dout), scale);
      for (const name of ['dq', 'dk', 'dv'] as const)
        close(t, got[name], exact[name], { atol, what: name });
      return [got.out, got.dq, got.dk, got.dv];
    },
  );

test('the reference gradients are the differences of the reference', (t) => {
  const s = { images: 1, tokens: 3, heads: 2, width: 3 };
  const x = inputs(s, 2);
  const at = doubles(x);
  const dout = Float64Array.from(x.dout);
  const objective = () => attend(s, at, 0.7).reduce((sum, v, i) => sum + v * dout[i]!, 0);
  const exact = attendBackward(s, at, dout, 0.7);
  for (const name of ['q', 'k', 'v'] as const)
    for (const [i, value] of at[name].entries()) {
      at[name][i] = value + 1e-5;
      const above = objective();
      at[name][i] = value - 1e-5;
      const slope = (above - objective()) / 2e-5;
      at[name][i] = value;
      t.true(Math.abs(slope - exact[`d${name}`][i]!) < 1e-8, `d${name}[${i}]`);
    }
});

eachBuild('attention: scores of thousands neither overflow nor vanish', (t, bench) => {
  const s = { images: 1, tokens: 33, heads: 2, width: 8 };
  const x = inputs(s, 100);
  const got = run(t, bench, s, x, 1);
  // A score of about 10⁴ is off by some 2⁻²⁴ · 10⁴, which is the part of its weight that is lost.
  const atol = 2e-3;
  close(t, got.out, attend(s, doubles(x), 1), { atol, what: 'out' });
  const exact = attendBackward(s, doubles(x), Float64Array.from(x.dout), 1);
  close(t, got.dv, exact.dv, { atol, what: 'dv' });
  for (const name of ['dq', 'dk'] as const)
    close(t, got[name], exact[name], { atol: 100 * atol, what: name });
});

eachBuild('attention: queries that need a maximum and queries that need none agree', (t, bench) => {
  const s = { images: 1, tokens: 72, heads: 1, width: 8 };
  const x = inputs(s);
  // The rows of q grow, so that the largest scores are between 1 and 100.
  const q = x.q.map((v, i) => v * (1 + Math.floor(i / s.width)));
  const got = run(t, bench, s, { ...x, q }, 1);
  const grown = doubles({ ...x, q });
  const atol = 2 ** -24 * 400;
  close(t, got.out, attend(s, grown, 1), { atol, what: 'out' });
  const exact = attendBackward(s, grown, Float64Array.from(x.dout), 1);
  close(t, got.dv, exact.dv, { atol, what: 'dv' });
  for (const name of ['dq', 'dk'] as const)
    close(t, got[name], exact[name], { atol: 72 * atol, what: name });
});

eachBuild('attention: scores far below zero are as accurate as others', (t, bench) => {
  const s = { images: 1, tokens: 5, heads: 1, width: 4 };
  const x = { ...inputs(s), q: new Float32Array(20).fill(30), k: new Float32Array(20).fill(-30) };
  const mean = (c: number) => [0, 1, 2, 3, 4].reduce((sum, row) => sum + x.v[4 * row + c]! / 5, 0);
  const got = run(t, bench, s, x, 1);
  const means = Float64Array.from({ length: 20 }, (_, i) => mean(i % 4));
  close(t, got.out, means, { atol: 1e-6, what: 'equal scores of -3600' });
});

eachBuild('attention: a NaN affects its own query, or its whole head', (t, bench) => {
  const s = { images: 1, tokens: 6, heads: 2, width: 4 };
  const hurt = (name: 'q' | 'k') => {
    const x = inputs(s);
    x[name][2 * 8 + 1] = NaN;
    return run(t, bench, s, x, 1).out;
  };
  const broken = (out: Float32Array) => [...out.keys()].filter((i) => Number.isNaN(out[i]!));
  t.deepEqual(broken(hurt('q')), [16, 17, 18, 19]);
  const head = [...new Array(48).keys()].filter((i) => i % 8 < 4);
  t.deepEqual(broken(hurt('k')), head);
});

eachBuild('attention: an image has the same bits alone and in a batch', (t, bench) => {
  const s = { images: 3, tokens: 50, heads: 2, width: 12 };
  const x = inputs(s);
  const all = run(t, bench, s, x, 0.3);
  const size = s.tokens * s.heads * s.width;
  const one = (v: Float32Array) => v.slice(size, 2 * size);
  const alone = { q: one(x.q), k: one(x.k), v: one(x.v), dout: one(x.dout) };
  const got = run(t, bench, { ...s, images: 1 }, alone, 0.3);
  for (const name of ['out', 'dq', 'dk', 'dv'] as const)
    t.deepEqual(bits(got[name]), bits(one(all[name])), name);
});

test('attention: blocks for vectors of 256 bits give the same bits', (t) => {
  const s = { images: 1, tokens: 70, heads: 2, width: 20 };
  for (const build of ['strict', 'relaxed'] as const) {
    const [narrow, wide] = [false, true].map((wide) =>
      run(t, new Bench(build, 1, { wide }), s, inputs(s), 0.3),
    );
    for (const name of ['out', 'dq', 'dk', 'dv'] as const)
      t.deepEqual(bits(wide![name]), bits(narrow![name]), name);
  }
});

test('attention: outputs may be inputs', (t) => {
  const s = { images: 2, tokens: 53, heads: 2, width: 4 };
  const x = inputs(s);
  const bench = new Bench('relaxed', 3);
  const apart = run(t, bench, s, x, 0.5);
  const [q, k, v, dout] = NAMES.map((name) => view(bench, s, x[name], 0).at) as [
    ...[Pointer, Pointer, Pointer, Pointer],
  ];
  const own = view(bench, s, x.q, 0).at;
  const saved = bench.alloc(4 * attentionSaved(s));
  const shape = tuple(s.tokens, s.heads, s.width, 8, 0.5);
  const room = bench.alloc(Math.max(attentionScratch(s), attentionBackwardScratch(s)));
  const args = tuple(own, 8, saved, own, 8, k, 8, v, 8, ...shape, room);
  bench.run('attention', args, attentionItems(s));
  const dense = (at: number) => bits(bench.f32(at, apart.out.length));
  t.deepEqual(dense(own), bits(apart.out), 'out over q');
  const three = tuple(q, 8, k, 8, v, 8);
  const back = tuple(...three, dout, 8, own, 8, saved, ...three, ...shape, room);
  bench.run('attentionBackward', back, attentionBackwardItems(s));
  for (const [at, name] of [
    [q, 'dq'],
    [k, 'dk'],
    [v, 'dv'],
  ] as const)
    t.deepEqual(dense(at), bits(apart[name]), `${name} over its tensor`);
});
