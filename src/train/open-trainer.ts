import { threadCount } from '../config/computing.js';
import type { DeviceChoice, RunConfig } from '../config/config.js';
import { chooseDevice } from '../device/choose.js';
import { openUnet } from '../device/unet.js';
import { CounterRandom } from '../diffusion/random.js';
import type { Schedule } from '../diffusion/schedule.js';
import { WasmPreprocessing } from '../engine/wasm-preprocessing.js';
import { WasmTrainer } from '../engine/wasm-trainer.js';
import { type Preprocessing, SplitTrainer } from './split-trainer.js';
import type { Trainer } from './trainer.js';

/**
 * A trainer on the device and arithmetic the config chooses. Where both are the engine's, a step is one program.
 * @throws UsageError when the model does not fit, or TensorFlow is not set up; CheckError when a GPU is required and
 * there is none.
 */
export async function openTrainer(
  config: RunConfig,
  schedule: Schedule,
  requireCuda: boolean,
): Promise<{ trainer: Trainer; chosen: DeviceChoice }> {
  const choice = await chooseDevice(config.computing, requireCuda);
  const together = choice.device === 'wasm' && config.computing.arithmetic === 'wasm';
  const trainer = together
    ? WasmTrainer.create({ ...shape(config), ...engine(config), schedule, seed: config.seed })
    : await openSplit(config, schedule, choice.device);
  return { trainer, chosen: { ...choice, description: trainer.unet.description } };
}

const shape = ({ model, training, diffusion }: RunConfig) => ({
  architecture: model,
  size: model.size,
  batch: training.batch,
  loss: diffusion.loss,
});

const engine = ({ computing }: RunConfig) => ({
  threads: threadCount(computing),
  strict: computing.strict,
});

async function openSplit(
  config: RunConfig,
  schedule: Schedule,
  device: 'wasm' | 'tensorflow',
): Promise<Trainer> {
  const options = { ...shape(config), timesteps: schedule.timesteps, training: true };
  const { unet, bytes } = await openUnet(device, config.computing, options);
  try {
    return new SplitTrainer(unet, await openPreprocessing(config, schedule), bytes);
  } catch (error) {
    await unet.dispose();
    throw error;
  }
}

async function openPreprocessing(config: RunConfig, schedule: Schedule): Promise<Preprocessing> {
  const { model, training, computing, seed } = config;
  const { size, channels } = model;
  if (computing.arithmetic === 'wasm') {
    const { batch } = training;
    return new WasmPreprocessing({ batch, size, channels, schedule, seed, ...engine(config) });
  }
  const { createTensorflowArithmetic } = await import('../tensorflow/arithmetic.js');
  const { TensorflowPreprocessing } = await import('../tensorflow/preprocessing.js');
  const image = { height: size, width: size, channels };
  const arithmetic = await createTensorflowArithmetic();
  return new TensorflowPreprocessing(arithmetic, schedule, new CounterRandom(seed), image);
}
