import test from 'ava';
import { mean, outerStep } from '../../src/train/outer-step.js';
import { close } from '../helpers/kernels.js';

/** Numbers of all sizes, from a simple generator. */
function someValues(length: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length }, () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return (state / 2 ** 30 - 1) * 10 ** ((state % 7) - 3);
  });
}

test('an outer step is SGD with Nesterov momentum along the mean change, bit by bit', (t) => {
  for (const [count, lr, momentum] of [
    [1, 0.7, 0.9],
    [2, 1, 0.5],
    [3, 0.7, 0.9],
    [4, 0.3, 0],
  ] as const) {
    const weights = someValues(50, 1);
    const kept = new Float32Array(50);
    // As PyTorch writes it, by element: buf = μ·buf + g, p −= η·(g + μ·buf).
    const expected = [...weights];
    const buffer = expected.map(() => 0);
    for (let round = 0; round < 4; round++) {
      const replicas = Array.from({ length: count }, (_, r) =>
        someValues(50, 100 * round + r + 2).map((value, i) => value / 10 + weights[i]!),
      );
      for (const [i, p] of expected.entries()) {
        let gradient = 0;
        for (const replica of replicas) gradient += p - replica[i]!;
        gradient /= count;
        buffer[i] = Math.fround(momentum * buffer[i]! + gradient);
        const step = momentum === 0 ? gradient : gradient + momentum * buffer[i]!;
        expected[i] = Math.fround(p - lr * step);
      }
      outerStep(weights, kept, replicas, { lr, momentum });
      t.deepEqual([...weights], expected, `${count} replicas, round ${round}`);
    }
  }
});

test('with a learning rate of 1 and no momentum, a single replica is taken unchanged, even tiny values', (t) => {
  const weights = Float32Array.of(1, 1, 0, -1e30, 1e-30);
  const replica = Float32Array.of(1e-20, 1 + 2 ** -23, 1e-40, 1e-30, 1e30);
  outerStep(weights, new Float32Array(0), [replica], { lr: 1, momentum: 0 });
  t.deepEqual(weights, replica);
});

test('the mean of replicas is rounded once, and may be written over one of them', (t) => {
  const first = Float32Array.of(1, 16_777_216, -3);
  const others = [Float32Array.of(2, 1, 3), Float32Array.of(4, 1, 0)];
  mean(first, [first, ...others]);
  t.deepEqual([...first], [7 / 3, 16_777_218 / 3, 0].map(Math.fround));
});

test('three rounds of two replicas match PyTorch', (t) => {
  const weights = Float32Array.of(0.5, -0.25, 2);
  const momentum = new Float32Array(3);
  const rounds = [
    [
      [0.4, -0.2, 2.5],
      [0.2, -0.1, 2.25],
    ],
    [
      [0.1, 0, 2.75],
      [0.3, 0.1, 3],
    ],
    [
      [-0.2, 0.25, 3.5],
      [0, 0.5, 3],
    ],
  ];
  for (const replicas of rounds)
    outerStep(
      weights,
      momentum,
      replicas.map((values) => Float32Array.from(values)),
      { lr: 0.7, momentum: 0.9 },
    );
  close(t, weights, TORCH, { rtol: 2e-6 });
});

/**
 * `torch.optim.SGD([p], lr=0.7, momentum=0.9, nesterov=True)` with p − mean(replicas) as the gradient, PyTorch 2.13.
 */
const TORCH = [-0.279213368892, 0.591071665287, 3.667306423187];
