import test from 'ava';
import { fitsHalf, floatToHalf, halfToFloat } from '../../src/io/half.js';

test('every half is unchanged by conversion to a float and back', (t) => {
  for (let bits = 0; bits < 65_536; bits++) {
    const value = halfToFloat(bits);
    if (Number.isNaN(value)) t.is(floatToHalf(value), 0x7e00);
    else if (floatToHalf(value) !== bits) t.fail(`${bits}: ${value} became ${floatToHalf(value)}`);
  }
  t.pass();
});

test('a float becomes the nearest half, with ties to even', (t) => {
  for (let bits = 0; bits < 0x7bff; bits++) {
    const [low, high] = [halfToFloat(bits), halfToFloat(bits + 1)];
    const middle = (low + high) / 2;
    const gap = (high - low) / 1024;
    const even = bits % 2 === 0 ? bits : bits + 1;
    const got = [middle - gap, middle, middle + gap].map(floatToHalf);
    if (String(got) !== String([bits, even, bits + 1])) t.fail(`${low} to ${high}: ${got}`);
  }
  t.pass();
});

test('values beyond the largest half become infinite, and can be detected before', (t) => {
  t.deepEqual([65_504, 65_519, 65_520, -65_520].map(floatToHalf), [0x7bff, 0x7bff, 0x7c00, 0xfc00]);
  t.deepEqual([65_519, -65_519, 65_520, -1e9].map(fitsHalf), [true, true, false, false]);
  t.is(floatToHalf(-0), 0x8000);
});
