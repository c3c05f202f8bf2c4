import type { ExecutionContext } from 'ava';
import type { NetworkDevice, NetworkInput } from '../../src/contracts/device.js';
import { RunError, ShapeError, UsageError } from '../../src/errors.js';
import type { StateDict } from '../../src/network/state.js';
import { createTensorflowNetwork } from '../../src/tensorflow/network-device.js';
import { largest } from '../helpers/agree.js';
import { close } from '../helpers/kernels.js';
import { type NetworkFixture, readFixture, SIMPLE_FIXTURES } from '../helpers/network-fixture.js';
import { tensorflowTest } from '../helpers/tensorflow.js';

const MODES = [
  { mode: 'graph', eager: false },
  { mode: 'eager', eager: true },
];

/** A device with a fixture's weights. */
async function device(fixture: NetworkFixture, eager: boolean): Promise<NetworkDevice> {
  const unet = await createTensorflowNetwork({ ...fixture, eager });
  await unet.importState(fixture.state0);
  return unet;
}

/** Two state dicts, tensor by tensor: the same names, shapes and whole numbers; `check` compares f32. */
function eachTensor(
  t: ExecutionContext,
  got: StateDict,
  expected: StateDict,
  check: (name: string, got: Float32Array, expected: Float32Array) => void,
): void {
  t.deepEqual([...got.keys()].sort(), [...expected.keys()].sort());
  for (const [name, tensor] of expected) {
    const actual = got.get(name)!;
    t.deepEqual(actual.shape, tensor.shape, name);
    if (tensor.dtype === 'F32') check(name, actual.data as Float32Array, tensor.data);
    else t.deepEqual(actual.data, tensor.data, name);
  }
}

/** f32 sums in another order than PyTorch's are off by a share of each tensor's largest value. */
function closeGradients(t: ExecutionContext, got: StateDict, expected: StateDict): void {
  eachTensor(t, got, expected, (what, a, e) => close(t, a, e, { atol: 5e-5 * largest(e), what }));
}

/**
 * Adam's first step is lr·g/(|g| + 1e-8). Where g is itself near 1e-8 it is uncertain by all of its size, so
 * single values may be off by a tenth of lr, but on average they are a thousand times closer.
 */
function closeAfterStep(t: ExecutionContext, got: StateDict, expected: StateDict): void {
  let sum = 0;
  let count = 0;
  eachTensor(t, got, expected, (what, a, e) => {
    close(t, a, e, { atol: 1e-4, rtol: 2e-6, what });
    count += e.length;
    for (let i = 0; i < e.length; i++) sum += Math.abs(a[i]! - e[i]!);
  });
  t.true(sum / count < 1e-7, `mean distance ${sum / count}`);
}

tensorflowTest('inputs of a wrong length or beyond the schedule are refused by name', async (t) => {
  const fixture = await readFixture('unet_rgb_16');
  const unet = await device(fixture, true);
  const { xt, t: steps } = fixture.input;
  const refused = async (input: NetworkInput, message: RegExp) => {
    const predicting = () => unet.predict(input, 'running');
    await t.throwsAsync(predicting, { instanceOf: ShapeError, message });
  };
  await refused({ xt: xt.subarray(1), t: steps }, /x_t has 2303 elements, expected 2304/);
  await refused({ xt, t: steps.subarray(1) }, /t has 2 elements, expected 3/);
  await refused({ xt, t: Int32Array.of(0, 300, 1) }, /t\[1\] is 300/);
  await unet.dispose();
});

tensorflowTest('a U-Net planned without training refuses to train', async (t) => {
  const fixture = await readFixture('unet_rgb_16');
  for (const { eager } of MODES) {
    const options = { ...fixture, training: false, eager };
    const unet = await createTensorflowNetwork(options);
    const training = () => unet.trainStep(fixture.input, fixture.target, 1e-3);
    await t.throwsAsync(training, { instanceOf: RunError, message: /planned without/ });
    await unet.dispose();
  }
});

tensorflowTest(
  'weights that lack a tensor or have another shape are refused by name',
  async (t) => {
    const fixture = await readFixture('unet_rgb_16');
    const unet = await device(fixture, true);
    const without = new Map(fixture.state0);
    without.delete('conv0.bias');
    const importing = (state: StateDict) => () => unet.importState(state);
    await t.throwsAsync(importing(without), { instanceOf: UsageError, message: /conv0\.bias/ });
    const other = new Map(fixture.state0);
    other.set('conv0.bias', { dtype: 'F32', shape: [1], data: new Float32Array(1) });
    await t.throwsAsync(importing(other), {
      instanceOf: UsageError,
      message: /conv0\.bias.*\[1\]/,
    });
    await unet.dispose();
  },
);

for (const name of SIMPLE_FIXTURES)
  for (const { mode, eager } of MODES) {
    tensorflowTest(`${name}, ${mode}: predictions match PyTorch's in evaluation`, async (t) => {
      const fixture = await readFixture(name);
      const unet = await device(fixture, eager);
      const epsilon = await unet.predict(fixture.input, 'running');
      close(t, epsilon, fixture.evaluated, { atol: 1e-6, what: 'eps_eval' });
      await unet.dispose();
    });

    tensorflowTest(`${name}, ${mode}: loss and gradients match PyTorch's`, async (t) => {
      const fixture = await readFixture(name);
      const unet = await device(fixture, eager);
      const batch = await unet.predict(fixture.input, 'batch');
      close(t, batch, fixture.trained, { atol: 1e-5, what: 'eps_train by predict' });
      const { loss, epsilon, gradients } = await unet.gradients(fixture.input, fixture.target);
      close(t, epsilon, fixture.trained, { atol: 1e-5, what: 'eps_train' });
      close(t, [loss], fixture.losses.subarray(0, 1), { rtol: 2e-6, what: 'loss' });
      closeGradients(t, gradients, fixture.gradients);
      await unet.dispose();
    });

    tensorflowTest(`${name}, ${mode}: training matches PyTorch's`, async (t) => {
      const fixture = await readFixture(name);
      const unet = await device(fixture, eager);
      const losses: number[] = [];
      for (let step = 0; step < 5; step++) {
        losses.push(await unet.trainStep(fixture.input, fixture.target, 1e-3));
        if (step === 0) closeAfterStep(t, await unet.exportState(), fixture.state1);
      }
      close(t, losses, fixture.losses, { rtol: 2e-6, what: 'losses' });
      await unet.dispose();
    });
  }
