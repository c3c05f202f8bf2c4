import test from 'ava';
import { limitShares } from '../../src/bench/limit-shares.js';

const LIMITS = { peak: 100, bandwidth: 20 };

const layer = (algorithm: string | null, gflops: number | null, taps = 1) => ({
  ...{ layer: 'conv0', kind: 'convolution' as const, pass: 'forward' as const, ms: 1 },
  ...{ algorithm, gflops, taps, bytes: null },
});

const peakShare = (row: ReturnType<typeof layer>) => limitShares(row, LIMITS).ofPeak;

test("Winograd's own products are compared with the peak, not those of direct convolution", (t) => {
  t.is(peakShare(layer('F(4,3)', 200)), 0.5);
  t.is(peakShare(layer('F(2,3)', 180)), 0.8);
});

test('A convolution that is computed as another one is rated by the products of the latter', (t) => {
  t.is(peakShare(layer('F(4,2)', 288, 4 / 9)), 0.5);
});

test('A matrix product is compared with the peak unchanged', (t) => {
  t.is(peakShare(layer('dense', 50)), 0.5);
});

test('Bytes moved are compared with the bandwidth of memory', (t) => {
  const norm = { ...layer(null, null), kind: 'norm' as const, bytes: 5e6 };
  t.deepEqual(limitShares(norm, LIMITS), { ofPeak: null, ofBandwidth: 0.25 });
});

test('A row that neither multiplies nor moves much has no share', (t) => {
  t.deepEqual(limitShares(layer(null, null), LIMITS), { ofPeak: null, ofBandwidth: null });
});
