import test from 'ava';
import type { Call } from '../../../src/engine/program.js';
import type { Unet2dConfig } from '../../../src/network/unet2d-config.js';
import { arbitraryInput, arbitraryState, sameState, unetOf } from '../../helpers/unet.js';

/** One level with attention, whose products are of 1,024 pixels an image; shortcuts with and without weights. */
const UNET2D: Unet2dConfig = {
  ...{ kind: 'unet2d', channels: 3, widths: [16, 24], layers: 1, headDim: 8, groups: 4 },
  ...{ downAttention: [true, false], upAttention: [false, true], mid: true, midAttention: true },
  ...{ midScale: 1, attentionGroups: null, eps: 1e-5, timeDim: 16, flipSinToCos: true },
  ...{ freqShift: 0, timeScaleShift: 'default', centerInput: false, downPadding: 1 },
  ...{ downType: 'conv', upType: 'conv', numClasses: null, dropout: 0 },
};
const SIZE = 32;

test('Queries, keys and values are computed in one phase', (t) => {
  const unet = unetOf(t, { architecture: UNET2D, size: SIZE, batch: 1 });
  const phases = unet.predictSections().flatMap((section) => section.phases);
  const names = ({ label = '' }: Call) => /to_([qkv]) forward/.exec(label)?.[1] ?? [];
  const found = phases.map((phase) => phase.flatMap(names)).filter((list) => list.length > 0);
  t.true(found.length >= 3);
  for (const list of found) t.deepEqual(list, ['q', 'k', 'v']);
});

test('The summand of a layer with many pixels is not copied in a separate pass', (t) => {
  const copies = (batch: number) => {
    const unet = unetOf(t, { architecture: UNET2D, size: SIZE, batch });
    const calls = unet.predictSections().flatMap(({ phases }) => phases.flat());
    return calls.filter(({ kernel }) => kernel === 'copyChannels').length;
  };
  t.true(copies(1) > 0, 'at 16 x 16 pixels one image is no block');
  t.is(copies(6), 0);
});

for (const strict of [true, false])
  test(`Training a UNet2DModel has the same bits for 1, 2 and 3 threads (${strict ? 'strict' : 'relaxed'})`, async (t) => {
    const runs = [];
    for (const threads of [1, 2, 3]) {
      const unet = unetOf(t, { architecture: UNET2D, size: SIZE, batch: 3, threads, strict });
      await unet.importState(arbitraryState(UNET2D));
      const losses = [];
      for (const step of [0, 1]) {
        const input = arbitraryInput(UNET2D, SIZE, [step, step + 5, step + 9]);
        losses.push(await unet.trainStep(input, input.noise, 1e-3));
      }
      runs.push({ losses, state: await unet.exportState(), ...(await unet.exportOptimizer()) });
    }
    const [one, ...others] = runs;
    t.true(one!.losses.every(Number.isFinite));
    for (const run of others) {
      t.deepEqual(run.losses, one!.losses);
      for (const what of ['state', 'm', 'v'] as const) sameState(t, run[what], one![what], what);
    }
  });
