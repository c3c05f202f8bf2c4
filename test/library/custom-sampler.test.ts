import { join } from 'node:path';
import test from 'ava';
import {
  type CustomRow,
  type CustomSampler,
  drawWith,
  generate,
  load,
  type Network,
  RunError,
  type SamplerWay,
  type SampleSettings,
  sample,
  UsageError,
} from '../../src/index.js';
import { writeSafetensors } from '../../src/io/safetensors.js';
import { folderWithModel, weightsOf } from '../helpers/generate.js';
import { close } from '../helpers/kernels.js';
import { tensorflowTest } from '../helpers/tensorflow.js';

const END = { alpha: 1, sigma: 0 };

/** The moments that diffusers' Euler visits, from one to the next. */
function walk<T>({ steps, timesteps, signalAt }: SamplerWay, row: (...of: Moments) => T): T[] {
  const time = (i: number) => (steps - 1 - i) * ((timesteps - 1) / (steps - 1));
  return Array.from({ length: steps }, (_, i) =>
    row(time(i), signalAt(time(i)), i + 1 < steps ? signalAt(time(i + 1)) : END),
  );
}
type Signal = typeof END;
type Moments = [t: number, from: Signal, to: Signal];

const startOf = ({ timesteps, signalAt }: SamplerWay): number => signalAt(timesteps - 1).sigma;

const euler: CustomSampler = (way) => ({
  start: startOf(way),
  rows: walk(way, (t, from, to) => {
    const kept = to.sigma / from.sigma;
    return { t, x: kept, x0: to.alpha - from.alpha * kept };
  }),
});

const eulerAncestral: CustomSampler = (way) => ({
  start: startOf(way),
  rows: walk(way, (t, from, to): CustomRow => {
    const [level, next] = [from.sigma / from.alpha, to.sigma / to.alpha];
    const up = Math.sqrt((next ** 2 * (level ** 2 - next ** 2)) / level ** 2);
    const down = Math.sqrt(Math.max(0, next ** 2 - up ** 2));
    const [x, x0] = [(to.alpha / from.alpha) * (down / level), to.alpha * (1 - down / level)];
    return { t, foresees: way.imageFrom(from), x, x0, noise: to.alpha * up };
  }),
});

/** DPM-Solver++ 2M. */
const solver: CustomSampler = (way) => {
  const lambda = ({ alpha, sigma }: Signal) => Math.log(alpha) - Math.log(sigma);
  const { steps, timesteps, signalAt } = way;
  const time = (i: number) => Math.round((steps - i) * ((timesteps - 1) / steps));
  const at = (i: number) => (i === steps ? END : signalAt(time(i)));
  return Array.from({ length: steps }, (_, i): CustomRow => {
    const [from, to] = [at(i), at(i + 1)];
    const h = lambda(to) - lambda(from);
    const [x, image] = [to.sigma / from.sigma, to.alpha * (1 - Math.exp(-h))];
    if (i === 0 || i === steps - 1) return { t: time(i), x, x0: image };
    const r = (lambda(from) - lambda(at(i - 1))) / h;
    return { t: time(i), x, x0: image + image / (2 * r), earlier: -image / (2 * r) };
  });
};

const OWN = { euler, 'euler-a': eulerAncestral, 'dpm++2m': solver } as const;
const BARE = { size: 16, timesteps: 200, threads: 2 } as const;

test('custom samplers draw the bits of built-in samplers with the same formulas', async (t) => {
  const path = join(await folderWithModel(t), 'model.safetensors');
  const model = await load(path, BARE);
  t.teardown(() => model.dispose());
  for (const [name, sampler] of Object.entries(OWN)) {
    const how = { count: 2, steps: 6, seed: 3, clamp: name === 'euler-a' };
    const named = { ...how, sampler: name } as SampleSettings;
    const expected = await sample(path, { ...BARE, ...named });
    const own = { ...how, sampler };
    t.deepEqual((await sample(path, { ...BARE, ...own })).images, expected.images, name);
    t.deepEqual((await model.sample(own)).images, expected.images);
    for await (const { x, step, steps } of model.sampleSteps(own))
      if (step === steps) t.deepEqual(x, expected.images);
  }
});

