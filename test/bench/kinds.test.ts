import test from 'ava';
import { byKind } from '../../src/bench/kinds.js';
import type { LayerTime } from '../../src/engine/network/layer-times.js';

const row = (
  kind: LayerTime['kind'],
  ms: number,
  gflops: number | null,
  bytes: number | null = null,
): LayerTime => ({
  ...{ layer: `layer${ms}`, kind, pass: 'forward', ms, bytes },
  ...{ algorithm: gflops === null ? null : 'dense', gflops },
});

test('Rows are summed by kind, longest first, and shares of the limits are weighted by time', (t) => {
  const rows = [
    row('norm', 3, null, 15e6),
    row('convolution', 6, 100),
    row('attention', 1, 20),
    row('convolution', 2, 20),
    row('norm', 1, null, 25e6),
  ];
  t.deepEqual(byKind(rows, { peak: 200, bandwidth: 50 }), [
    { kind: 'convolution', ms: 8, ofPeak: (6 * 0.5 + 2 * 0.1) / 8, ofBandwidth: null },
    { kind: 'norm', ms: 4, ofPeak: null, ofBandwidth: (3 * 0.1 + 1 * 0.5) / 4 },
    { kind: 'attention', ms: 1, ofPeak: 0.1, ofBandwidth: null },
  ]);
});
