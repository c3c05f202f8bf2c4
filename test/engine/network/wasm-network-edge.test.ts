import test from 'ava';
import type { Loss } from '../../../src/contracts/device.js';
import { planBytes } from '../../../src/engine/network/plan.js';
import { WasmNetwork } from '../../../src/engine/network/wasm-network.js';
import { EngineError, RunError, ShapeError, UsageError } from '../../../src/errors.js';
import type { NetworkConfig } from '../../../src/network/network.js';

import { arbitraryInput, arbitraryState, sameState, unetOf } from '../../helpers/unet.js';

const TINY: NetworkConfig = {
  kind: 'simple',
  widths: [5, 9],
  channels: 3,
  timeDim: 4,
  norm: 'separate',
};
const REFERENCE: NetworkConfig = {
  ...{
    kind: 'simple',
    widths: [64, 128, 256, 512, 1024],
    channels: 3,
    timeDim: 32,
    norm: 'separate',
  },
};

for (const norm of ['separate', 'shared'] as const)
  for (const loss of ['l2', 'huber'] satisfies Loss[])
    test(`The ${loss} loss decreases along its gradient at the rate of the gradient (${norm} norms)`, async (t) => {
      const architecture = { ...TINY, norm };
      const unet = unetOf(t, { architecture, size: 8, batch: 4, loss });
      const state = arbitraryState(architecture);
      const input = arbitraryInput(architecture, 8, [0, 1, 2, 3]);
      await unet.importState(state);
      const { gradients } = await unet.gradients(input, input.noise);
      let square = 0;
      for (const { data } of gradients.values()) for (const g of data) square += Number(g) ** 2;
      const length = Math.sqrt(square);
      /** The loss a distance h along the normalised gradient. */
      const lossAt = async (h: number) => {
        const moved = new Map(state);
        for (const [name, { data }] of gradients) {
          const tensor = state.get(name)!;
          if (tensor.dtype !== 'F32') continue;
          const along = tensor.data.map((p, i) => p + (h * Number(data[i])) / length);
          moved.set(name, { ...tensor, data: along });
        }
        await unet.importState(moved);
        return (await unet.gradients(input, input.noise)).loss;
      };
      // The loss is about 1 and right to some 1e-7, so the slope to 1e-4; curvature and ReLUs leave some 1e-3 of it.
      const h = 1e-3;
      const slope = ((await lossAt(h)) - (await lossAt(-h))) / (2 * h);
      t.true(Math.abs(slope - length) < 0.01 * length, `slope ${slope}, gradient ${length}`);
    });

test('The padding of odd widths stays zero through training', async (t) => {
  const architecture: NetworkConfig = {
    kind: 'simple',
    widths: [5, 18, 20],
    channels: 1,
    timeDim: 6,
    norm: 'separate',
  };
  const unet = unetOf(t, { architecture, size: 8, batch: 3 });
  const { layout, regions } = unet.memory;
  const region = (at: number) => unet.engine.floats(at, layout.floats);
  const ones = new Map(arbitraryState(architecture));
  for (const [name, tensor] of ones)
    if (tensor.dtype === 'F32') ones.set(name, { ...tensor, data: tensor.data.map(() => 1) });
  await unet.importState(ones);
  const padding = region(regions.weights).map((w) => 1 - w);
  t.true(padding.some((p) => p === 1));
  await unet.importState(arbitraryState(architecture));
  const input = arbitraryInput(architecture, 8, [0, 1, 2]);
  for (let step = 0; step < 3; step++) await unet.trainStep(input, input.noise, 1e-2);
  const { gradients, m, v } = regions.training!;
  for (const [what, at] of Object.entries({ weights: regions.weights, gradients, m, v })) {
    const values = region(at);
    t.true(
      values.some((x, i) => padding[i] === 0 && x !== 0),
      what,
    );
    t.is(
      values.findIndex((x, i) => padding[i] === 1 && x !== 0),
      -1,
      what,
    );
  }
});

test('gradients() keeps the parameters, and updates running statistics like a training step', async (t) => {
  const state = arbitraryState(TINY);
  const input = arbitraryInput(TINY, 4, [0, 1]);
  const [looking, training] = [0, 1].map(() =>
    unetOf(t, { architecture: TINY, size: 4, batch: 2 }),
  );
  for (const unet of [looking!, training!]) await unet.importState(state);
  await looking!.gradients(input, input.noise);
  await training!.trainStep(input, input.noise, 0);
  sameState(t, await looking!.exportState(), await training!.exportState());
  t.deepEqual((await looking!.exportState()).get('conv0.weight'), state.get('conv0.weight'));
  t.is((await looking!.exportOptimizer()).step, 0);
});

