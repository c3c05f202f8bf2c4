import test from 'ava';
import type { Piscina } from 'piscina';
import { completeModel } from '../../../src/config/network-settings.js';
import { CounterRandom } from '../../../src/diffusion/random.js';
import { WasmNetwork } from '../../../src/engine/network/wasm-network.js';
import { EngineError } from '../../../src/errors.js';
import { initialState } from '../../../src/network/initial-state.js';
import { buildNetwork } from '../../../src/network/network.js';

const MODELS = [
  { kind: 'simple', size: 16, widths: [8, 16] },
  { kind: 'unet2d', size: 16, widths: [8, 16], layers: 1 },
] as const;

for (const given of MODELS)
  test(`A worker lost while ${given.kind} trains fails that step and every later one`, async (t) => {
    const model = completeModel(given);
    const { network } = WasmNetwork.create({
      ...{ architecture: model, size: model.size, batch: 2, timesteps: 10, threads: 2 },
      training: true,
    });
    t.teardown(() => network.dispose());
    await network.importState(initialState(buildNetwork(model), new CounterRandom(1)));
    const image = new Float32Array(2 * model.size ** 2 * model.channels).fill(0.5);
    const step = () => network.trainStep({ xt: image, t: Int32Array.of(1, 2) }, image, 1e-3);
    await step();
    const { workers } = network.engine as unknown as { workers: { pool: Piscina } };
    setTimeout(() => workers.pool.threads[1]!.terminate(), 50);
    const lost = async () => {
      for (;;) await step();
    };
    const error = await t.throwsAsync(lost(), { instanceOf: EngineError });
    t.regex(error!.message, /^worker [01] stopped while running \w+: /);
    await t.throwsAsync(step(), { instanceOf: EngineError });
  });
