import test from 'ava';
import { makeTrajectory, type SamplerOptions } from '../../src/diffusion/sampler.js';
import { makeSchedule } from '../../src/diffusion/schedule.js';
import type { LoadedProgram } from '../../src/engine/engine.js';
import { WasmSampler } from '../../src/wasm/wasm-sampler.js';

const schedule = makeSchedule({ timesteps: 8, schedule: 'linear', betaStart: 1e-3, betaEnd: 0.2 });
const architecture = {
  kind: 'simple',
  widths: [8, 12],
  channels: 3,
  timeDim: 8,
  norm: 'separate',
} as const;

/** The sections of a reverse step that take time. */
async function sections(options: SamplerOptions): Promise<string[]> {
  const sampler = WasmSampler.create({
    ...{ architecture, size: 8, batch: 1, timesteps: 8, threads: 1 },
    ...{ trajectory: makeTrajectory(schedule, options), norm: 'running', seed: 1 },
  });
  try {
    await sampler.start(Uint32Array.of(0));
    const { trajectory } = sampler as unknown as { trajectory: LoadedProgram };
    return Object.keys(await sampler.unet.engine.run(trajectory, 0, 2));
  } finally {
    await sampler.dispose();
  }
}

test('Only samplers that add noise draw it', async (t) => {
  t.deepEqual(await sections({ sampler: 'ancestral' }), ['noise', 'unet', 'step']);
  t.deepEqual(await sections({ sampler: 'ddim', eta: 0.1 }), ['noise', 'unet', 'step']);
  t.deepEqual(await sections({ sampler: 'ddim', eta: 0 }), ['unet', 'step']);
});