test('For a model that does not fit, the error has the memory needed and available, and the largest batch', (t) => {
  const options = { architecture: REFERENCE, size: 64, timesteps: 300, threads: 2 };
  for (const training of [true, false]) {
    const error = t.throws(() => WasmNetwork.create({ ...options, training, batch: 800 }), {
      instanceOf: UsageError,
    });
    const pattern =
      /^memory: this needs (\d+\.\d\d) GiB, available are 4\.00 GiB; the largest batch that fits is (\d+)$/;
    const [, needed, largest] = pattern.exec(error!.message) ?? [];
    t.truthy(largest, error!.message);
    const { total } = planBytes({ ...options, training, batch: 800 });
    t.true(Number(needed) >= total / 2 ** 30 && Number(needed) < total / 2 ** 30 + 0.011, needed);
    const fits = (batch: number) => planBytes({ ...options, training, batch }).total <= 2 ** 32;
    t.true(fits(Number(largest)) && !fits(Number(largest) + 1));
  }
});

test('Memory beside the U-Net counts towards the largest batch', (t) => {
  const options = { architecture: REFERENCE, size: 64, timesteps: 300, threads: 2, batch: 700 };
  const message = (bytesAnImage: number) =>
    t.throws(() =>
      WasmNetwork.create(options, (arena, { shape }) =>
        arena.bytes('x', shape.batch * bytesAnImage),
      ),
    )!.message;
  const largest = (text: string) => Number(/fits is (\d+)$/.exec(text)?.[1]);
  t.true(largest(message(2 ** 20)) < largest(message(64)));
  t.regex(message(2 ** 32), /not even a batch of 1 fits$/);
});

test('A model that is far too large is refused before its programs are planned', (t) => {
  const options = { architecture: REFERENCE, size: 4096, batch: 65_536, timesteps: 3, threads: 2 };
  for (const training of [true, false])
    t.throws(() => WasmNetwork.create({ ...options, training }), {
      instanceOf: UsageError,
      message: /^memory: this needs \d+\.\d\d GiB, .*; not even a batch of 1 fits$/,
    });
});

test('The reference at 64x64 and a batch of 128 fits for training', (t) => {
  const options = { architecture: REFERENCE, size: 64, batch: 128, timesteps: 300, threads: 4 };
  t.true(planBytes(options).total <= 2 ** 32);
});

test('Impossible architectures and sizes are UsageErrors', (t) => {
  const create = (change: object) =>
    WasmNetwork.create({
      architecture: TINY,
      size: 8,
      batch: 1,
      timesteps: 3,
      threads: 1,
      ...change,
    });
  t.throws(() => create({ size: 7 }), { instanceOf: UsageError, message: /^--size: / });
  t.throws(() => create({ architecture: { ...TINY, kind: 'simple', widths: [8] } }), {
    instanceOf: UsageError,
    message: /^--widths: /,
  });
});

test('Inputs of the wrong length are refused', async (t) => {
  const unet = unetOf(t, { architecture: TINY, size: 4, batch: 2 });
  const input = arbitraryInput(TINY, 4, [0, 1]);
  const one = arbitraryInput(TINY, 4, [0]);
  const refused = { instanceOf: ShapeError };
  await t.throwsAsync(unet.predict({ ...input, xt: one.xt }, 'running'), refused);
  await t.throwsAsync(unet.predict({ ...input, t: one.t }, 'running'), refused);
  await t.throwsAsync(unet.trainStep(input, one.noise, 1e-3), refused);
});

test('A U-Net planned without training refuses to train', async (t) => {
  const unet = unetOf(t, { architecture: TINY, size: 4, batch: 1, training: false });
  const input = arbitraryInput(TINY, 4, [0]);
  await t.throwsAsync(unet.gradients(input, input.noise), { instanceOf: RunError });
  await t.throwsAsync(unet.trainStep(input, input.noise, 1e-3), { instanceOf: RunError });
  await t.throwsAsync(unet.exportOptimizer(), { instanceOf: RunError });
});

test('A U-Net can be disposed of twice, and refuses to run afterwards', async (t) => {
  const unet = unetOf(t, { architecture: TINY, size: 4, batch: 1 });
  await unet.dispose();
  await unet.dispose();
  const input = arbitraryInput(TINY, 4, [0]);
  await t.throwsAsync(unet.predict(input, 'running'), { instanceOf: EngineError });
});
