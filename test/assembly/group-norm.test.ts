import type { ExecutionContext } from 'ava';
import { applyItems, momentItems } from '../../src/engine/group-norm.js';
import { NULL, type Pointer } from '../../src/engine/pointer.js';
import { tuple } from '../../src/engine/program.js';
import { Channels } from '../helpers/channels.js';
import {
  type GroupNorm,
  type GroupNormInputs,
  groupNorm,
  groupNormSlope,
} from '../helpers/group-norm.js';
import { type Bench, bits, close, eachSplit, values } from '../helpers/kernels.js';

interface Case {
  readonly title: string;
  readonly images: number;
  readonly pixels: number;
  readonly parts: readonly number[];
  readonly groups: number;
  /** Floats between pixels, of r and of the others. */
  readonly gaps: readonly [number, number];
  readonly add?: boolean;
  readonly film?: boolean;
  readonly silu?: boolean;
  readonly accumulate?: boolean;
  /** What is added to r: a mean far from 0 loses digits of r itself, not of the variance. */
  readonly centre?: number;
}

const CASES: readonly Case[] = [
  {
    ...{ title: 'one pixel, one channel a group', images: 3, pixels: 1, parts: [8], groups: 8 },
    gaps: [0, 0],
  },
  {
    ...{ title: 'padding between and behind', images: 2, pixels: 9, parts: [6, 9], groups: 3 },
    ...{ gaps: [0, 0], silu: true },
  },
  {
    ...{ title: 'a group that straddles two parts', images: 3, pixels: 25, parts: [5, 10] },
    ...{ groups: 5, gaps: [8, 16], silu: true, add: true },
  },
  {
    ...{ title: 'less than a block and film', images: 2, pixels: 121, parts: [24], groups: 4 },
    ...{ gaps: [8, 0], silu: true, film: true },
  },
  {
    ...{ title: 'whole blocks, add and film', images: 1, pixels: 512, parts: [12, 12], groups: 6 },
    ...{ gaps: [0, 8], silu: true, add: true, film: true, accumulate: true },
  },
  {
    ...{ title: 'blocks with a rest', images: 2, pixels: 300, parts: [36], groups: 4 },
    ...{ gaps: [0, 8], add: true, accumulate: true },
  },
  {
    ...{ title: 'one group of all', images: 2, pixels: 289, parts: [3, 4], groups: 1 },
    ...{ gaps: [16, 0], silu: true, accumulate: true },
  },
  {
    ...{ title: 'a mean far from 0', images: 1, pixels: 300, parts: [16], groups: 2 },
    ...{ gaps: [0, 0], centre: 1000 },
  },
];

const EPS = 1e-5;

/** All of a case: plain inputs and what they are in the layout of the engine. */
function prepare(c: Case) {
  const inner = new Channels(c.parts, c.gaps[0]);
  const channels = inner.real;
  const { images, pixels, groups, silu = false } = c;
  const norm: GroupNorm = { images, pixels, channels, groups, eps: EPS, silu };
  const { centre = 0 } = c;
  const inputs: GroupNormInputs = {
    r: values(images * pixels * channels, 1).map((v) => 2 * v + centre),
    weight: values(channels, 2),
    bias: values(channels, 3),
    ...(c.add ? { add: values(images * channels, 4) } : {}),
    ...(c.film ? { film: values(images * 2 * channels, 5) } : {}),
  };
  return { norm, inputs, inner, outer: inner.apart(c.gaps[1]), vector: inner.apart(0) };
}
type Prepared = ReturnType<typeof prepare>;

const ADD_GAP = 8;
const FILM_GAP = 16;

/** Puts the inputs into memory and runs the forward pass up to scale and shift. */
function forward(bench: Bench, { norm, inputs, inner, vector }: Prepared) {
  const { images, pixels, channels, groups } = norm;
  const { padded } = inner;
  const items = images * Math.ceil(pixels / 256);
  const rows = inner.apart(ADD_GAP);
  const at = {
    r: bench.put(inner.spread(inputs.r), 4),
    weight: bench.put(vector.spread(inputs.weight)),
    bias: bench.put(vector.spread(inputs.bias)),
    members: bench.put(inner.members(channels / groups)),
    add: inputs.add ? bench.put(rows.spread(inputs.add)) : NULL,
    film: inputs.film ? bench.put(filmRows(inner, inputs.film)) : NULL,
    partial: bench.alloc(8 * items * padded),
    affine: bench.put(new Float32Array(2 * images * padded).fill(7)),
    saved: bench.put(new Float32Array(2 * images * padded).fill(7)),
  };
  const filmStride = 2 * padded + FILM_GAP;
  const args = tuple(at.partial, at.r, inner.stride, pixels, padded);
  bench.run('groupNormMoments', args, images * momentItems(pixels, padded));
  bench.run(
    'groupNormFinish',
    [
      ...tuple(at.affine, at.saved, at.partial, at.weight, at.bias, at.members),
      ...tuple(at.add, rows.stride, at.film, filmStride),
      ...tuple(pixels, padded, groups, channels / groups, EPS),
    ],
    images * groups,
  );
  return { ...at, items, filmStride, per: channels / groups };
}

