import test from 'ava';
import { byKind } from '../../src/bench/kinds.js';
import type { LayerTime } from '../../src/engine/network/layer-times.js';

const row = (kind: LayerTime['kind'], ms: number, gflops: number | null): LayerTime => ({
  ...{ layer: `layer${ms}`, kind, pass: 'forward', ms },
  ...{ algorithm: gflops === null ? null : 'dense', gflops },
});

test('Rows are summed by kind, longest first, and shares of the peak are weighted by time', (t) => {
  const rows = [
    row('norm', 4, null),
    row('convolution', 6, 100),
    row('attention', 1, 20),
    row('convolution', 2, 20),
  ];
  t.deepEqual(byKind(rows, 200), [
    { kind: 'convolution', ms: 8, ofPeak: (6 * 0.5 + 2 * 0.1) / 8 },
    { kind: 'norm', ms: 4, ofPeak: null },
    { kind: 'attention', ms: 1, ofPeak: 0.1 },
  ]);
});
