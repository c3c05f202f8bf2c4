import test from 'ava';
import { DIFFUSION_DEFAULTS } from '../../src/config/diffusion.js';
import { PRESETS } from '../../src/config/presets.js';
import { makeTrajectory } from '../../src/diffusion/sampler.js';
import { makeSchedule } from '../../src/diffusion/schedule.js';
import { UsageError } from '../../src/errors.js';
import { largestBatch, WasmGenerator } from '../../src/wasm/wasm-generator.js';

const schedule = makeSchedule(DIFFUSION_DEFAULTS);

const options = (preset: 'reference' | 'tiny', workers: number, batch: number) => ({
  architecture: PRESETS[preset].model,
  size: PRESETS[preset].model.size,
  timesteps: schedule.timesteps,
  trajectory: makeTrajectory(schedule, { sampler: 'ancestral' }),
  norm: 'running' as const,
  ...{ seed: 0, strict: true, workers, batch },
});

test('The largest batch is the one asked for where it fits', (t) => {
  t.is(largestBatch(options('tiny', 64, 16)), 16);
  t.is(largestBatch(options('reference', 2, 16)), 16);
});

test('Where many workers leave too little memory for it, it is the largest that fits', async (t) => {
  const largest = largestBatch(options('reference', 64, 16));
  t.true(largest > 0 && largest < 16, `${largest}`);
  await t.throwsAsync(WasmGenerator.create(options('reference', 64, largest + 1), new Map()), {
    instanceOf: UsageError,
    message: new RegExp(`the largest batch that fits with 64 workers is ${largest}$`),
  });
});

test('Workers that have no room even for one image each are refused', async (t) => {
  const many = options('reference', 500, 8);
  t.is(largestBatch(many), 0);
  await t.throwsAsync(WasmGenerator.create(many, new Map()), {
    instanceOf: UsageError,
    message: /^memory: .*not even a batch of 1 fits with 500 workers$/,
  });
});