/** film [images][2][real channels] as the kernels read it, with a gap between the images. */
function filmRows(layout: Channels, film: ArrayLike<number>): Float32Array<ArrayBuffer> {
  const pairs = layout.apart(0).spread(film);
  const each = 2 * layout.padded;
  const out = new Float32Array((pairs.length / each) * (each + FILM_GAP)).fill(42);
  for (let image = 0; image * each < pairs.length; image++)
    out.set(pairs.subarray(image * each, (image + 1) * each), image * (each + FILM_GAP));
  return out;
}

/** Forty of the elements of an array, by an odd step, which meets all channels; each of them would take minutes. */
const pick = (length: number): number[] => {
  const step = Math.max(1, Math.floor(length / 40)) | 1;
  return Array.from({ length: Math.ceil(length / step) }, (_, i) => i * step);
};

/** How much z moves with the last digits of r, scale and shift: by some roundings of each. */
function precision({ norm, inputs }: Prepared, c: Case): number {
  const spread = norm.pixels * (norm.channels / norm.groups) === 1 ? Math.sqrt(1 / EPS) : 2;
  const largest = 2 + Math.abs(c.centre ?? 0) + (inputs.add ? 1 : 0);
  return 2 ** -23 * (4 + 4 * largest * spread) * (inputs.film ? 2 : 1);
}

for (const c of CASES) {
  const prepared = prepare(c);
  const { norm, inputs, inner, outer } = prepared;
  const { images, pixels } = norm;
  const activation = Number(norm.silu);
  const known = new Map<keyof GroupNormInputs, readonly number[]>();
  /** Differences of the plain function by the picked elements, computed once for both builds. */
  const slopes = (key: keyof GroupNormInputs, length: number, dy: Float32Array) => {
    const found =
      known.get(key) ?? pick(length).map((at) => groupNormSlope(norm, inputs, key, at, dy));
    known.set(key, found);
    return found;
  };

  eachSplit(`groupNorm normalises: ${c.title}`, (t, bench) => {
    const at = forward(bench, prepared);
    const y = bench.put(new Float32Array(images * pixels * outer.stride).fill(42));
    const apply = (out: Pointer, stride: number) =>
      bench.run(
        'groupNormApply',
        [out, stride, at.r, inner.stride, at.affine, pixels, inner.padded, activation],
        images * applyItems(pixels),
      );
    apply(y, outer.stride);
    const got = outer.gather(t, bench.f32(y, images * pixels * outer.stride), 'y');
    close(t, got, groupNorm(norm, inputs), { atol: precision(prepared, c), what: 'y' });
    apply(at.r, inner.stride);
    const inPlace = inner.gather(t, bench.f32(at.r, images * pixels * inner.stride), 'in place');
    t.deepEqual(bits(inPlace), bits(got), 'in place');
    const vectors = inner.apart(0);
    const saved = vectors.gather(t, bench.f32(at.saved, 2 * images * inner.padded), 'saved');
    const affine = vectors.gather(t, bench.f32(at.affine, 2 * images * inner.padded), 'affine');
    return [got, saved, affine];
  });

  eachSplit(`groupNorm backward: ${c.title}`, (t, bench) => {
    const at = forward(bench, prepared);
    const dy = values(images * pixels * norm.channels, 9);
    const got = backward(t, bench, prepared, at, dy, c.accumulate ?? false);
    const accuracy = precision(prepared, c);
    for (const [name, gradient] of Object.entries(got)) {
      const key = name as keyof GroupNormInputs;
      const picked = pick(gradient.length);
      const expected = slopes(key, gradient.length, dy);
      // A sum over n terms of size 1 with signs, or one term and the means of the group, over σ.
      const terms =
        key === 'r' ? 4 : 4 * Math.sqrt((images * pixels * norm.channels) / gradient.length);
      const sizes = expected.map(Math.abs);
      const atol = accuracy * Math.max(terms, ...sizes);
      close(
        t,
        picked.map((i) => gradient[i]!),
        expected,
        { atol, what: `d${key}` },
      );
    }
    return Object.values(got);
  });
}

