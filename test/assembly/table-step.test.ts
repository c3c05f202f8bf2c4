import { NULL } from '../../src/engine/pointer.js';
import { tuple } from '../../src/engine/program.js';
import { eachBuild, values } from '../helpers/kernels.js';

const round = Math.fround;
/** a, b, range, c, d, h, e₁, e₂, e₃, g. */
const ROW = Float32Array.of(1.7, -1.3, 0.8, 0.65, 0.7, -0.4, 0.3, -0.25, 0.15, 0.2);

interface Inputs {
  readonly x: number;
  readonly m: number;
  readonly z: number;
  readonly earlier: number;
  readonly earliest: number;
  readonly oldest: number;
}

function foreseen(row: Float32Array, { x, m }: Inputs, limit = row[2]!, divides = false): number {
  const image = round(round(row[0]! * x) + round(row[1]! * m));
  const x0 = Math.max(-limit, Math.min(limit, image));
  return divides ? round(x0 / limit) : x0;
}

function stepped(row: Float32Array, inputs: Inputs, x0: number): number {
  const [, , , c, d, h, e1, e2, e3, g] = row as unknown as number[];
  let next = round(round(c! * inputs.x) + round(d! * x0));
  next = round(next + round(h! * inputs.m));
  if (e1 !== 0) next = round(next + round(e1! * inputs.earlier));
  if (e2 !== 0) next = round(next + round(e2! * inputs.earliest));
  if (e3 !== 0) next = round(next + round(e3! * inputs.oldest));
  return g === 0 ? next : round(next + round(g! * inputs.z));
}

const arrays = (length: number) => [1, 2, 3, 4, 5, 6].map((seed) => values(length, seed));
const at = (lists: Float32Array[], i: number): Inputs => {
  const [x, m, z, earlier, earliest, oldest] = lists.map((list) => list[i]!) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return { x, m, z, earlier, earliest, oldest };
};

eachBuild(
  'tableStep follows its formula for any range and alignment, and shifts the history',
  (t, bench) => {
    const row = bench.put(ROW);
    bench.mark();
    for (const begin of [0, 1, 2, 3, 5])
      for (let length = 0; length <= 17; length++) {
        const lists = arrays(24);
        const [x, m, z, earlier, earliest, oldest] = lists.map((list, i) => bench.put(list, i));
        const out = bench.put(new Float32Array(24).fill(42), begin);
        const args = tuple(out, x!, m!, z!, earlier!, earliest!, oldest!, NULL, 1, row);
        bench.runRange('tableStep', args, begin, begin + length);
        const within = (i: number) => i >= begin && i < begin + length;
        const image = lists[0]!.map((_, i) => foreseen(ROW, at(lists, i)));
        const what = `[${begin}, ${begin + length})`;
        const expected = image.map((x0, i) => (within(i) ? stepped(ROW, at(lists, i), x0) : 42));
        t.deepEqual(bench.f32(out, 24), expected, what);
        t.deepEqual(
          bench.f32(earlier!, 24),
          lists[3]!.map((v, i) => (within(i) ? image[i]! : v)),
          what,
        );
        t.deepEqual(
          bench.f32(earliest!, 24),
          lists[4]!.map((v, i) => (within(i) ? lists[3]![i]! : v)),
          what,
        );
        t.deepEqual(
          bench.f32(oldest!, 24),
          lists[5]!.map((v, i) => (within(i) ? lists[4]![i]! : v)),
          what,
        );
        bench.reset();
      }
  },
);

eachBuild('tableStep clamps each image to its own limit and divides by it', (t, bench) => {
  const lists = arrays(21);
  const limits = Float32Array.of(1, 1.25, 0.5);
  const [x, m, z] = lists.map((list) => bench.put(list));
  const row = ROW.with(6, 0).with(7, 0).with(8, 0);
  const own = bench.put(limits);
  bench.run('tableStep', [x!, x!, m!, z!, NULL, NULL, NULL, own, 7, bench.put(row)], 21);
  const expected = lists[0]!.map((_, i) => {
    const inputs = at(lists, i);
    return stepped(row, inputs, foreseen(row, inputs, limits[Math.floor(i / 7)]!, true));
  });
  t.deepEqual(bench.f32(x!, 21), expected);
});

eachBuild('tableStep does not read inputs of weight 0, and propagates a NaN', (t, bench) => {
  const lists = arrays(19);
  lists[0] = lists[0]!.with(3, Number.NaN).with(18, Number.NaN);
  const row = ROW.with(6, 0).with(7, 0).with(8, 0).with(9, 0).with(2, Number.POSITIVE_INFINITY);
  const none = bench.put(new Float32Array(19).fill(Number.NaN));
  const x = bench.put(lists[0]!);
  const args = tuple(x, x, bench.put(lists[1]!), none, NULL, NULL, NULL, NULL, 1, bench.put(row));
  bench.run('tableStep', args, 19);
  // As numbers: a NaN's sign is no matter.
  t.deepEqual(
    [...bench.f32(x, 19)],
    Array.from(lists[0]!, (_, i) => {
      const inputs = at(lists, i);
      return stepped(row, inputs, foreseen(row, inputs));
    }),
  );
});
