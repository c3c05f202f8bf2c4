import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { Args } from '../../src/config/args.js';
import { readSampling, SAMPLING_NAMES } from '../../src/config/sampling.js';
import { readScheduler, schedulerJson } from '../../src/config/scheduler.js';
import { makeTrajectory, type ReverseKernel } from '../../src/diffusion/sampler.js';
import { makeSchedule } from '../../src/diffusion/schedule.js';
import { Arithmetic } from '../../src/engine/arithmetic.js';
import { UsageError } from '../../src/errors.js';
import { readSafetensors } from '../../src/io/safetensors.js';
import { fixturePath } from '../helpers/cli.js';
import { temporaryFolder } from '../helpers/folder.js';
import { close } from '../helpers/kernels.js';
import { tensorflowTest } from '../helpers/tensorflow.js';

interface Case {
  readonly config: Record<string, unknown>;
  readonly steps: number;
  readonly eta: number;
}

const { tensors, metadata } = await readSafetensors(fixturePath('schedulers.safetensors'));
const cases = Object.entries(JSON.parse(metadata.cases!) as Record<string, Case>);

async function written(t: ExecutionContext, config: object): Promise<string> {
  const path = join(await temporaryFolder(t), 'scheduler_config.json');
  writeFileSync(path, JSON.stringify(config));
  return path;
}

/** The trajectory of a scheduler's config, and the images after each of its steps. */
async function walk(
  t: ExecutionContext,
  name: string,
  { config, steps, eta }: Case,
  step: Pick<Arithmetic, 'reverseStep'>['reverseStep'],
): Promise<{ kernel: ReverseKernel; path: Float32Array }> {
  const values = (part: string) => tensors.get(`${name}/${part}`)!.data as Float32Array;
  const { diffusion, sampling } = readScheduler(await written(t, config));
  const flags =
    sampling.sampler === 'ddim' ? { 'sample-steps': String(steps), eta: String(eta) } : {};
  const args = new Args(flags).renamed(SAMPLING_NAMES);
  const schedule = makeSchedule(diffusion);
  const trajectory = makeTrajectory(schedule, readSampling(args, diffusion, sampling));
  const { kernel, timesteps, coefficients, width } = trajectory;
  let x = values('start');
  const path = new Float32Array(steps * x.length);
  for (let i = 0, noises = 0; i < steps; i++) {
    const row = coefficients.slice(i * width, (i + 1) * width);
    const output = x.map((v) => (v * timesteps[i]!) / (timesteps[i]! + 1));
    const noise =
      row.at(-1) === 0 ? output : values('noise').slice(noises++ * x.length, noises * x.length);
    x = step(kernel, x, output, noise, row);
    path.set(x, i * x.length);
  }
  return { kernel, path };
}

/**
 * PyTorch makes its tables in f32: of 1 − ᾱ near t = 0 a last bit of 1 is 6e-4, which the noises of a hundred steps carry on.
 */
const tolerance = (what: string) => ({ atol: 1e-4, rtol: 2e-5, what });

for (const [name, one] of cases) {
  test(`sampling follows scheduler_config.json: ${name}`, async (t) => {
    const arithmetic = new Arithmetic();
    const { kernel, path } = await walk(t, name, one, (...args) => arithmetic.reverseStep(...args));
    const clamps = one.config.clip_sample === true;
    t.is(kernel === 'tableStep', clamps);
    close(t, path, tensors.get(`${name}/path`)!.data as Float32Array, tolerance(name));
  });
  tensorflowTest(`sampling on tensorflow follows scheduler_config.json: ${name}`, async (t) => {
    const { createTensorflowArithmetic } = await import('../../src/tensorflow/arithmetic.js');
    const arithmetic = await createTensorflowArithmetic();
    const { path } = await walk(t, name, one, (...args) => arithmetic.reverseStep(...args));
    close(t, path, tensors.get(`${name}/path`)!.data as Float32Array, tolerance(name));
  });
}

test('a scheduler without keys has the defaults of its class', async (t) => {
  const ddpm = readScheduler(await written(t, { _class_name: 'DDPMScheduler' }));
  t.deepEqual(ddpm.sampling, {
    sampler: 'ancestral',
    clamp: 1,
    variance: 'small',
    spacing: 'leading',
    stepsOffset: 0,
    lastAlpha: 'one',
  });
  t.deepEqual([ddpm.diffusion.timesteps, ddpm.diffusion.schedule], [1000, 'linear']);
});

