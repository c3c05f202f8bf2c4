import test from 'ava';
import type { WasmNetwork } from '../../../src/engine/network/wasm-network.js';
import type { SimpleConfig } from '../../../src/network/simple.js';

import { bits } from '../../helpers/kernels.js';
import { arbitraryInput, arbitraryState, sameState, unetOf } from '../../helpers/unet.js';

/** Narrow and wide layers, so that every algorithm has its part; odd widths; both norms. */
const ARCHITECTURES: readonly (SimpleConfig & { size: number })[] = [
  { kind: 'simple', widths: [5, 18, 40], channels: 3, timeDim: 6, norm: 'separate', size: 24 },
  { kind: 'simple', widths: [16, 32, 72, 24], channels: 1, timeDim: 32, norm: 'shared', size: 32 },
];

async function steps(
  unet: WasmNetwork,
  architecture: SimpleConfig,
  size: number,
  numbers: number[],
) {
  const losses = [];
  for (const step of numbers) {
    const images = Array.from({ length: unet.batch }, (_, i) => 7 * step + i);
    const input = arbitraryInput(architecture, size, images);
    losses.push(await unet.trainStep(input, input.noise, 1e-3));
  }
  return losses;
}

for (const { size, ...architecture } of ARCHITECTURES) {
  const name = `${architecture.widths} (${architecture.norm})`;

  for (const strict of [true, false])
    test(`Training ${name} has the same bits for 1, 2 and 3 threads (${strict ? 'strict' : 'relaxed'})`, async (t) => {
      const runs = [];
      for (const threads of [1, 2, 3]) {
        const unet = unetOf(t, { architecture, size, batch: 5, threads, strict });
        await unet.importState(arbitraryState(architecture));
        const losses = await steps(unet, architecture, size, [0, 1, 2]);
        const optimizer = await unet.exportOptimizer();
        runs.push({ losses, state: await unet.exportState(), ...optimizer });
      }
      const [one, ...others] = runs;
      t.true(one!.losses.every(Number.isFinite) && new Set(one!.losses).size === 3);
      for (const run of others) {
        t.deepEqual(run.losses, one!.losses);
        for (const what of ['state', 'm', 'v'] as const) sameState(t, run[what], one![what], what);
      }
    });

  for (const training of [true, false])
    test(`An image through ${name} does not depend on its batch (${training ? 'with' : 'without'} training)`, async (t) => {
      const seen = [];
      for (const images of [[4], [1, 4], [9, 8, 7, 4, 2, 0, 3]]) {
        const unet = unetOf(t, { architecture, size, batch: images.length, training });
        await unet.importState(arbitraryState(architecture));
        const epsilon = await unet.predict(arbitraryInput(architecture, size, images), 'running');
        const each = epsilon.length / images.length;
        const at = images.indexOf(4) * each;
        seen.push(epsilon.slice(at, at + each));
      }
      for (const other of seen.slice(1)) t.true(bits(other).equals(bits(seen[0]!)));
      t.true(seen[0]!.every(Number.isFinite));
    });

  test(`Training ${name} continues with the same bits after export and import`, async (t) => {
    const open = () => unetOf(t, { architecture, size, batch: 3 });
    const whole = open();
    await whole.importState(arbitraryState(architecture));
    const losses = await steps(whole, architecture, size, [0, 1, 2, 3]);

    const first = open();
    await first.importState(arbitraryState(architecture));
    await steps(first, architecture, size, [0, 1]);
    const second = open();
    await steps(second, architecture, size, [5]); // What it did before must leave no trace.
    await second.importState(await first.exportState());
    await second.importOptimizer(await first.exportOptimizer());
    t.deepEqual(await steps(second, architecture, size, [2, 3]), losses.slice(2));
    sameState(t, await second.exportState(), await whole.exportState());
    const [got, expected] = [await second.exportOptimizer(), await whole.exportOptimizer()];
    t.is(got.step, 4);
    sameState(t, got.m, expected.m, 'm');
    sameState(t, got.v, expected.v, 'v');
  });

  test(`${name} exports the imported state unchanged`, async (t) => {
    const unet = unetOf(t, { architecture, size, batch: 1, training: false });
    const state = arbitraryState(architecture);
    await unet.importState(state);
    const exported = await unet.exportState();
    sameState(t, exported, state);
    t.deepEqual([...exported.keys()], [...state.keys()], 'the order of PyTorch');
  });
}
