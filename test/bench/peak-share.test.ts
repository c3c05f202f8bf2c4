import test from 'ava';
import { peakShare } from '../../src/bench/peak-share.js';

const layer = (algorithm: string | null, gflops: number | null, taps = 1) => ({
  ...{ layer: 'conv0', kind: 'convolution' as const, pass: 'forward' as const, ms: 1 },
  ...{ algorithm, gflops, taps },
});

test("Winograd's own products are held against the peak, not the direct sum's", (t) => {
  t.is(peakShare(layer('F(4,3)', 200), 100), 0.5);
  t.is(peakShare(layer('F(2,3)', 180), 100), 0.8);
});

test('A convolution that is done as another one is held against it by the products of that one', (t) => {
  t.is(peakShare(layer('F(4,2)', 288, 4 / 9), 100), 0.5);
});

test('A product of matrices is held against it as it is', (t) => {
  t.is(peakShare(layer('dense', 50), 100), 0.5);
});

test('What convolves nothing has no share', (t) => {
  t.is(peakShare(layer(null, null), 100), null);
});