test('each scheduler class maps to its sampler', async (t) => {
  const classes: [config: object, sampling: object][] = [
    [{ _class_name: 'EulerDiscreteScheduler' }, { sampler: 'euler', spacing: 'linspace' }],
    [{ _class_name: 'EulerAncestralDiscreteScheduler' }, { sampler: 'euler-a', clamp: false }],
    [
      { _class_name: 'HeunDiscreteScheduler', clip_sample: true, use_karras_sigmas: true },
      { sampler: 'heun', clamp: 1, karras: true },
    ],
    [
      { _class_name: 'DPMSolverMultistepScheduler', final_sigmas_type: 'sigma_min' },
      { sampler: 'dpm++2m', lastAlpha: 'first' },
    ],
    [
      { _class_name: 'DPMSolverMultistepScheduler', solver_order: 3, lower_order_final: false },
      { sampler: 'dpm++3m', lowerOrderFinal: false },
    ],
    [
      { _class_name: 'DPMSolverMultistepScheduler', algorithm_type: 'sde-dpmsolver++' },
      { sampler: 'dpm++sde' },
    ],
    [
      { _class_name: 'UniPCMultistepScheduler', disable_corrector: [], thresholding: true },
      { sampler: 'unipc', clamp: false, dynamicThreshold: 0.995, thresholdMax: 1 },
    ],
    [
      { _class_name: 'UniPCMultistepScheduler', solver_order: 3, solver_type: 'bh1' },
      { sampler: 'unipc', order: 3, solverType: 'bh1' },
    ],
    [
      { _class_name: 'FlowMatchEulerDiscreteScheduler', shift: 3, base_shift: 0.5 },
      { sampler: 'flow-euler', shift: 3, spacing: 'linspace' },
    ],
    [
      { _class_name: 'FlowMatchHeunDiscreteScheduler', shift: 2 },
      { sampler: 'heun', shift: 2, spacing: 'linspace' },
    ],
  ];
  for (const [config, sampling] of classes)
    t.like(readScheduler(await written(t, config)).sampling, sampling);
});

test('the prediction type and the betas of each class are read', async (t) => {
  const diffusion = async (config: object) => readScheduler(await written(t, config)).diffusion;
  const v = { prediction_type: 'v_prediction', rescale_betas_zero_snr: true };
  t.like(await diffusion({ _class_name: 'DDIMScheduler', ...v }), {
    ...{ objective: 'v', zeroTerminalSnr: true },
  });
  t.is(
    (await diffusion({ _class_name: 'DDPMScheduler', prediction_type: 'sample' })).objective,
    'x0',
  );
  t.is((await diffusion({ _class_name: 'DDPMScheduler' })).objective, undefined);
  t.is((await diffusion({ _class_name: 'HeunDiscreteScheduler' })).betaStart, 0.00085);
  t.like(await diffusion({ _class_name: 'FlowMatchEulerDiscreteScheduler' }), {
    ...{ objective: 'flow', timesteps: 1000 },
  });
});

test("Python's spelling of infinity is read where diffusers writes it", async (t) => {
  const path = join(await temporaryFolder(t), 'scheduler_config.json');
  const text = '{ "_class_name": "DPMSolverMultistepScheduler", "lambda_min_clipped": -Infinity }';
  writeFileSync(path, text);
  t.is(readScheduler(path).sampling.sampler, 'dpm++2m');
});

test('unsupported solver settings are refused by key and value', async (t) => {
  const wrong: [config: object, message: RegExp][] = [
    [{ solver_order: 1 }, /solver_order: expected a whole number from 2 to 3, got 1/],
    [{ algorithm_type: 'dpmsolver' }, /algorithm_type: expected one of dpmsolver\+\+, sde-/],
    [{ solver_type: 'heun' }, /solver_type: expected midpoint, got heun/],
    [{ use_lu_lambdas: true }, /use_lu_lambdas: not supported, got true/],
    [{ euler_at_final: true }, /euler_at_final: not supported, got true/],
    [{ lambda_min_clipped: -5 }, /lambda_min_clipped: unknown field/],
    [
      { _class_name: 'UniPCMultistepScheduler', predict_x0: false },
      /predict_x0: expected true, got false/,
    ],
    [
      { _class_name: 'UniPCMultistepScheduler', disable_corrector: [0] },
      /disable_corrector: unknown field/,
    ],
    [
      { _class_name: 'FlowMatchEulerDiscreteScheduler', num_train_timesteps: 500 },
      /num_train_timesteps: expected a whole number from 1000 to 1000, got 500/,
    ],
    [
      { _class_name: 'EulerDiscreteScheduler', timestep_type: 'continuous' },
      /timestep_type: expected discrete, got continuous/,
    ],
  ];
  for (const [change, message] of wrong) {
    const path = await written(t, { _class_name: 'DPMSolverMultistepScheduler', ...change });
    t.throws(() => readScheduler(path), { instanceOf: UsageError, message });
  }
});

