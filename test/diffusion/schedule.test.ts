import test from 'ava';
import { makeSchedule } from '../../src/diffusion/schedule.js';
import { UsageError } from '../../src/errors.js';
import { readSafetensors } from '../../src/io/safetensors.js';
import { fixturePath } from '../helpers/cli.js';
import { close } from '../helpers/kernels.js';

const reference = {
  schedule: 'linear',
  timesteps: 300,
  betaStart: 1e-4,
  betaEnd: 0.02,
} as const;

test("the linear schedule matches PyTorch's tables", async (t) => {
  const ours = makeSchedule(reference);
  const file = fixturePath('schedule_linear_T300.safetensors');
  const { tensors: theirs } = await readSafetensors(file);
  const pairs = {
    betas: ours.betas,
    alphas: ours.alphas,
    abar: ours.alphaBar,
    prev: ours.alphaBarPrev,
    sqrt_recip_alphas: ours.sqrtRecipAlphas,
    sqrt_abar: ours.sqrtAlphaBar,
    sqrt_1m_abar: ours.sqrtOneMinusAlphaBar,
    post_var: ours.posteriorVariance,
  };
  t.deepEqual([...theirs.keys()].sort(), Object.keys(pairs).sort());
  // PyTorch makes its tables in f32: cancellation in 1 − ᾱ leaves 1e-4 relative where a value is tiny.
  for (const [what, table] of Object.entries(pairs))
    close(t, table, theirs.get(what)!.data as Float32Array, { atol: 1e-6, rtol: 1e-4, what });
});

test('tables begin and end with the values of the formulas', (t) => {
  const s = makeSchedule(reference);
  t.is(s.betas[0], Math.fround(1e-4));
  t.is(s.betas[299], Math.fround(0.02));
  t.is(s.alphaBarPrev[0], 1);
  t.is(s.alphaBarPrev[299], s.alphaBar[298]);
  t.is(s.posteriorVariance[0], 0);
  t.true(Math.abs(s.alphaBar[299]! - 0.048) < 1e-3);
  for (const table of [s.sqrtAlphaBar, s.betas, s.posteriorVariance]) t.is(table.length, 300);
});

test('tables are computed in double precision and rounded once', (t) => {
  const s = makeSchedule(reference);
  t.deepEqual(s.alphaBar, Float32Array.from(s.exact.alphaBar));
  t.deepEqual(s.posteriorVariance, Float32Array.from(s.exact.posteriorVariance));
});

test("the cosine schedule follows Nichol and Dhariwal's curve until betas are clipped", (t) => {
  const timesteps = 1000;
  const s = makeSchedule({ ...reference, schedule: 'cosine', timesteps });
  const f = (n: number) => Math.cos((((n / timesteps + 0.008) / 1.008) * Math.PI) / 2) ** 2;
  const expected = Float64Array.from({ length: timesteps - 1 }, (_, i) => f(i + 1) / f(0));
  close(t, s.exact.alphaBar.subarray(0, timesteps - 1), expected, { rtol: 1e-9 });
  t.is(s.betas[timesteps - 1], Math.fround(0.999));
  t.true(s.betas.every((beta) => beta > 0 && beta <= Math.fround(0.999)));
});

test('a schedule may have a single timestep', (t) => {
  t.deepEqual([...makeSchedule({ ...reference, timesteps: 1 }).betas], [Math.fround(1e-4)]);
  t.is(
    makeSchedule({ ...reference, schedule: 'cosine', timesteps: 1 }).betas[0],
    Math.fround(0.999),
  );
});

test('invalid settings are refused by name', (t) => {
  const wrong = (change: object, message: RegExp) =>
    t.throws(() => makeSchedule({ ...reference, ...change }), { instanceOf: UsageError, message });
  for (const timesteps of [0, -3, 2.5, Number.NaN]) wrong({ timesteps }, /^--timesteps: .* got/);
  for (const betaStart of [0, 1, -0.1, Number.NaN]) wrong({ betaStart }, /^--beta-start: .* got/);
  for (const betaEnd of [1, 5e-5, Number.NaN]) wrong({ betaEnd }, /^--beta-end: .* got/);
  wrong(
    { schedule: 'laplace' },
    /^--schedule: expected one of linear, scaled-linear, cosine, sigmoid, got laplace/,
  );
});

test('sigmoid betas follow a sigmoid between the two given betas', (t) => {
  const s = makeSchedule({ ...reference, schedule: 'sigmoid', timesteps: 1001 });
  const share = (beta: number) => (beta - 1e-4) / (0.02 - 1e-4);
  const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
  close(
    t,
    [0, 500, 1000].map((i) => share(s.exact.betas[i]!)),
    [-6, 0, 6].map(sigmoid),
    {
      rtol: 1e-9,
    },
  );
});

test('scaled betas leave the same signal for any number of timesteps', (t) => {
  const last = (timesteps: number, scaleBetas: boolean) =>
    makeSchedule({ ...reference, timesteps, scaleBetas }).exact.alphaBar.at(-1)!;
  t.is(last(1000, true), last(1000, false));
  close(
    t,
    [last(300, true), last(4000, true)].map(Math.log),
    Array(2).fill(Math.log(last(1000, true))),
    {
      rtol: 0.02,
    },
  );
});

test('zero terminal SNR ends with pure noise, and begins with the unscaled value', (t) => {
  const plain = makeSchedule(reference).exact.sqrtAlphaBar;
  const { exact } = makeSchedule({ ...reference, zeroTerminalSnr: true, objective: 'v' });
  t.is(exact.sqrtAlphaBar[299], 0);
  t.is(exact.betas[299], 1);
  close(t, [exact.sqrtAlphaBar[0]!], [plain[0]!], { rtol: 1e-12 });
  // Lin et al. 2024, Algorithm 1: a shift and a scale.
  const scale = plain[0]! / (plain[0]! - plain[299]!);
  close(
    t,
    exact.sqrtAlphaBar,
    plain.map((root) => (root - plain[299]!) * scale),
    { atol: 1e-12 },
  );
});

test('conflicting settings of the forward process are refused in one line', (t) => {
  const wrong = (change: object, message: RegExp) =>
    t.throws(() => makeSchedule({ ...reference, ...change }), { instanceOf: UsageError, message });
  wrong(
    { zeroTerminalSnr: true },
    /^--zero-terminal-snr: a network that predicts noise learns nothing .*--objective v/,
  );
  wrong({ zeroTerminalSnr: true, objective: 'flow' }, /^--zero-terminal-snr: --objective flow/);
  wrong({ schedule: 'cosine', scaleBetas: true }, /^--scale-betas: the cosine schedule has/);
  wrong({ scaleBetas: true, timesteps: 10 }, /^--scale-betas: expected a last beta below 1, got 2/);
  wrong({ objective: 'noise' }, /^--objective: expected one of epsilon, x0, v, flow, got noise/);
});