/** All gradients of the kernels, without padding. */
function backward(
  t: ExecutionContext,
  bench: Bench,
  { norm, inputs, inner, outer, vector }: Prepared,
  at: ReturnType<typeof forward>,
  gradient: Float32Array,
  accumulate: boolean,
): Record<string, Float32Array> {
  const { images, pixels, groups, channels } = norm;
  const { padded } = inner;
  const activation = Number(norm.silu);
  const dy = bench.put(outer.spread(gradient));
  const rows = images * pixels;
  const before = values(rows * channels, 11);
  const dx = bench.put(
    accumulate ? inner.spread(before) : new Float32Array(rows * inner.stride).fill(42),
  );
  const [factors, sums] = [bench.alloc(12 * images * padded), bench.alloc(8 * images * padded)];
  const columns = bench.alloc(4 * at.items * padded);
  const dfilm = inputs.film ? bench.put(new Float32Array(images * at.filmStride).fill(42)) : NULL;
  const [dweight, dbias] = [0, 1].map(() => bench.put(new Float32Array(padded).fill(7)));
  bench.run(
    'groupNormBackwardSums',
    [
      ...tuple(at.partial, dy, outer.stride, at.r, inner.stride, at.affine, at.saved),
      ...tuple(pixels, padded, activation),
    ],
    at.items,
  );
  bench.run(
    'groupNormBackwardFinish',
    [
      ...tuple(factors, sums, dfilm, at.filmStride, at.partial, at.weight, at.bias, at.saved),
      ...tuple(at.film, at.filmStride, at.members, pixels, padded, groups, at.per),
    ],
    images,
  );
  const parameters = (again: boolean) => {
    bench.run(
      'groupNormBackwardParameters',
      [dweight!, dbias!, sums, images, padded, again],
      padded,
    );
    return [dweight!, dbias!].map((a) => vector.gather(t, bench.f32(a, padded), 'dweight, dbias'));
  };
  const [weights, biases] = parameters(false);
  const twice = parameters(true);
  for (const [once, sum] of [
    [weights!, twice[0]!],
    [biases!, twice[1]!],
  ] as const)
    close(
      t,
      sum,
      once.map((v) => 2 * v),
      { rtol: 2 ** -22, what: 'accumulated parameters' },
    );
  const apply = (out: Pointer, stride: number, to: Pointer, add: boolean) =>
    bench.run(
      'groupNormBackwardApply',
      [
        ...tuple(out, stride, to, dy, outer.stride, at.r, inner.stride, factors),
        ...tuple(pixels, padded, add),
      ],
      at.items,
    );
  apply(dx, inner.stride, columns, accumulate);
  const raw = inner.gather(t, bench.f32(dx, rows * inner.stride), 'dx');
  apply(dy, outer.stride, NULL, false);
  const r = outer.gather(t, bench.f32(dy, rows * outer.stride), 'dx in place of dy');
  if (accumulate)
    close(
      t,
      raw,
      r.map((v, i) => v + before[i]!),
      { atol: 2 ** -22, rtol: 2 ** -22, what: 'accumulated dx' },
    );
  else t.deepEqual(bits(raw), bits(r), 'in place of dy');
  const added = bench.alloc(4 * images * padded);
  const blocks = at.items / images;
  bench.run('joinColumnSums', [added, padded, columns, blocks, padded, padded], images * padded);
  const add = vector.gather(t, bench.f32(added, images * padded), 'dadd');
  const film = inputs.film && filmGradient(t, inner, bench.f32(dfilm, images * at.filmStride));
  return {
    ...{ r, weight: weights!, bias: biases! },
    ...(inputs.add ? { add } : {}),
    ...(film ? { film } : {}),
  };
}

/** The real channels of film's gradient. */
function filmGradient(t: ExecutionContext, layout: Channels, array: Float32Array): Float32Array {
  const each = 2 * layout.padded;
  const images = array.length / (each + FILM_GAP);
  const pairs = new Float32Array(images * each);
  for (let image = 0; image < images; image++) {
    const first = image * (each + FILM_GAP);
    pairs.set(array.subarray(first, first + each), image * each);
  }
  const film = layout.apart(0).gather(t, pairs, 'dfilm');
  t.deepEqual(array, filmRows(layout, film), 'dfilm: gaps');
  return film;
}
