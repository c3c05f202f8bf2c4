import test from 'ava';
import { eachBuild } from '../helpers/kernels.js';
import { philox4x32, words } from '../helpers/philox.js';

const hex = (list: number[]) => list.map((w) => w.toString(16).padStart(8, '0')).join(' ');

test('the reference implementation gives the known answers of Random123', (t) => {
  const ones = 0xffffffff;
  const pi = [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344];
  t.is(hex(philox4x32([0, 0, 0, 0], [0, 0])), '6627e8d5 e169c58d bc57ac4c 9b00dbd8');
  t.is(
    hex(philox4x32([ones, ones, ones, ones], [ones, ones])),
    '408f276d 41c83b0e a20bc7c6 6d5451fd',
  );
  t.is(hex(philox4x32(pi, [0xa4093822, 0x299f31d0])), 'd16cfe09 94fdcceb 5001e420 24126ea1');
});

eachBuild('philox with counter and key zero gives the published words', (t, bench) => {
  const out = bench.alloc(16);
  bench.run('philox', [out, 0, 0, 0, 0, 0], 4);
  t.is(hex([...bench.u32(out, 4)]), '6627e8d5 e169c58d bc57ac4c 9b00dbd8');
});

const stream = {
  seed: [0xdeadbeef, 0x1234] as const,
  purpose: 7,
  index: 0x89abcdef,
  timestep: 299,
};

eachBuild('philox writes only the words of [begin, end), wherever the range is', (t, bench) => {
  const expected = words(stream, 80);
  const { seed, purpose, index, timestep } = stream;
  for (const begin of [0, 1, 2, 3, 4, 5, 13, 16, 31])
    for (let length = 0; length <= 40; length++) {
      const out = bench.put(new Uint32Array(80).fill(42), begin % 4);
      bench.runRange('philox', [out, ...seed, purpose, index, timestep], begin, begin + length);
      const want = new Uint32Array(80).fill(42);
      want.set(expected.subarray(begin, begin + length), begin);
      t.deepEqual(bench.u32(out, 80), want, `[${begin}, ${begin + length})`);
      bench.reset();
    }
});

eachBuild('each counter word and key word of philox affects the result', (t, bench) => {
  type Address = [number, number, number, number, number];
  const args = [1, 2, 3, 4, 5];
  const draw = (list: number[]) => {
    const out = bench.alloc(64);
    bench.run('philox', [out, ...(list as Address)], 16);
    return hex([...bench.u32(out, 16)]);
  };
  const all = new Set([draw(args), ...args.map((_, i) => draw(args.with(i, 99)))]);
  t.is(all.size, 6);
});
