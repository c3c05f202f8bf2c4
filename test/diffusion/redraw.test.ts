import test from 'ava';
import { PictureRedraw } from '../../src/diffusion/picture-redraw.js';
import { CounterRandom, PURPOSE } from '../../src/diffusion/random.js';
import { makeTrajectory, type SamplerOptions } from '../../src/diffusion/sampler.js';
import { SAMPLER_NAMES, type SamplerName, STANDING_ALONE } from '../../src/diffusion/samplers.js';
import { makeSchedule } from '../../src/diffusion/schedule.js';
import { stepsInWords } from '../../src/diffusion/steps-in-words.js';
import { UsageError } from '../../src/errors.js';
import { drawWith } from '../../src/index.js';
import { close, values } from '../helpers/kernels.js';

const linear = { schedule: 'linear', timesteps: 40, betaStart: 1e-4, betaEnd: 0.1 } as const;
const scheduleFor = (sampler: SamplerName) =>
  makeSchedule({ ...linear, objective: sampler === 'flow-euler' ? 'flow' : 'epsilon' });

const EACH = 12;
const picture = values(EACH, 4);
const mask = Uint8Array.from({ length: EACH }, (_, i) => i % 3);
const all = Uint32Array.of(0, 1);

/** ε̂ that depends on all of x, and on t. */
const network = (x: Float32Array, t: number) =>
  x.map((v, i) => 0.6 * v + 0.1 * x[(i + 1) % x.length]! + 0.002 * t);

async function draw(settings: object): Promise<Float32Array> {
  let last = new Float32Array();
  for await (const { x } of drawWith(network, {
    ...{ values: EACH, count: 2, seed: 7 },
    ...settings,
  }))
    last = x;
  return last;
}

for (const sampler of SAMPLER_NAMES)
  test(`${sampler} from a picture takes the last steps of the whole way, and begins with the noise of its moment`, (t) => {
    const schedule = scheduleFor(sampler);
    const options: SamplerOptions = { sampler, steps: 10 };
    const whole = makeTrajectory(schedule, options);
    const part = makeTrajectory(schedule, options, { strength: 0.3, resample: 1 });
    const first = whole.timesteps.length - part.timesteps.length;
    t.is(first, sampler === 'heun' ? 14 : 7);
    t.deepEqual([...part.timesteps], [...whole.timesteps.subarray(first)]);
    t.deepEqual(part.levels, whole.levels!.slice(first));
    t.is(part.start, part.levels![0]!.from.sigma);
    for (const { from, to } of part.levels!) {
      const size = ({ alpha, sigma }: typeof from) =>
        sampler === 'flow-euler' ? alpha + sigma : Math.hypot(alpha, sigma);
      t.true(Math.abs(size(from) - 1) < 1e-12 && Math.abs(size(to) - 1) < 1e-12);
      t.true(to.sigma <= from.sigma);
    }
    const { alpha, sigma } = part.levels!.at(-1)!.to;
    t.deepEqual([alpha, sigma], [1, 0]);
  });

test('at strength 1 the way is the whole one', (t) => {
  for (const sampler of SAMPLER_NAMES) {
    const schedule = scheduleFor(sampler);
    const whole = makeTrajectory(schedule, { sampler, steps: 6 });
    const redraw = { strength: 1, resample: 1 };
    t.deepEqual(makeTrajectory(schedule, { sampler, steps: 6 }, redraw), whole);
  }
});

for (const sampler of STANDING_ALONE)
  test(`${sampler} takes each step but the last several times, with noise of its own`, (t) => {
    const schedule = scheduleFor(sampler);
    const options: SamplerOptions = { sampler, steps: 5 };
    const once = makeTrajectory(schedule, options);
    const thrice = makeTrajectory(schedule, options, { strength: 1, resample: 3 });
    const rows = [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4];
    t.deepEqual(
      [...thrice.timesteps],
      rows.map((row) => once.timesteps[row]!),
    );
    t.is(new Set(thrice.streams).size, rows.length);
    const { width, coefficients } = thrice;
    for (const [i, row] of rows.entries())
      t.deepEqual(
        coefficients.slice(i * width, (i + 1) * width),
        once.coefficients.slice(row * width, (row + 1) * width),
      );
    t.is(thrice.scales.length, rows.length + 1);
  });

