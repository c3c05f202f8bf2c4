import { partsOf, sumTimes } from '../contracts/parts.js';
import type { BatchImages, EvaluationBatch, TrainBatch, Trainer } from '../contracts/trainer.js';
import { mixture, type Weights } from '../diffusion/mixture.js';
import type { Schedule } from '../diffusion/schedule.js';
import type { Engine, LoadedProgram, Times } from '../engine/engine.js';
import { writeLabels, writeLossWeights, writeTimes } from '../engine/network/inputs.js';
import { WasmNetwork, type WasmNetworkOptions } from '../engine/network/wasm-network.js';
import { type BatchMemory, batchSection, planBatch, writeBatch } from './batch-program.js';

export interface WasmTrainerOptions
  extends Omit<WasmNetworkOptions, 'timesteps' | 'training' | 'weighted'> {
  readonly schedule: Schedule;
  readonly seed: number;
  /** Weights of the loss; default none. */
  readonly lossWeights?: Weights;
  /** Whether its images are latents; default false. */
  readonly latents?: boolean;
}

/** Training on the engine: preprocessing, U-Net and Adam are one program, one task per worker. */
export class WasmTrainer implements Trainer {
  readonly unet: WasmNetwork;
  private readonly memory: BatchMemory;
  private readonly schedule: Schedule;
  private readonly lossWeights: Weights;
  private readonly parts: number;
  private readonly train: LoadedProgram;
  private readonly heldOut: LoadedProgram;

  private constructor(unet: WasmNetwork, memory: BatchMemory, options: WasmTrainerOptions) {
    const { schedule, seed, lossWeights = null, accumulate = 1 } = options;
    this.unet = unet;
    this.memory = memory;
    this.schedule = schedule;
    this.lossWeights = lossWeights;
    this.parts = accumulate;
    const target = schedule.objective === 'epsilon' ? 'noise' : 'mixture';
    this.train = this.engine.load([
      batchSection(memory, seed, 'step', target),
      ...unet.trainSections(),
    ]);
    this.heldOut = this.engine.load([
      batchSection(memory, seed, 'image', target),
      ...unet.predictSections(),
    ]);
  }

  /** @throws UsageError if it does not fit into memory. */
  static create(options: WasmTrainerOptions): WasmTrainer {
    const { schedule, lossWeights = null, latents = false, ...rest } = options;
    const shape = { size: options.size, channels: options.architecture.channels, latents };
    const { network, extra } = WasmNetwork.create(
      { ...rest, timesteps: schedule.timesteps, weighted: lossWeights !== null },
      (arena, memory) => planBatch(arena, { ...shape, batch: memory.shape.batch }, memory),
    );
    return new WasmTrainer(network, extra, options);
  }

  get memoryBytes(): number {
    return this.engine.memory.buffer.byteLength;
  }

  async step(batch: TrainBatch) {
    const { unet } = this;
    const losses: number[] = [];
    const times: Times[] = [];
    let loss = 0;
    for (const [part, images] of partsOf(batch, this.parts)) {
      this.write(images);
      unet.beginPart(batch.lr, part, images.first);
      times.push(await this.engine.run(this.train, batch.step, batch.step + 1));
      times.push(await unet.endPart(part));
      loss += unet.loss / part.of;
      losses.push(...unet.imageLosses());
    }
    return { loss, losses: Float64Array.from(losses), ms: sumTimes(times) };
  }

  async evaluate(batch: EvaluationBatch) {
    const { weights } = this.write(batch);
    await this.unet.prepare('running');
    await this.engine.run(this.heldOut);
    const { batch: images, size, channels } = this.memory;
    const length = images * size * size * channels;
    return {
      epsilon: this.engine.floats(this.unet.memory.epsilon, length),
      noise: this.engine.floats(this.memory.noise, length),
      weights,
    };
  }

  async dispose(): Promise<void> {
    await this.unet.dispose();
  }

  /** Writes a batch, and its mixture, into the program's memory. */
  private write(batch: BatchImages & Pick<TrainBatch, 't' | 'labels'>) {
    const mixed = mixture(this.schedule, batch.t, this.lossWeights);
    writeBatch(this.engine, this.memory, { ...batch, mixture: mixed });
    writeTimes(this.engine, this.unet.memory, mixed.t);
    writeLabels(this.engine, this.unet.memory, batch.labels);
    writeLossWeights(this.engine, this.unet.memory, mixed.weights);
    return mixed;
  }

  private get engine(): Engine {
    return this.unet.engine;
  }
}
