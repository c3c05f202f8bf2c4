import { kernelsOf, threadCount } from '../config/computing.js';
import type { DeviceChoice, RunConfig } from '../config/config.js';
import { outerOf } from '../config/replicas.js';
import { optimizerOf } from '../config/training.js';
import type { Preprocessing } from '../contracts/preprocessing.js';
import type { Trainer } from '../contracts/trainer.js';
import { chooseDevice } from '../device/choose.js';
import { openUnet } from '../device/open.js';
import { distilledWeights } from '../diffusion/distillation.js';
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
import { TaughtPreprocessing } from './taught-preprocessing.js';
import { Teacher } from './teacher.js';
import { distillationOf, type TeacherWeights } from './teacher-files.js';

/** What belongs to a run beside its network. */
export interface Beside {
  /** Of a run on latents, whose samples it decodes; for the memory alone. */
  readonly autoencoder?: AutoencoderConfig | null;
  /** The weights of its teacher, if it has one. */
  readonly teacher?: TeacherWeights | null;
}

/**
 * A trainer on the chosen device, and the run's memory between steps, in bytes.
 * @throws UsageError if the model does not fit, and for rounds on TensorFlow; CheckError if a GPU is required and there is none.
 */
export async function openTrainer(
  config: RunConfig,
  schedule: Schedule,
  requireCuda: boolean,
  { autoencoder = null, teacher = null }: Beside = {},
): Promise<{ trainer: Trainer; chosen: DeviceChoice; between: number }> {
  const { device, why } = await chooseDevice(config.computing, requireCuda);
  const between = await bytesBetweenSteps(pausesOf(config, autoencoder), device);
  const plain = device === 'wasm' && config.computing.arithmetic === 'wasm';
  const whole = plain && !teacher;
  const { training, computing } = config;
  if (training.syncEvery !== null && !plain)
    throw new UsageError(
      `--sync-every: rounds are for the wasm device with its own arithmetic, got ${device} with ${computing.arithmetic}`,
    );
  const trainer = whole
    ? openWhole(config, schedule, between)
    : await openSplit(device, config, schedule, between, teacher);
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
const weightsOf = ({ training, teacher }: RunConfig, schedule: Schedule): Weights =>
  teacher ? distilledWeights(schedule) : (training.lossWeights ?? training.snrGamma);

function wasmOptions(config: RunConfig, schedule: Schedule) {
  const { model, data, training, computing, diffusion, seed } = config;
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
    lossWeights: weightsOf(config, schedule),
  };
}

/** U-Net and preprocessing apart: at least one of them is on TensorFlow, or a teacher comes between them. */
async function openSplit(
  device: DeviceChoice['device'],
  config: RunConfig,
  schedule: Schedule,
  reserve: number,
  taughtBy: TeacherWeights | null,
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
  const images =
    config.computing.arithmetic === 'wasm'
      ? new WasmPreprocessing(options)
      : await openTensorflowPreprocessing(config, schedule);
  const plan = taughtBy && distillationOf(config, schedule);
  const preprocessing = plan
    ? new TaughtPreprocessing(images, await Teacher.open(device, config, plan, taughtBy))
    : images;
  return new SplitTrainer(unet, preprocessing, memoryBytes, config.training.accumulate);
}

async function openTensorflowPreprocessing(
  config: RunConfig,
  schedule: Schedule,
): Promise<Preprocessing> {
  const { model, seed } = config;
  const { createTensorflowArithmetic } = await import('../tensorflow/arithmetic.js');
  const { TensorflowPreprocessing } = await import('../tensorflow/preprocessing.js');
  const shape = { height: model.size, width: model.size, channels: model.channels };
  const arithmetic = await createTensorflowArithmetic();
  const random = new CounterRandom(seed);
  const weights = weightsOf(config, schedule);
  return new TensorflowPreprocessing(arithmetic, schedule, random, shape, weights);
}