test('at least one step is taken, and an odd share of them is rounded down', (t) => {
  const schedule = makeSchedule(linear);
  const taken = (steps: number, strength: number) =>
    makeTrajectory(schedule, { sampler: 'ddim', steps }, { strength, resample: 1 }).timesteps
      .length;
  t.deepEqual([taken(1, 0.8), taken(10, 1e-9), taken(10, 0.59), taken(10, 1)], [1, 1, 5, 10]);
});

test('arrays may be changed after the call', async (t) => {
  const [from, own, noise] = [picture.slice(), mask.slice(), values(2 * EACH, 8)];
  const how = { ...linear, values: EACH, count: 2, seed: 7, sampler: 'ddim', steps: 3 } as const;
  const steps = drawWith(network, { ...how, from, mask: own, noise });
  const expected = await draw({ ...how, from: picture, mask, noise: noise.slice() });
  for (const array of [from, own, noise]) array.fill(0);
  let last = new Float32Array();
  for await (const { x } of steps) last = x;
  t.deepEqual(last, expected);
});

test('a note tells steps from evaluations', (t) => {
  const schedule = makeSchedule(linear);
  const words = (options: SamplerOptions, resample = 1) =>
    stepsInWords(makeTrajectory(schedule, options, { strength: 1, resample }));
  t.is(words({ sampler: 'ddim', steps: 1 }), '1 reverse step');
  t.is(words({ sampler: 'unipc', steps: 7 }), '7 reverse steps');
  t.is(words({ sampler: 'heun', steps: 3 }), '3 reverse steps in 5 evaluations');
  t.is(words({ sampler: 'ddim', steps: 5 }, 3), '5 reverse steps in 13 evaluations');
});

test('RePaint with the ancestral sampler is Algorithm 1 of the paper', async (t) => {
  const { exact } = makeSchedule(linear);
  const random = new CounterRandom(7);
  const normals = (
    purpose: 'sampleInit' | 'sampleNoise' | 'keptNoise' | 'resampleNoise',
    at: number,
  ) => [...all].flatMap((k) => [...random.normals(PURPOSE[purpose], k, at, EACH)]);
  const kept = (i: number) => mask[i % EACH] === 0;
  const U = 3;
  let x = normals('sampleInit', 0);
  let row = 0;
  for (let time = linear.timesteps - 1; time >= 0; time--)
    for (let u = 0; u < (time === 0 ? 1 : U); u++, row++) {
      const epsilon = network(Float32Array.from(x), time);
      const z = normals('sampleNoise', time + u * 2 ** 20);
      const known = normals('keptNoise', row);
      const again = normals('resampleNoise', row);
      const [bar, before] = [exact.alphaBar[time]!, exact.alphaBarPrev[time]!];
      const beta = exact.betas[time]!;
      x = x.map((v, i) => {
        const mean = (v - (beta / Math.sqrt(1 - bar)) * epsilon[i]!) / Math.sqrt(1 - beta);
        const unknown = mean + Math.sqrt(exact.posteriorVariance[time]!) * z[i]!;
        const ofPicture =
          Math.sqrt(before) * picture[i % EACH]! + Math.sqrt(1 - before) * known[i]!;
        const next = kept(i) ? ofPicture : unknown;
        if (time === 0 || u === U - 1) return next;
        return Math.sqrt(1 - beta) * next + Math.sqrt(beta) * again[i]!;
      });
    }
  const drawn = await draw({ ...linear, from: picture, mask, resample: U });
  close(t, drawn, Float32Array.from(x), { atol: 1e-4 });
  for (const i of drawn.keys()) if (kept(i)) t.is(drawn[i], picture[i % EACH]);
});

for (const sampler of SAMPLER_NAMES)
  test(`${sampler} keeps what the mask keeps, and no more of the picture`, async (t) => {
    const forward = sampler === 'flow-euler' ? { objective: 'flow' } : linear;
    const how = { ...forward, sampler, steps: 5 };
    const other = picture.map((v) => -v);
    const drawn = await draw({ ...how, from: picture, mask });
    const free = await draw({ ...how, from: other, mask: new Uint8Array(EACH).fill(1) });
    t.deepEqual(free, await draw(how), 'a white mask and strength 1 leave nothing of the picture');
    for (const i of drawn.keys()) {
      if (mask[i % EACH]) t.not(drawn[i], picture[i % EACH]);
      else t.is(drawn[i], picture[i % EACH]);
    }
  });

