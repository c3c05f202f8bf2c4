import type { ExecutionContext } from 'ava';
import type { NetworkDevice, Optimizer } from '../../src/contracts/device.js';
import type { StateDict } from '../../src/network/state.js';
import { createTensorflowNetwork } from '../../src/tensorflow/network-device.js';
import { largest } from '../helpers/agree.js';
import { close } from '../helpers/kernels.js';
import {
  FIXTURE_ADAMW,
  type NetworkFixture,
  readFixture,
  UNET2D_FIXTURES,
} from '../helpers/network-fixture.js';
import { tensorflowTest } from '../helpers/tensorflow.js';

const RATE = 1e-3;

/** A device with a fixture's weights. */
async function device(
  t: ExecutionContext,
  fixture: NetworkFixture,
  eager: boolean,
  optimizer: Optimizer = FIXTURE_ADAMW,
): Promise<NetworkDevice> {
  const options = { ...fixture, optimizer, eager };
  const network = await createTensorflowNetwork(options);
  t.teardown(() => network.dispose());
  await network.importState(fixture.state0);
  return network;
}

/** Two state dicts of f32, tensor by tensor. */
function eachTensor(
  t: ExecutionContext,
  got: StateDict,
  expected: StateDict,
  check: (name: string, got: Float32Array, expected: Float32Array) => void,
): void {
  t.deepEqual([...got.keys()].sort(), [...expected.keys()].sort());
  for (const [name, { shape, data }] of expected) {
    t.deepEqual(got.get(name)!.shape, shape, name);
    check(name, got.get(name)!.data as Float32Array, data as Float32Array);
  }
}

/** Sums in other orders than PyTorch's; the gradient of `to_k.bias` is 0 but for rounding. */
const gradientTolerance = (expected: Float32Array) => 1e-6 + 1e-4 * largest(expected);

for (const name of UNET2D_FIXTURES)
  for (const eager of [false, true]) {
    const mode = eager ? 'eager' : 'graph';
    tensorflowTest(`${name}, ${mode}: output, loss and gradients match PyTorch's`, async (t) => {
      const fixture = await readFixture(name);
      const network = await device(t, fixture, eager);
      for (const norm of ['running', 'batch'] as const)
        close(t, await network.predict(fixture.input, norm), fixture.evaluated, {
          atol: 1e-5,
          what: norm,
        });
      const { loss, epsilon, gradients } = await network.gradients(fixture.input, fixture.target);
      close(t, epsilon, fixture.evaluated, { atol: 1e-5, what: 'out in training' });
      close(t, [loss], fixture.losses.subarray(0, 1), { atol: 1e-5, what: 'loss' });
      eachTensor(t, gradients, fixture.gradients, (what, got, expected) =>
        close(t, got, expected, { atol: gradientTolerance(expected), what }),
      );
    });

    tensorflowTest(`${name}, ${mode}: a step of AdamW matches PyTorch's`, async (t) => {
      const fixture = await readFixture(name);
      const network = await device(t, fixture, eager);
      await network.trainStep(fixture.input, fixture.target, RATE);
      const before = fixture.state0;
      // The step is lr·g/(|g| + ε): where g is as small as what it is uncertain by, the step may be anything up to lr.
      eachTensor(t, await network.exportState(), fixture.state1, (what, got, expected) => {
        const g = fixture.gradients.get(what)!.data as Float32Array;
        const uncertain = gradientTolerance(g);
        expected.forEach((value, i) => {
          const size = Math.abs(g[i]!);
          const share = size > 2 * uncertain ? (1e-8 * uncertain) / (size - uncertain) ** 2 : 2;
          const atol = 2e-7 + RATE * Math.min(2, share) + 2 ** -23 * Math.abs(value);
          const error = Math.abs(got[i]! - value);
          if (error > atol)
            t.fail(`${what}[${i}]: expected ${value}, got ${got[i]}, allowed ${atol}`);
        });
        const moved = expected.some((value, i) => value !== (before.get(what)!.data[i] as number));
        t.true(moved, `${what} moves`);
      });
    });

    tensorflowTest(`${name}, ${mode}: five clipped steps match PyTorch's`, async (t) => {
      const fixture = await readFixture(name);
      const network = await device(t, fixture, eager, { ...FIXTURE_ADAMW, clip: 1 });
      const losses: number[] = [];
      for (let step = 0; step < 5; step++)
        losses.push(await network.trainStep(fixture.input, fixture.target, RATE));
      close(t, losses, fixture.losses, { atol: 1e-5, what: 'losses' });
      t.is((await network.exportOptimizer()).step, 5);
    });
  }
