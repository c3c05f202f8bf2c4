import { tuple } from '../../src/engine/program.js';
import { Channels } from '../helpers/channels.js';
import { type Bench, close, eachSplit, values } from '../helpers/kernels.js';

interface Case {
  /** Of the larger image. */
  readonly height: number;
  readonly width: number;
  readonly parts: readonly number[];
  readonly gaps: readonly [large: number, small: number];
}

const IMAGES = 3;
const EVEN: readonly Case[] = [
  { height: 2, width: 2, parts: [8], gaps: [0, 0] },
  { height: 4, width: 6, parts: [5, 9], gaps: [0, 8] },
  { height: 10, width: 8, parts: [21], gaps: [16, 0] },
];
const ODD: readonly Case[] = [
  { height: 3, width: 4, parts: [8], gaps: [8, 0] },
  { height: 6, width: 5, parts: [3], gaps: [0, 8] },
  { height: 7, width: 9, parts: [12, 4], gaps: [8, 8] },
];

/** Both images of a case: their channels, sizes and the place of a real element. */
function images({ height, width, parts, gaps }: Case) {
  const layout = new Channels(parts, gaps[0]);
  const half = { height: height >> 1, width: width >> 1 };
  const side = (h: number, w: number, channels: Channels) => ({
    ...{ height: h, width: w, channels, pixels: IMAGES * h * w },
    at: (n: number, y: number, x: number, c: number) => ((n * h + y) * w + x) * layout.real + c,
  });
  return {
    large: side(height, width, layout),
    small: side(half.height, half.width, layout.apart(gaps[1])),
  };
}
type Side = ReturnType<typeof images>['large'];

/** Calls back for each element of the smaller image and the four it stands for. */
function eachPair(c: Case, visit: (large: number, small: number) => void): void {
  const { large, small } = images(c);
  for (let n = 0; n < IMAGES; n++)
    for (let y = 0; y < 2 * small.height; y++)
      for (let x = 0; x < 2 * small.width; x++)
        for (let k = 0; k < large.channels.real; k++)
          visit(large.at(n, y, x, k), small.at(n, y >> 1, x >> 1, k));
}

type Kernel = 'upsampleNearest2' | 'averagePool2' | 'sumNearest2' | 'spreadAverage2';

/** Runs a kernel from one image to the other; `before` is what is there, for those that can add to it. */
function run(
  t: Parameters<Channels['gather']>[0],
  bench: Bench,
  kernel: Kernel,
  c: Case,
  [to, from]: readonly [Side, Side],
  x: Float32Array,
  before?: { readonly values: Float32Array; readonly accumulate: boolean },
): Float32Array {
  const length = to.pixels * to.channels.stride;
  const start = before?.accumulate
    ? to.channels.spread(before.values)
    : new Float32Array(length).fill(42);
  const out = bench.put(start, 4);
  const at = bench.put(from.channels.spread(x));
  const sizes = tuple(c.height, c.width, to.channels.padded);
  const args = tuple(out, to.channels.stride, at, from.channels.stride, ...sizes);
  const items = IMAGES * to.height;
  if (kernel === 'sumNearest2' || kernel === 'spreadAverage2')
    bench.run(kernel, [...args, before?.accumulate ?? false], items);
  else bench.run(kernel, args, items);
  return to.channels.gather(t, bench.f32(out, length), kernel);
}

const lengthOf = ({ pixels, channels }: Side): number => pixels * channels.real;

for (const c of [...EVEN, ...ODD]) {
  const { large, small } = images(c);
  const title = `${c.height}x${c.width} pixels of ${c.parts.join(' + ')} channels`;

  eachSplit(`averagePool2 is the mean of 2x2 pixels: ${title}`, (t, bench) => {
    const x = values(lengthOf(large), 1);
    const expected = new Float64Array(lengthOf(small));
    eachPair(c, (from, to) => {
      expected[to]! += x[from]! / 4;
    });
    const got = run(t, bench, 'averagePool2', c, [small, large], x);
    close(t, got, expected, { atol: 3 * 2 ** -24 });
    return [got];
  });

  eachSplit(`spreadAverage2 is its adjoint, alone or added: ${title}`, (t, bench) => {
    const dy = values(lengthOf(small), 2);
    const before = values(lengthOf(large), 3);
    return [false, true].map((accumulate) => {
      const expected = accumulate ? Float64Array.from(before) : new Float64Array(before.length);
      eachPair(c, (to, from) => {
        expected[to]! += dy[from]! / 4;
      });
      const sides = [large, small] as const;
      const options = { values: before, accumulate };
      const got = run(t, bench, 'spreadAverage2', c, sides, dy, options);
      close(t, got, expected, { atol: 2 ** -23 });
      return got;
    });
  });
}

for (const c of EVEN) {
  const { large, small } = images(c);
  const title = `${c.height}x${c.width} pixels of ${c.parts.join(' + ')} channels`;

  eachSplit(`upsampleNearest2 repeats each pixel four times: ${title}`, (t, bench) => {
    const x = values(lengthOf(small), 1);
    const expected = new Float32Array(lengthOf(large));
    eachPair(c, (to, from) => {
      expected[to] = x[from]!;
    });
    const got = run(t, bench, 'upsampleNearest2', c, [large, small], x);
    t.deepEqual(got, expected);
    return [got];
  });

  eachSplit(`sumNearest2 is its adjoint, alone or added: ${title}`, (t, bench) => {
    const dy = values(lengthOf(large), 2);
    const before = values(lengthOf(small), 3);
    return [false, true].map((accumulate) => {
      const expected = accumulate ? Float64Array.from(before) : new Float64Array(before.length);
      eachPair(c, (from, to) => {
        expected[to]! += dy[from]!;
      });
      const sides = [small, large] as const;
      const options = { values: before, accumulate };
      const got = run(t, bench, 'sumNearest2', c, sides, dy, options);
      // Sums of up to five values below 1.
      close(t, got, expected, { atol: 4 * 2 ** -22 });
      return got;
    });
  });
}