test('with the ideal network for a picture, a weak redrawing of it returns it', async (t) => {
  const { exact } = makeSchedule(linear);
  const ideal = (x: Float32Array, time: number) => {
    const bar = exact.alphaBar[time]!;
    return x.map((v, i) => (v - Math.sqrt(bar) * picture[i % EACH]!) / Math.sqrt(1 - bar));
  };
  const how = { ...linear, values: EACH, count: 2, sampler: 'ddim', steps: 10 } as const;
  const seen: number[] = [];
  for await (const { x, t: time } of drawWith(ideal, { ...how, from: picture, strength: 0.4 })) {
    seen.push(time);
    const distance = x.reduce((most, v, i) => Math.max(most, Math.abs(v - picture[i % EACH]!)), 0);
    if (seen.length === 4) t.true(distance < 1e-5, `${distance}`);
  }
  t.deepEqual(seen, [15, 11, 7, 3]);
});

test('what is added to the picture is the noise of the first moment', (t) => {
  const schedule = makeSchedule(linear);
  const redrawing = { picture, mask: null, strength: 0.5, resample: 1 };
  const trajectory = makeTrajectory(schedule, { sampler: 'ddim', steps: 10 }, redrawing);
  const x = new Float32Array(2 * EACH).fill(0.25);
  new PictureRedraw(redrawing, trajectory, new CounterRandom(0)).begin(x);
  const time = trajectory.timesteps[0]!;
  t.is(time, 19);
  const alpha = schedule.exact.sqrtAlphaBar[time]!;
  close(
    t,
    x,
    Float32Array.from(x, (_, i) => 0.25 + alpha * picture[i % EACH]!),
    { atol: 1e-7 },
  );
  t.is(trajectory.start, Math.sqrt(1 - schedule.exact.alphaBar[time]!));
  // Also where no step is skipped.
  const one = makeTrajectory(schedule, { sampler: 'ddim', steps: 1 }, redrawing);
  t.is(one.start, Math.sqrt(1 - schedule.exact.alphaBar.at(-1)!));
});

test('settings of a redrawing that cannot be are refused', async (t) => {
  const flat = new Float32Array(EACH);
  const wrong: [Record<string, unknown>, RegExp][] = [
    [{ strength: 0.5 }, /^drawWith\.strength: belongs to drawWith\.from, and there is none$/],
    [{ mask }, /^drawWith\.mask: belongs to drawWith\.from, and there is none$/],
    [{ from: flat, resample: 2 }, /^drawWith\.resample: belongs to drawWith\.mask, and there/],
    [{ from: flat, strength: 0 }, /^drawWith\.strength: expected a number above 0 and at most 1/],
    [{ from: flat, strength: 1.1 }, /^drawWith\.strength: expected .* at most 1, got 1\.1$/],
    [{ from: flat, mask, resample: 0 }, /^drawWith\.resample: expected a whole number from 1/],
    [{ from: flat.subarray(1) }, /^drawWith\.from: expected 12 values, got 11$/],
    [{ from: flat, mask: mask.subarray(1) }, /^drawWith\.mask: expected 12 values, got 11$/],
    [{ from: [...flat] }, /^drawWith\.from: expected a Float32Array, got /],
    [{ from: flat, mask: [...mask] }, /^drawWith\.mask: expected a Uint8Array, got /],
    [
      { from: Float32Array.from(flat, () => Number.NaN) },
      /^drawWith\.from: expected finite values/,
    ],
    [
      { from: picture, mask: new Uint8Array(EACH) },
      /^drawWith\.mask: expected values other than 0/,
    ],
    [
      { from: Float64Array.from(flat) },
      /^drawWith\.from: expected a Float32Array, got a Float64Array$/,
    ],
    [
      { from: picture, mask, resample: 2, sampler: 'unipc' },
      /^drawWith\.resample: belongs to samplers whose steps .* use no earlier ones \(ancestral, .*\), got unipc$/,
    ],
    [
      { from: picture, sampler: () => [{ t: 0, x: 0, x0: 1 }] },
      /^drawWith\.from: belongs to built-in samplers, got a custom one$/,
    ],
  ];
  for (const [settings, message] of wrong) await t.throwsAsync(draw(settings), { message });
  const [settings, message] = wrong[0]!;
  await t.throwsAsync(draw(settings), { instanceOf: UsageError, message });
});
