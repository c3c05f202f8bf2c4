import { threadCount } from '../config/computing.js';
import type { DeviceChoice, RunConfig } from '../config/config.js';
import { chooseDevice } from '../device/choose.js';
import type { Schedule } from '../diffusion/schedule.js';
import { WasmTrainer } from '../engine/wasm-trainer.js';
import type { Trainer } from './trainer.js';

/**
 * A trainer on the device the config chooses.
 * @throws UsageError when the model does not fit; CheckError when a GPU is required and there is none.
 */
export async function openTrainer(
  config: RunConfig,
  schedule: Schedule,
  requireCuda: boolean,
): Promise<{ trainer: Trainer; chosen: DeviceChoice }> {
  const { model, training, computing, diffusion, seed } = config;
  const { device, why } = chooseDevice(computing, requireCuda);
  const trainer = WasmTrainer.create({
    architecture: model,
    size: model.size,
    batch: training.batch,
    loss: diffusion.loss,
    threads: threadCount(computing),
    strict: computing.strict,
    schedule,
    seed,
  });
  return { trainer, chosen: { device, description: trainer.unet.description, why } };
}
