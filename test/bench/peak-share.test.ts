import test from 'ava';
import { peakShare } from '../../src/bench/peak-share.js';

const layer = (algorithm: string | null, gflops: number | null, taps = 1) => ({
  ...{ layer: 'conv0', kind: 'convolution' as const, pass: 'forward' as const, ms: 1 },
  ...{ algorithm, gflops, taps },
});

test("Winograd's own products are compared with the peak, not those of direct convolution", (t) => {
  t.is(peakShare(layer('F(4,3)', 200), 100), 0.5);
  t.is(peakShare(layer('F(2,3)', 180), 100), 0.8);
});

test('A convolution that is computed as another one is rated by the products of the latter', (t) => {
  t.is(peakShare(layer('F(4,2)', 288, 4 / 9), 100), 0.5);
});

test('A matrix product is compared with the peak unchanged', (t) => {
  t.is(peakShare(layer('dense', 50), 100), 0.5);
});

test('A row without a convolution has no share', (t) => {
  t.is(peakShare(layer(null, null), 100), null);
});
