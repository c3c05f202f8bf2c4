import test from 'ava';
import { completeModel } from '../../src/config/network-settings.js';
import { CounterRandom } from '../../src/diffusion/random.js';
import { makeTrajectory } from '../../src/diffusion/sampler.js';
import { makeSchedule } from '../../src/diffusion/schedule.js';
import { Arithmetic } from '../../src/engine/arithmetic.js';
import { WasmNetwork } from '../../src/engine/network/wasm-network.js';
import { initialState } from '../../src/network/initial-state.js';
import { buildNetwork } from '../../src/network/network.js';
import { SplitSampler } from '../../src/sample/split-sampler.js';
import { WasmSampler } from '../../src/wasm/wasm-sampler.js';

const options = { schedule: 'linear', timesteps: 40, betaStart: 1e-4, betaEnd: 0.1 } as const;
const schedule = makeSchedule(options);
const unet2d = { kind: 'unet2d', size: 12, channels: 3, groups: 8, headDim: 8 } as const;
const model = completeModel({ ...unet2d, widths: [16, 24] });
const other = completeModel({ ...unet2d, widths: [8, 8] });
const state = (of: typeof model, seed: number) =>
  initialState(buildNetwork(of), new CounterRandom(seed));

for (const norm of ['running', 'batch'] as const)
  for (const threads of [1, 3])
    test(`a guide in the same program has the bits of one beside it: ${norm}, ${threads} threads`, async (t) => {
      const trajectory = makeTrajectory(schedule, { sampler: 'ddim', steps: 4, eta: 0.5 });
      const shape = { size: 12, timesteps: 40, batch: 3, threads };
      const whole = WasmSampler.create({
        ...{ ...shape, architecture: model, trajectory, norm, seed: 5 },
        guide: { architecture: other, guidance: 2.5 },
      });
      await whole.unet.importState(state(model, 1));
      await whole.importGuide(state(other, 2));
      const [unet, guide] = [model, other].map(
        (architecture) => WasmNetwork.create({ ...shape, architecture, training: false }).network,
      ) as [WasmNetwork, WasmNetwork];
      await unet.importState(state(model, 1));
      await guide.importState(state(other, 2));
      const apart = new SplitSampler({
        ...{ unet, arithmetic: new Arithmetic(), trajectory, norm },
        ...{ random: new CounterRandom(5), each: 12 * 12 * 3 },
        guide: { unet: guide, guidance: 2.5 },
      });
      t.teardown(() => Promise.all([whole.dispose(), apart.dispose()]));
      const drawn: Float32Array[] = [];
      for (const sampler of [whole, apart]) {
        await sampler.start(Uint32Array.of(4, 7, 9));
        await sampler.advance(0, 4);
        drawn.push(sampler.read());
      }
      t.deepEqual(drawn[0], drawn[1]);
    });

test('a guide counts when a sampler is asked whether it fits', (t) => {
  const trajectory = makeTrajectory(schedule, { sampler: 'ddim', steps: 4 });
  const large = completeModel({ ...unet2d, size: 512, widths: [16, 24] });
  const one = {
    ...{ architecture: large, size: 512, timesteps: 40, batch: 16, threads: 2 },
    ...{ trajectory, norm: 'running' as const, seed: 5 },
  } as const;
  t.true(WasmSampler.fits({ ...one, batch: 1, guide: { architecture: large, guidance: 2 } }));
  t.true(WasmSampler.fits(one));
  t.false(WasmSampler.fits({ ...one, guide: { architecture: large, guidance: 2 } }));
});
