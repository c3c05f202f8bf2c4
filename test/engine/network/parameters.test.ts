import test from 'ava';
import {
  layoutParameters,
  readParameters,
  readState,
  writeParameters,
  writeStatistics,
} from '../../../src/engine/network/parameters.js';
import { UsageError } from '../../../src/errors.js';
import { buildNetwork, type NetworkConfig } from '../../../src/network/network.js';
import type { StateDict } from '../../../src/network/state.js';

import { arbitraryState, sameState } from '../../helpers/unet.js';

const ARCHITECTURES: readonly NetworkConfig[] = [
  { kind: 'simple', widths: [5, 7, 11], channels: 3, timeDim: 6, norm: 'separate' },
  { kind: 'simple', widths: [8, 16], channels: 1, timeDim: 8, norm: 'shared' },
  { kind: 'simple', widths: [1, 33, 2, 9], channels: 3, timeDim: 10, norm: 'shared' },
];

for (const architecture of ARCHITECTURES) {
  const layout = layoutParameters(buildNetwork(architecture));
  const state = arbitraryState(architecture);

  test(`Parameters and statistics of ${architecture.widths} are read back unchanged`, (t) => {
    // What was in memory before must not show.
    const weights = new Float32Array(layout.floats).fill(Number.NaN);
    const statistics = new Float32Array(layout.statistics).fill(Number.NaN);
    writeParameters(layout, weights, state);
    const batches = writeStatistics(layout, statistics, state);
    const back = readState(layout, weights, statistics, batches);
    sameState(t, back, state);
    t.deepEqual([...back.keys()], [...state.keys()]);
    t.deepEqual(
      [...readParameters(layout, weights).keys()],
      [...state.keys()].filter((name) => !/running|tracked/.test(name)),
    );
  });

  test(`Every parameter of ${architecture.widths} has one place, and the padding is zero`, (t) => {
    const region = new Float32Array(layout.floats).fill(Number.NaN);
    let count = 0;
    /** Numbers the parameters from 1: exact in f32, and no two alike. */
    const numbered = new Map(
      [...state].map(([name, tensor]) => {
        if (tensor.dtype !== 'F32' || /running/.test(name)) return [name, tensor];
        return [name, { ...tensor, data: tensor.data.map(() => ++count) }];
      }),
    ) as StateDict;
    writeParameters(layout, region, numbered);
    const placed = region.filter((v) => v !== 0).sort();
    t.deepEqual(
      placed,
      Float32Array.from({ length: count }, (_, i) => i + 1),
    );
  });
}

test('A missing tensor or one of the wrong shape is a UsageError', (t) => {
  const [architecture] = ARCHITECTURES as [NetworkConfig];
  const layout = layoutParameters(buildNetwork(architecture));
  const changed = (name: string, shape?: number[]): StateDict => {
    const state = new Map(arbitraryState(architecture));
    const tensor = state.get(name)!;
    if (tensor.dtype === 'F32' && shape) state.set(name, { ...tensor, shape });
    else state.delete(name);
    return state;
  };
  const write = (state: StateDict) => {
    writeParameters(layout, new Float32Array(layout.floats), state);
    writeStatistics(layout, new Float32Array(layout.statistics), state);
  };
  for (const [name, shape, message] of [
    ['conv0.weight', undefined, 'weights: conv0.weight is missing'],
    ['conv0.weight', [3, 5, 3, 3], 'weights: conv0.weight expected shape [5,3,3,3], got [3,5,3,3]'],
    ['output.bias', [3, 1], 'weights: output.bias expected shape [3], got [3,1]'],
    [
      'ups.1.bnorm2.running_var',
      [6],
      'weights: ups.1.bnorm2.running_var expected shape [5], got [6]',
    ],
  ] as const)
    t.throws(() => write(changed(name, shape && [...shape])), { instanceOf: UsageError, message });
});

test('A refused state leaves the parameters unchanged', (t) => {
  const [architecture] = ARCHITECTURES as [NetworkConfig];
  const layout = layoutParameters(buildNetwork(architecture));
  const state = arbitraryState(architecture);
  const region = new Float32Array(layout.floats);
  writeParameters(layout, region, state);
  const before = region.slice();
  const broken = new Map(arbitraryState(architecture, 9));
  broken.delete('output.bias');
  t.throws(() => writeParameters(layout, region, broken), { instanceOf: UsageError });
  t.deepEqual(region, before);
});
