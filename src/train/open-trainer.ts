import { availableParallelism } from 'node:os';
import type { DeviceChoice, RunConfig } from '../config/config.js';
import type { Schedule } from '../diffusion/schedule.js';
import { WasmTrainer } from '../engine/wasm-trainer.js';
import type { Trainer } from './trainer.js';

/** A trainer on the device the config chooses. @throws UsageError when the model does not fit. */
export async function openTrainer(
  config: RunConfig,
  schedule: Schedule,
): Promise<{ trainer: Trainer; chosen: DeviceChoice }> {
  const { model, training, computing, diffusion, seed } = config;
  const trainer = WasmTrainer.create({
    architecture: model,
    size: model.size,
    batch: training.batch,
    loss: diffusion.loss,
    threads: computing.threads ?? availableParallelism(),
    strict: computing.strict,
    schedule,
    seed,
  });
  const { name: device, description } = trainer.unet;
  return { trainer, chosen: { device, description, why: 'asked for' } };
}
