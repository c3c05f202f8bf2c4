import test from 'ava';
import { DIFFUSION_DEFAULTS } from '../../src/config/diffusion.js';
import { completeModel } from '../../src/config/network-settings.js';
import { PRESETS } from '../../src/config/presets.js';
import { CounterRandom } from '../../src/diffusion/random.js';
import { makeTrajectory } from '../../src/diffusion/sampler.js';
import { makeSchedule } from '../../src/diffusion/schedule.js';
import { Arithmetic } from '../../src/engine/arithmetic.js';
import { UsageError } from '../../src/errors.js';
import { initialState } from '../../src/network/initial-state.js';
import { buildNetwork } from '../../src/network/network.js';
import { largestBatch, WasmGenerator } from '../../src/wasm/wasm-generator.js';
import { WasmSampler } from '../../src/wasm/wasm-sampler.js';

const schedule = makeSchedule(DIFFUSION_DEFAULTS);

const options = (preset: 'reference' | 'tiny', workers: number, batch: number) => ({
  architecture: PRESETS[preset].model,
  size: PRESETS[preset].model.size,
  timesteps: schedule.timesteps,
  trajectory: makeTrajectory(schedule, { sampler: 'ancestral' }),
  norm: 'running' as const,
  ...{ seed: 0, strict: true, workers, batch },
});

for (const how of [
  { sampler: 'heun', steps: 3 },
  { sampler: 'dpm++3m', steps: 5, karras: true },
  { sampler: 'dpm++sde', steps: 3, dynamicThreshold: 0.9 },
  { sampler: 'unipc', steps: 6, order: 3 },
] as const)
  test(`Images of each worker equal those of the sampler: ${how.sampler}`, async (t) => {
    const one = { ...options('tiny', 2, 2), size: 8, trajectory: makeTrajectory(schedule, how) };
    const graph = buildNetwork(one.architecture, one.size);
    const state = initialState(graph, new CounterRandom(1));
    const generator = await WasmGenerator.create(one, state);
    const sampler = WasmSampler.create({ ...one, batch: 3, threads: 1 });
    t.teardown(() => Promise.all([generator.dispose(), sampler.dispose()]));
    await sampler.unet.importState(state);
    await sampler.start(Uint32Array.of(4, 7, 9));
    await sampler.advance(0, one.trajectory.timesteps.length);
    const expected = new Arithmetic().toBytes(sampler.read());
    const [first, second] = await Promise.all([
      generator.make(0, Uint32Array.of(4, 7)),
      generator.make(1, Uint32Array.of(9)),
    ]);
    t.deepEqual([...first!, ...second!], [...expected]);
  });

/** A network whose last worker's scratch would lie behind a plan for one worker. */
const tight = completeModel({
  ...{ kind: 'unet2d', size: 12, widths: [16, 24], channels: 3, groups: 8, headDim: 8 },
});

for (const guided of [false, true])
  test(`Images do not depend on how many workers prepare the weights${guided ? ', nor with a guide' : ''}`, async (t) => {
    const state = (seed: number) => initialState(buildNetwork(tight), new CounterRandom(seed));
    const draw = async (workers: number) => {
      const generator = await WasmGenerator.create(
        {
          ...{ ...options('tiny', workers, 1), strict: false },
          ...{ architecture: tight, size: tight.size },
          trajectory: makeTrajectory(schedule, { sampler: 'ddim', steps: 2 }),
          guide: guided ? { architecture: tight, guidance: 2 } : null,
        },
        state(1),
        guided ? state(2) : undefined,
      );
      t.teardown(() => generator.dispose());
      const images: Uint8Array[] = [];
      for (const k of [0, 1, 2, 3])
        images.push(await generator.make(k % workers, Uint32Array.of(k)));
      return Buffer.concat(images);
    };
    const expected = await draw(1);
    for (const workers of [4, 16]) t.deepEqual(await draw(workers), expected, `${workers} workers`);
  });

test('The largest batch is the requested one if it fits', (t) => {
  t.is(largestBatch(options('tiny', 64, 16)), 16);
  t.is(largestBatch(options('reference', 2, 16)), 16);
});

test('The largest batch is smaller if many workers leave too little memory', async (t) => {
  const largest = largestBatch(options('reference', 64, 16));
  t.true(largest > 0 && largest < 16, `${largest}`);
  await t.throwsAsync(WasmGenerator.create(options('reference', 64, largest + 1), new Map()), {
    instanceOf: UsageError,
    message: new RegExp(`the largest batch that fits with 64 workers is ${largest}$`),
  });
});

test('Workers without room for one image each are refused', async (t) => {
  const many = options('reference', 500, 8);
  t.is(largestBatch(many), 0);
  await t.throwsAsync(WasmGenerator.create(many, new Map()), {
    instanceOf: UsageError,
    message: /^memory: .*not even a batch of 1 fits with 500 workers$/,
  });
});
