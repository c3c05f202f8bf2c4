import test from 'ava';
import { imageFrom, noiseFrom, OBJECTIVES, type Objective } from '../../src/diffusion/objective.js';
import { close } from '../helpers/kernels.js';

/** The target of each objective, as its paper writes it. */
const TARGETS: Record<Objective, (x0: number, eps: number, a: number, s: number) => number> = {
  epsilon: (_, eps) => eps,
  x0: (x0) => x0,
  v: (x0, eps, a, s) => a * eps - s * x0,
  flow: (x0, eps) => eps - x0,
};

for (const objective of OBJECTIVES)
  test(`${objective}: image and noise follow from x_t and a correct output`, (t) => {
    for (const sigma of [0.02, 0.3, 0.9])
      for (const [x0, eps] of [
        [0.7, -1.3],
        [-0.2, 0.4],
      ] as const) {
        const alpha = objective === 'flow' ? 1 - sigma : Math.sqrt(1 - sigma ** 2);
        const x = alpha * x0 + sigma * eps;
        const output = TARGETS[objective](x0, eps, alpha, sigma);
        const image = imageFrom(objective, { alpha, sigma });
        const noise = noiseFrom(objective, { alpha, sigma });
        const got = [image, noise].map((mix) => mix.x * x + mix.output * output);
        close(t, got, [x0, eps], { atol: 1e-12 });
      }
  });
