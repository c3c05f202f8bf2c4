import { kernelsOf, threadCount } from '../config/computing.js';
import type { DeviceChoice, RunConfig } from '../config/config.js';
import { outerOf } from '../config/replicas.js';
import { optimizerOf } from '../config/training.js';
import type { Preprocessing } from '../contracts/preprocessing.js';
import type { Trainer } from '../contracts/trainer.js';
import { chooseDevice } from '../device/choose.js';
import { openUnet } from '../device/open.js';
import type { Weights } from '../diffusion/mixture.js';
import { CounterRandom } from '../diffusion/random.js';
import type { Schedule } from '../diffusion/schedule.js';
import { UsageError } from '../errors.js';
import type { AutoencoderConfig } from '../network/autoencoder.js';
import { WasmPreprocessing } from '../wasm/wasm-preprocessing.js';
import { WasmTrainer } from '../wasm/wasm-trainer.js';
import { bytesBetweenSteps, pausesOf } from './memory.js';
import { ReplicaStates } from './replica-states.js';
import { ReplicatedTrainer } from './replicated-trainer.js';
import { SplitTrainer } from './split-trainer.js';

/**
 * A trainer on the chosen device, and the run's memory between steps, in bytes.
 * @param autoencoder of a run on latents, whose samples it decodes; for the memory alone
 * @throws UsageError if the model does not fit, and for rounds on TensorFlow; CheckError if a GPU is required and there is none.
 */
export async function openTrainer(
  config: RunConfig,
  schedule: Schedule,
  requireCuda: boolean,
  autoencoder: AutoencoderConfig | null = null,
): Promise<{ trainer: Trainer; chosen: DeviceChoice; between: number }> {
  const { device, why } = await chooseDevice(config.computing, requireCuda);
  const between = await bytesBetweenSteps(pausesOf(config, autoencoder), device);
  const whole = device === 'wasm' && config.computing.arithmetic === 'wasm';
  const { training, computing } = config;
  if (training.syncEvery !== null && !whole)
    throw new UsageError(
      `--sync-every: rounds are for the wasm device with its own arithmetic, got ${device} with ${computing.arithmetic}`,
    );
  const trainer = whole
    ? openWhole(config, schedule, between)
    : await openSplit(device, config, schedule, between);
  return { trainer, chosen: { device, description: trainer.unet.description, why }, between };
}

/** A trainer on the engine alone, of several replicas where the run has rounds. */
function openWhole(config: RunConfig, schedule: Schedule, reserve: number): Trainer {
  const trainer = WasmTrainer.create({ ...wasmOptions(config, schedule), reserve });
  const { training } = config;
  if (training.syncEvery === null) return trainer;
  const states = new ReplicaStates(trainer.unet, training.replicas, outerOf(training));
  return new ReplicatedTrainer(trainer, states);
}

/** The weights of the loss. */
const weightsOf = ({ lossWeights, snrGamma }: RunConfig['training']): Weights =>
  lossWeights ?? snrGamma;

function wasmOptions(
  { model, data, training, computing, diffusion, seed }: RunConfig,
  schedule: Schedule,
) {
  return {
    latents: data.autoencoder !== undefined,
    architecture: model,
    size: model.size,
    batch: training.batch,
    channels: model.channels,
    loss: diffusion.loss,
    threads: threadCount(computing),
    ...kernelsOf(computing),
    schedule,
    seed,
    optimizer: optimizerOf(training),
    ema: training.ema,
    accumulate: training.accumulate,
    lossWeights: weightsOf(training),
  };
}

/** U-Net and preprocessing on different devices: at least one of them is TensorFlow. */
async function openSplit(
  device: DeviceChoice['device'],
  config: RunConfig,
  schedule: Schedule,
  reserve: number,
): Promise<Trainer> {
  const options = wasmOptions(config, schedule);
  const { timesteps } = schedule;
  const { unet, memoryBytes } = await openUnet(device, config.computing, {
    ...options,
    reserve,
    timesteps,
    training: true,
    weighted: options.lossWeights !== null,
  });
  const preprocessing =
    config.computing.arithmetic === 'wasm'
      ? new WasmPreprocessing(options)
      : await openTensorflowPreprocessing(config, schedule);
  return new SplitTrainer(unet, preprocessing, memoryBytes, config.training.accumulate);
}

async function openTensorflowPreprocessing(
  { model, training, seed }: RunConfig,
  schedule: Schedule,
): Promise<Preprocessing> {
  const { createTensorflowArithmetic } = await import('../tensorflow/arithmetic.js');
  const { TensorflowPreprocessing } = await import('../tensorflow/preprocessing.js');
  const shape = { height: model.size, width: model.size, channels: model.channels };
  const arithmetic = await createTensorflowArithmetic();
  const random = new CounterRandom(seed);
  return new TensorflowPreprocessing(arithmetic, schedule, random, shape, weightsOf(training));
}
