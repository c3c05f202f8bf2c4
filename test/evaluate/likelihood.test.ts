import test from 'ava';
import { COMPUTING_DEFAULTS } from '../../src/config/computing.js';
import { openUnet } from '../../src/device/open.js';
import type { Signal } from '../../src/diffusion/objective.js';
import { makeSchedule } from '../../src/diffusion/schedule.js';
import { Breath } from '../../src/evaluate/breath.js';
import { type LikelihoodOptions, likelihood } from '../../src/evaluate/likelihood.js';
import { below } from '../../src/io/network.js';
import { readSafetensors } from '../../src/io/safetensors.js';
import { fixturePath } from '../helpers/cli.js';
import { evaluationFixture } from '../helpers/evaluation.js';

const T = 12;
const schedule = makeSchedule({
  ...{ schedule: 'linear', timesteps: T },
  ...{ betaStart: 0.002, betaEnd: 0.35 },
});
const EACH = 8 * 8 * 3;

async function network(batch: number) {
  const { unet } = await openUnet(
    'wasm',
    { ...COMPUTING_DEFAULTS, threads: 1 },
    {
      architecture: { kind: 'simple', widths: [8, 16], channels: 3, timeDim: 32, norm: 'separate' },
      ...{ size: 8, batch, timesteps: T, training: false },
    },
  );
  const { tensors } = await readSafetensors(fixturePath('evaluation/likelihood.safetensors'));
  await unet.importState(below(tensors, 'model.'));
  return unet;
}

test("The terms of the bound and the losses match PyTorch's for the same weights, images and noise", async (t) => {
  const fixture = await evaluationFixture('likelihood');
  const noise = fixture.floats('noise');
  // 36 passes do not fill eights: the last batch is not full.
  const unet = await network(8);
  t.teardown(() => unet.dispose());
  for (const variance of ['small', 'large'] as const) {
    const told: number[] = [];
    const found = await likelihood(
      {
        ...{ schedule, variance, objective: 'epsilon', images: 3, batch: 8 },
        values: fixture.bytes('images'),
        predict: (xt, steps) => unet.predict({ xt, t: steps }, 'running'),
        noise: (image, step) =>
          noise.slice((image * T + step) * EACH, (image * T + step + 1) * EACH),
        onProgress: (done) => told.push(done),
      },
      new Breath(),
    );
    const mean = (name: string, step: number) =>
      [0, 1, 2].reduce((sum, image) => sum + fixture.floats(name)[image * T + step]!, 0) / 3;
    for (let step = 0; step < T; step++) {
      // ε̂ is f32, and its errors of some 1e-6 are magnified by 1/σ² of the posterior, which is 500 and less here.
      const near = (got: number, expected: number) =>
        Math.abs(got - expected) <= 1e-4 * expected + 1e-6;
      t.true(
        near(found.terms![step]!, mean(variance, step)),
        `${variance} ${step}: ${found.terms![step]}, ${mean(variance, step)}`,
      );
      t.true(near(found.losses.l2[step]!, mean('mse', step)), `l2 ${step}`);
      t.true(near(found.losses.l1[step]!, mean('l1', step)), `l1 ${step}`);
    }
    const prior = fixture.floats('prior').reduce((a, b) => a + b, 0) / 3;
    t.true(Math.abs(found.prior! - prior) < 1e-6 * prior + 1e-9);
    const sum = found.terms!.reduce((a, b) => a + b, 0) + found.prior!;
    t.true(Math.abs(found.bitsPerDim! - sum) < 1e-9 * sum);
    t.true(found.standardError! > 0);
    t.is(told.at(-1), 3 * T);
  }
});

/** What a network that knows everything predicts. */
const TRUTH = {
  epsilon: (_: Signal, __: number, noise: number) => noise,
  x0: (_: Signal, x0: number) => x0,
  v: ({ alpha, sigma }: Signal, x0: number, noise: number) => alpha * noise - sigma * x0,
};