test('the config of an older google/ddpm-* is read', async (t) => {
  const old = {
    _class_name: 'DDPMScheduler',
    _diffusers_version: '0.1.1',
    beta_end: 0.02,
    beta_schedule: 'linear',
    beta_start: 0.0001,
    clip_sample: true,
    num_train_timesteps: 1000,
    trained_betas: null,
    variance_type: 'fixed_large',
    timestep_values: null,
    tensor_format: 'pt',
  };
  t.like(readScheduler(await written(t, old)).sampling, { variance: 'large', clamp: 1 });
});

test('unsupported settings are refused by key and value', async (t) => {
  const wrong: [change: Record<string, unknown>, message: RegExp][] = [
    [
      { _class_name: 'PNDMScheduler' },
      /_class_name: expected one of DDPMScheduler, DDIMScheduler, .*, got PNDMScheduler/,
    ],
    [{ beta_schedule: 'laplace' }, /beta_schedule: expected one of .*, got laplace/],
    [{ prediction_type: 'flow' }, /prediction_type: expected one of epsilon, sample, v_prediction/],
    [{ variance_type: 'learned_range' }, /variance_type: expected one of fixed_small, fixed_large/],
    [{ use_beta_sigmas: true }, /use_beta_sigmas: not supported, got true/],
    [
      { rescale_betas_zero_snr: true },
      /scheduler_config\.json\.rescale_betas_zero_snr: expected false with prediction_type epsilon, got true/,
    ],
    [{ trained_betas: [0.1, 0.2] }, /trained_betas: not supported/],
    [{ timestep_spacing: 'log' }, /timestep_spacing: expected one of leading, trailing, linspace/],
    [{ solver_order: 2 }, /solver_order: unknown field/],
    [
      { beta_start: 0.02, beta_end: 0.01 },
      /scheduler_config\.json\.beta_end: expected at least beta_start, which is 0.02, got 0.01/,
    ],
    [{ prediction_type: null }, /prediction_type: expected a value, got null/],
    [{ timestep_spacing: null }, /timestep_spacing: expected a value, got null/],
    [{ num_train_timesteps: null }, /num_train_timesteps: expected a value, got null/],
  ];
  for (const [change, message] of wrong) {
    const path = await written(t, { _class_name: 'DDPMScheduler', ...change });
    t.throws(() => readScheduler(path), { instanceOf: UsageError, message });
  }
});

test('null turns a key off, as in Python, even if it is on by default', async (t) => {
  const sampling = async (config: object) => readScheduler(await written(t, config)).sampling;
  t.is((await sampling({ _class_name: 'DDPMScheduler', clip_sample: null })).clamp, false);
  t.is(
    (await sampling({ _class_name: 'DDIMScheduler', set_alpha_to_one: null })).lastAlpha,
    'first',
  );
  const solver = { _class_name: 'UniPCMultistepScheduler', lower_order_final: null };
  t.is((await sampling(solver)).lowerOrderFinal, false);
  const nothing = { trained_betas: null, thresholding: null, rescale_betas_zero_snr: null };
  t.is((await sampling({ _class_name: 'DDPMScheduler', ...nothing })).clamp, 1);
});

test('an offset that goes beyond the last timestep is refused', async (t) => {
  const path = await written(t, { _class_name: 'DDPMScheduler', steps_offset: 1 });
  const { sampling } = readScheduler(path);
  t.throws(() => readSampling(new Args({}), { timesteps: 1000 }, sampling), {
    instanceOf: UsageError,
    message: /--steps-offset: expected the first timestep below 1000, got 1000 with an offset of 1/,
  });
  t.is(readSampling(new Args({ sampler: 'ddim' }), { timesteps: 1000 }, sampling).stepsOffset, 1);
});

test('a written scheduler is read back unchanged', async (t) => {
  for (const schedule of ['linear', 'scaled-linear', 'cosine', 'sigmoid'] as const)
    for (const clamp of [false, 1, 2.5] as const) {
      const diffusion = {
        timesteps: 300,
        schedule,
        betaStart: 1e-4,
        betaEnd: 0.02,
        loss: 'l1',
        ...(schedule === 'sigmoid' && ({ objective: 'v', zeroTerminalSnr: true } as const)),
      } as const;
      const path = await written(t, schedulerJson(diffusion, { clamp, variance: 'large' }));
      const read = readScheduler(path);
      t.deepEqual(read.diffusion, diffusion);
      t.like(read.sampling, { clamp, variance: 'large', sampler: 'ancestral' });
    }
});
