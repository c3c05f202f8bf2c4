import { NULL, type Pointer } from '../../src/engine/pointer.js';
import { tuple } from '../../src/engine/program.js';
import { Channels } from '../helpers/channels.js';
import { bits, eachBuild, eachSplit, values } from '../helpers/kernels.js';
import { words } from '../helpers/philox.js';

const STREAM = { seed: [0xdeadbeef, 0x1234], purpose: 77, index: 12, timestep: 3 } as const;
const { seed, purpose, index, timestep } = STREAM;

interface Case {
  readonly images: number;
  readonly pixels: number;
  readonly parts: readonly number[];
  readonly gaps: readonly [number, number];
}

/** Runs of 32 channels with and without a rest, odd counts, several parts, blocks with a rest. */
const CASES: readonly Case[] = [
  { images: 1, pixels: 1, parts: [1], gaps: [0, 0] },
  { images: 2, pixels: 9, parts: [3], gaps: [8, 0] },
  { images: 2, pixels: 25, parts: [64], gaps: [0, 0] },
  { images: 3, pixels: 300, parts: [40], gaps: [0, 16] },
  { images: 2, pixels: 257, parts: [6, 35], gaps: [8, 8] },
  { images: 1, pixels: 30, parts: [7, 33, 2], gaps: [0, 0] },
];

for (const { images, pixels, parts, gaps } of CASES)
  for (const p of [0, 0.1, 0.5])
    eachSplit(
      `dropout of ${p} on ${images}x${pixels} pixels of ${parts.join(' + ')}`,
      (t, bench) => {
        const inner = new Channels(parts, gaps[0]);
        const outer = inner.apart(gaps[1]);
        const rows = images * pixels;
        const x = values(rows * inner.real, 4);
        const drawn = words(STREAM, x.length);
        const threshold = Math.floor(p * 2 ** 32);
        const scale = Math.fround(1 / (1 - p));
        const expected = x.map((v, i) => (drawn[i]! >= threshold ? v * scale : 0));
        const at = bench.put(inner.spread(x), 4);
        const y = bench.put(new Float32Array(rows * outer.stride).fill(42));
        const members = bench.put(inner.members());
        const run = (out: Pointer, stride: number) =>
          bench.run(
            'dropout',
            [
              ...tuple(
                out,
                stride,
                at,
                inner.stride,
                members,
                pixels,
                inner.padded,
                inner.real,
                p,
                NULL,
              ),
              ...tuple(...seed, purpose, index, timestep),
            ],
            images * Math.ceil(pixels / 256),
          );
        run(y, outer.stride);
        const got = outer.gather(t, bench.f32(y, rows * outer.stride), 'y');
        t.deepEqual(bits(got), bits(expected));
        run(at, inner.stride);
        const inPlace = inner.gather(t, bench.f32(at, rows * inner.stride), 'in place');
        t.deepEqual(bits(inPlace), bits(expected), 'in place');
        return [got];
      },
    );

eachBuild('dropout drops the requested share of elements', (t, bench) => {
  const [pixels, channels, p] = [1024, 64, 0.1];
  const x = bench.put(new Float32Array(pixels * channels).fill(1));
  const members = bench.put(Int32Array.from({ length: channels }, (_, i) => i));
  const args = tuple(x, channels, x, channels, members, pixels, channels, channels, p, NULL);
  bench.run('dropout', [...args, ...seed, purpose, index, timestep], pixels / 256);
  const got = bench.f32(x, pixels * channels);
  const dropped = got.filter((v) => v === 0).length;
  // Five standard deviations of a binomial count.
  const deviation = Math.sqrt(got.length * p * (1 - p));
  t.true(Math.abs(dropped - got.length * p) < 5 * deviation, `${dropped} of ${got.length}`);
});

eachBuild("every part of a stream's address changes the dropout mask", (t, bench) => {
  const channels = 64;
  const x = bench.put(new Float32Array(channels).fill(1));
  const members = bench.put(Int32Array.from({ length: channels }, (_, i) => i));
  type Address = [number, number, number, number, number];
  const draw = (address: readonly number[]) => {
    const y = bench.alloc(4 * channels);
    const args = tuple(
      y,
      channels,
      x,
      channels,
      members,
      1,
      channels,
      channels,
      0.5,
      NULL,
      ...(address as Address),
    );
    bench.run('dropout', args, 1);
    return bits(bench.f32(y, channels)).toString('hex');
  };
  const address = [1, 2, 3, 4, 5];
  const masks = new Set([draw(address), ...address.map((_, i) => draw(address.with(i, 99)))]);
  t.is(masks.size, 6);
});
