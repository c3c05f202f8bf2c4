import test from 'ava';
import type { NetworkDevice, NetworkInput, Optimizer } from '../../../src/contracts/device.js';
import { CounterRandom } from '../../../src/diffusion/random.js';
import { initialState } from '../../../src/network/initial-state.js';
import { buildNetwork } from '../../../src/network/network.js';
import type { Unet2dConfig } from '../../../src/network/unet2d-config.js';
import { bits } from '../../helpers/kernels.js';
import { arbitraryInput, sameState, unetOf } from '../../helpers/unet.js';

/** Everything that a run can have at once. */
const FULL: Unet2dConfig = {
  kind: 'unet2d',
  channels: 3,
  widths: [8, 20, 24],
  layers: 1,
  downAttention: [false, true, true],
  upAttention: [true, true, false],
  mid: true,
  midAttention: true,
  midScale: 1.5,
  headDim: 4,
  groups: 4,
  attentionGroups: 2,
  eps: 1e-5,
  timeDim: 24,
  flipSinToCos: true,
  freqShift: 0,
  timeScaleShift: 'scale_shift',
  centerInput: true,
  downPadding: 1,
  downType: 'resnet',
  upType: 'resnet',
  numClasses: 5,
  dropout: 0.2,
};

/** Wide enough for blocks, and the usual resampling. */
const PLAIN: Unet2dConfig = {
  ...FULL,
  widths: [32, 40],
  layers: 2,
  downAttention: [false, true],
  upAttention: [true, false],
  headDim: 8,
  groups: 8,
  attentionGroups: null,
  timeScaleShift: 'default',
  centerInput: false,
  downPadding: 0,
  downType: 'conv',
  upType: 'conv',
  numClasses: null,
  dropout: 0,
};

const CASES = [
  { name: 'with everything', architecture: FULL, size: 16 },
  { name: 'as it is mostly used', architecture: PLAIN, size: 16 },
];

const ADAMW: Optimizer = { beta1: 0.95, beta2: 0.999, epsilon: 1e-8, decay: 1e-2, clip: 1 };

const stateOf = (architecture: Unet2dConfig) =>
  initialState(buildNetwork(architecture), new CounterRandom(5));

function inputOf(
  architecture: Unet2dConfig,
  size: number,
  images: readonly number[],
): NetworkInput & { noise: Float32Array } {
  const input = arbitraryInput(architecture, size, images);
  if (architecture.numClasses === null) return input;
  return { ...input, labels: Int32Array.from(images, (n) => n % 5) };
}

/** Losses of the steps of these numbers. */
async function steps(
  device: NetworkDevice,
  architecture: Unet2dConfig,
  size: number,
  numbers: readonly number[],
): Promise<number[]> {
  const losses = [];
  for (const step of numbers) {
    const images = Array.from({ length: device.batch }, (_, i) => 7 * step + i);
    const { noise, ...input } = inputOf(architecture, size, images);
    losses.push(await device.trainStep(input, noise, 1e-3));
  }
  return losses;
}

for (const { name, architecture, size } of CASES) {
  const options = { architecture, size, optimizer: ADAMW, loss: 'l2', seed: 3 } as const;

  for (const strict of [true, false])
    test(`Training a UNet2DModel ${name} has the same bits for 1, 2 and 3 threads (${strict ? 'strict' : 'relaxed'})`, async (t) => {
      const runs = [];
      for (const threads of [1, 2, 3]) {
        const unet = unetOf(t, { ...options, batch: 5, threads, strict });
        await unet.importState(stateOf(architecture));
        const losses = await steps(unet, architecture, size, [0, 1, 2]);
        runs.push({ losses, state: await unet.exportState(), ...(await unet.exportOptimizer()) });
      }
      const [one, ...others] = runs;
      t.true(one!.losses.every(Number.isFinite) && new Set(one!.losses).size === 3);
      for (const run of others) {
        t.deepEqual(run.losses, one!.losses);
        for (const what of ['state', 'm', 'v'] as const) sameState(t, run[what], one![what], what);
      }
    });

  test(`A UNet2DModel ${name} continues with the same bits from another network's state`, async (t) => {
    const whole = unetOf(t, { ...options, batch: 3 });
    await whole.importState(stateOf(architecture));
    const expected = await steps(whole, architecture, size, [0, 1, 2, 3]);
    const [first, second] = [
      unetOf(t, { ...options, batch: 3 }),
      unetOf(t, { ...options, batch: 3 }),
    ];
    await first.importState(stateOf(architecture));
    const got = await steps(first, architecture, size, [0, 1]);
    await second.importState(await first.exportState());
    await second.importOptimizer(await first.exportOptimizer());
    got.push(...(await steps(second, architecture, size, [2, 3])));
    t.deepEqual(got, expected);
    sameState(t, await second.exportState(), await whole.exportState());
  });

  for (const training of [true, false])
    test(`An image through a UNet2DModel ${name} does not depend on its batch (${training ? 'with' : 'without'} training)`, async (t) => {
      const seen = [];
      for (const images of [[4], [1, 4], [9, 8, 7, 4, 2, 0, 3]]) {
        const unet = unetOf(t, { ...options, batch: images.length, training });
        await unet.importState(stateOf(architecture));
        const { noise: _, ...input } = inputOf(architecture, size, images);
        const output = await unet.predict(input, 'running');
        const each = output.length / images.length;
        const at = images.indexOf(4) * each;
        seen.push(output.slice(at, at + each));
      }
      for (const other of seen.slice(1)) t.deepEqual(bits(other), bits(seen[0]!));
    });
}

test('Dropout depends on step and seed, and is off in evaluation', async (t) => {
  const losses = async (seed: number) => {
    const unet = unetOf(t, { architecture: FULL, size: 16, batch: 2, seed });
    await unet.importState(stateOf(FULL));
    const { noise, ...input } = inputOf(FULL, 16, [0, 1]);
    const before = await unet.predict(input, 'running');
    const first = await unet.trainStep(input, noise, 0);
    const second = await unet.trainStep(input, noise, 0);
    t.deepEqual(bits(await unet.predict(input, 'running')), bits(before));
    return [first, second];
  };
  const [one, two] = [await losses(1), await losses(2)];
  t.is(new Set([...one, ...two]).size, 4);
  t.deepEqual(await losses(1), one);
});

test('Labels are required if the network reads them, and checked against its classes', async (t) => {
  const unet = unetOf(t, { architecture: FULL, size: 8, batch: 2, training: false });
  await unet.importState(stateOf(FULL));
  const { noise: _, labels, ...input } = inputOf(FULL, 8, [0, 1]);
  await t.throwsAsync(unet.predict(input, 'running'), {
    message: /labels: expected one per image/,
  });
  const wrong = { ...input, labels: Int32Array.of(0, 5) };
  await t.throwsAsync(unet.predict(wrong, 'running'), { message: /labels\[1\] is 5/ });
  const of = async (which: Int32Array) => unet.predict({ ...input, labels: which }, 'running');
  t.notDeepEqual(bits(await of(labels!)), bits(await of(Int32Array.of(3, 3))));
  const plain = unetOf(t, { architecture: PLAIN, size: 8, batch: 2, training: false });
  await plain.importState(stateOf(PLAIN));
  await t.throwsAsync(plain.predict({ ...input, labels: Int32Array.of(0, 1) }, 'running'), {
    message: /labels: expected none/,
  });
});
