import test from 'ava';
import { WasmNetwork } from '../../../src/engine/network/wasm-network.js';
import { ShapeError } from '../../../src/errors.js';
import type { NetworkConfig } from '../../../src/network/network.js';
import { createTensorflowNetwork } from '../../../src/tensorflow/network-device.js';
import { close } from '../../helpers/kernels.js';
import { tensorflowTest } from '../../helpers/tensorflow.js';
import { arbitraryInput, arbitraryState, unetOf } from '../../helpers/unet.js';

const architecture: NetworkConfig = {
  kind: 'simple',
  widths: [5, 9],
  channels: 3,
  timeDim: 8,
  norm: 'separate',
};
const input = arbitraryInput(architecture, 8, [0, 1, 2]);
const real = (...t: number[]) => ({ ...input, t: Float32Array.from(t) });

test('a whole timestep gives the same bits as a real number', async (t) => {
  const unet = unetOf(t, { architecture, size: 8, batch: 3 });
  await unet.importState(arbitraryState(architecture));
  const whole = await unet.predict(input, 'running');
  t.deepEqual(await unet.predict(real(...input.t), 'running'), whole);
  t.deepEqual(await unet.predict(input, 'running'), whole, 'and whole ones after real ones');
});

test('a real timestep is embedded between its two neighbours', async (t) => {
  const unet = unetOf(t, { architecture, size: 8, batch: 3 });
  await unet.importState(arbitraryState(architecture));
  const at = (time: number) => unet.predict(real(time, time, time), 'running');
  const [low, middle, high] = [await at(40), await at(40.001), await at(41)];
  t.notDeepEqual(middle, low);
  const far = (a: Float32Array, b: Float32Array) =>
    a.reduce((sum, v, i) => sum + Math.abs(v - b[i]!), 0);
  t.true(far(middle, low) < 0.02 * far(high, low));
});

test('each image receives its own timestep, within the schedule or beyond', async (t) => {
  const unet = unetOf(t, { architecture, size: 8, batch: 3 });
  await unet.importState(arbitraryState(architecture));
  const mixed = await unet.predict(real(12.5, 999.25, 0), 'running');
  const each = mixed.length / 3;
  for (const [i, time] of [12.5, 999.25, 0].entries()) {
    const alone = await unet.predict(real(time, time, time), 'running');
    const part = (values: Float32Array) => values.slice(i * each, (i + 1) * each);
    t.deepEqual(part(mixed), part(alone));
  }
});

test('a training step accepts real timesteps', async (t) => {
  const unet = unetOf(t, { architecture, size: 8, batch: 3 });
  const state = arbitraryState(architecture);
  const loss = async (times: Float32Array | Int32Array) => {
    await unet.importState(state);
    return (await unet.gradients({ ...input, t: times }, input.noise)).loss;
  };
  const whole = await loss(input.t);
  t.is(await loss(Float32Array.from(input.t)), whole);
  t.not(await loss(Float32Array.from(input.t, (v) => v + 0.5)), whole);
});

test('a NaN timestep is refused', async (t) => {
  const unet = unetOf(t, { architecture, size: 8, batch: 3 });
  await t.throwsAsync(unet.predict(real(1, Number.NaN, 2), 'running'), {
    instanceOf: ShapeError,
    message: 'U-Net: t[1] is NaN, not a finite number',
  });
});

tensorflowTest('tensorflow and wasm embed real timesteps alike', async (t) => {
  const options = { architecture, size: 8, batch: 3, timesteps: 300, training: false };
  const state = arbitraryState(architecture);
  const theirs = await createTensorflowNetwork(options);
  const { network: ours } = WasmNetwork.create({ ...options, threads: 1 });
  t.teardown(() => Promise.all([theirs.dispose(), ours.dispose()]));
  for (const unet of [ours, theirs]) await unet.importState(state);
  const times = real(0.3, 150.75, 998.5);
  const expected = await ours.predict(times, 'running');
  close(t, await theirs.predict(times, 'running'), expected, { atol: 2e-5 });
});