test('for flow, a midpoint method with any function as the network ends at the end of the line', async (t) => {
  const target = [0.5, -0.25, 1];
  const network: Network = (x, time) => x.map((v, i) => (v - target[i % 3]!) / (time / 1000));
  const seen: number[] = [];
  const midpoint: CustomSampler = ({ steps, timesteps, objective, signalAt }) => {
    seen.push(steps, timesteps);
    t.is(objective, 'flow');
    return Array.from({ length: steps }, (_, i): CustomRow => {
      const s = (steps - i) / steps;
      t.deepEqual(signalAt(1000 * s), { alpha: 1 - s, sigma: s });
      return { t: 1000 * s, x: 1, x0: 0, output: -1 / steps };
    });
  };
  const settings = { values: 3, objective: 'flow', sampler: midpoint } as const;
  const steps = [];
  for await (const step of drawWith(network, settings)) steps.push(step);
  t.deepEqual(seen, [50, 1000]);
  t.is(steps.length, 50);
  close(t, steps.at(-1)!.x, target, { atol: 1e-5 });
});

test('images that are not finite are an error, not black and white pixels', async (t) => {
  const folder = await folderWithModel(t);
  const path = join(folder, 'model.safetensors');
  const sampler: CustomSampler = () => [1, 0].map((t) => ({ t, x: 1e38, x0: 0 }));
  const message = /^image \d+: expected finite values, got (NaN|-?Infinity): the weights or/;
  const refusal = { instanceOf: RunError, message };
  await t.throwsAsync(sample(path, { ...BARE, count: 2, sampler }), refusal);
  const state = weightsOf(1);
  (state.get('output.bias')!.data as Float32Array).fill(3e38);
  const large = join(folder, 'large.safetensors');
  await writeSafetensors(large, state);
  const out = join(folder, 'drawn');
  await t.throwsAsync(generate(large, { ...BARE, count: 2, out, sampler: 'ddim' }), refusal);
  const network: Network = (x) => x.map(() => Number.NaN);
  await t.throwsAsync(async () => {
    for await (const _ of drawWith(network, { values: 4, sampler: 'ddim', steps: 2 }));
  }, refusal);
});

test('invalid rows are refused by their number, and settings of other samplers by name', async (t) => {
  const path = join(await folderWithModel(t), 'model.safetensors');
  const draw = (sampler: CustomSampler, more: object = {}) =>
    sample(path, { ...BARE, count: 1, sampler, ...more });
  const row = { t: 5, x: 1, x0: 0 };
  const wrong: [unknown, RegExp][] = [
    [[], /^sampler: expected a list of 1 to 100000 rows, got 0$/],
    [undefined, /^sampler: expected a list .*, got undefined$/],
    [[row, null], /^sampler: row 1: expected \{ t, x, x0, … \}, got null$/],
    [[row, { ...row, x0: Number.NaN }], /^sampler: row 1: x0: expected a finite number, got NaN$/],
    [[{ ...row, x: 1e39 }], /^sampler: row 0: x: expected a finite number, got 1e\+39$/],
    [[{ ...row, nosie: 1 }], /^sampler: row 0: nosie: unknown; expected t, foresees, x, x0, /],
    [[{ ...row, noise: '1' }], /^sampler: row 0: noise: expected a finite number, got 1$/],
    [[{ ...row, foresees: { x: 1 } }], /row 0: foresees\.output: .*, got undefined$/],
    [[{ ...row, t: 250 }], /^signalAt: expected a timestep from 0 to 199, got 250$/],
    [{ rows: [row], start: Infinity }, /^sampler: start: expected a finite number, got Infinity$/],
  ];
  for (const [rows, message] of wrong)
    await t.throwsAsync(
      draw(() => rows as CustomRow[]),
      { instanceOf: UsageError, message },
    );
  for (const [name, value] of Object.entries({ eta: 0.5, karras: true, spacing: 'leading' }))
    await t.throwsAsync(draw(euler, { [name]: value }), {
      instanceOf: UsageError,
      message: new RegExp(`^sample\\.${name}: belongs to built-in samplers, got a custom one$`),
    });
  await t.throwsAsync(draw(euler, { steps: 201 }), { message: /^sample\.steps: .* from 1 to 200/ });
  const out = join(path, '..', 'out');
  const settings = { ...BARE, count: 1, out, sampler: euler as unknown as 'euler' };
  await t.throwsAsync(generate(path, settings), {
    instanceOf: UsageError,
    message: /^generate\.sampler: expected a built-in one, .*, got a function$/,
  });
});

tensorflowTest('a custom sampler draws the same images on tensorflow as on wasm', async (t) => {
  const path = join(await folderWithModel(t), 'model.safetensors');
  const settings = { ...BARE, count: 1, steps: 4, sampler: eulerAncestral };
  const { images } = await sample(path, settings);
  const other = await sample(path, { ...settings, device: 'tensorflow' });
  // Sums in another order, over four steps.
  close(t, other.images, [...images], { atol: 1e-4 });
});