for (const objective of ['epsilon', 'x0', 'v'] as const)
  for (const zeroTerminalSnr of objective === 'epsilon' ? [false] : [false, true])
    test(`A network of ${objective} that knows everything only pays for the bytes${zeroTerminalSnr ? ', also where x_T is pure noise' : ''}`, async (t) => {
      const own = makeSchedule({
        ...{ schedule: 'scaled-linear', timesteps: T, objective, zeroTerminalSnr },
        ...{ betaStart: 0.002, betaEnd: 0.35 },
      });
      const pixels = Uint8Array.from({ length: 24 }, (_, i) => (i * 37) % 256);
      const noise = (image: number, step: number) =>
        Float32Array.from({ length: 12 }, (_, i) => Math.sin(image + 7 * step + i));
      const found = await likelihood(
        {
          ...{
            schedule: own,
            variance: 'small',
            objective,
            images: 2,
            batch: 4,
            values: pixels,
            noise,
          },
          predict: async (_, steps, images) => {
            const output = new Float32Array(4 * 12);
            for (let slot = 0; slot < 4; slot++) {
              const [image, step] = [images[slot]!, steps[slot]!];
              const signal = {
                alpha: own.exact.sqrtAlphaBar[step]!,
                sigma: own.exact.sqrtOneMinusAlphaBar[step]!,
              };
              const epsilon = noise(image, step);
              for (let i = 0; i < 12; i++)
                output[slot * 12 + i] = TRUTH[objective](
                  signal,
                  pixels[image * 12 + i]! / 127.5 - 1,
                  epsilon[i]!,
                );
            }
            return output;
          },
        },
        new Breath(),
      );
      for (let step = 1; step < T; step++)
        t.true(Math.abs(found.terms![step]!) < 1e-6, `${step}: ${found.terms![step]}`);
      t.true(found.terms![0]! > 0 && found.terms![0]! < 8);
      // Little noise follows from an image in f32 only to so many digits.
      for (const loss of found.losses.l1) t.true(loss < 1e-4, `${loss}`);
      t.true(found.prior! < (zeroTerminalSnr ? 1e-12 : 1));
    });

/** Of images that all are `level`, by a model that knows their noise exactly. */
const known = (level: number, images: number): LikelihoodOptions => {
  const epsilon = (image: number, step: number) =>
    Float32Array.from({ length: 12 }, (_, i) => Math.sin(image + 7 * step + i));
  let slots: Float32Array[] = [];
  return {
    ...{ schedule, variance: 'small', objective: 'epsilon', images, batch: 4 },
    values: new Uint8Array(12 * images).fill(level),
    noise: (image, step) => {
      if (slots.length === 4) slots = [];
      slots.push(epsilon(image, step));
      return slots.at(-1)!;
    },
    predict: async () => Float32Array.from(slots.flatMap((slot) => [...slot])),
  };
};

test('A model that predicts the noise exactly only pays for the rounding to bytes', async (t) => {
  for (const level of [0, 128, 255]) {
    const found = await likelihood(known(level, 2), new Breath());
    for (let step = 1; step < T; step++) t.true(Math.abs(found.terms![step]!) < 1e-6, `${step}`);
    t.true(found.terms![0]! > 0 && found.terms![0]! < 8);
    t.deepEqual(
      found.losses.l1,
      Array.from({ length: T }, () => 0),
    );
    t.true(found.standardError! < 1e-6);
  }
  t.is((await likelihood(known(128, 1), new Breath())).standardError, null);
});

test('A prediction that is not finite is an error, not a table of NaN', async (t) => {
  for (const wrong of [Number.NaN, Infinity]) {
    const predict = async () => new Float32Array(4 * 12).fill(wrong, 17, 18);
    await t.throwsAsync(likelihood({ ...known(128, 1), predict }, new Breath()), {
      name: 'RunError',
      message: `--held-out: expected finite predictions of the model, got ${wrong} at timestep 1`,
    });
  }
});

test('Of latents there are losses of any values, and no bound', async (t) => {
  const latents = Float32Array.from({ length: 24 }, (_, i) => 3 * Math.sin(i));
  const found = await likelihood({ ...known(0, 2), values: latents }, new Breath());
  t.like(found, { images: 2, bitsPerDim: null, standardError: null, prior: null, terms: null });
  for (const losses of Object.values(found.losses)) t.deepEqual(losses, new Array(T).fill(0));
  const seen: number[] = [];
  const predict: LikelihoodOptions['predict'] = async (xt) => {
    seen.push(...xt);
    return new Float32Array(4 * 12);
  };
  const noise = () => new Float32Array(12).fill(0.5);
  const { losses } = await likelihood(
    { ...known(0, 2), values: latents, predict, noise },
    new Breath(),
  );
  const { sqrtAlphaBar, sqrtOneMinusAlphaBar } = schedule.exact;
  t.is(seen[0], Math.fround(sqrtAlphaBar[0]! * latents[0]! + sqrtOneMinusAlphaBar[0]! * 0.5));
  t.deepEqual(losses.l1, new Array(T).fill(0.5));
  t.deepEqual(losses.l2, new Array(T).fill(0.25));
});
