import type { EvaluationBatch, TrainBatch, Trainer } from '../contracts/trainer.js';
import type { Schedule } from '../diffusion/schedule.js';
import type { Engine, LoadedProgram } from '../engine/engine.js';
import { WasmNetwork, type WasmNetworkOptions } from '../engine/network/wasm-network.js';
import {
  type BatchMemory,
  batchSection,
  planBatch,
  writeBatch,
  writeSchedule,
} from './batch-program.js';

export interface WasmTrainerOptions extends Omit<WasmNetworkOptions, 'timesteps' | 'training'> {
  readonly schedule: Schedule;
  readonly seed: number;
}

/** Training on the engine: preprocessing, U-Net and Adam are one program, one task a worker. */
export class WasmTrainer implements Trainer {
  readonly unet: WasmNetwork;
  private readonly memory: BatchMemory;
  private readonly train: LoadedProgram;
  private readonly heldOut: LoadedProgram;

  private constructor(unet: WasmNetwork, memory: BatchMemory, seed: number) {
    this.unet = unet;
    this.memory = memory;
    this.train = this.engine.load([batchSection(memory, seed, 'step'), ...unet.trainSections()]);
    this.heldOut = this.engine.load([
      batchSection(memory, seed, 'image'),
      ...unet.predictSections(),
    ]);
  }

  /** @throws UsageError when it does not fit memory. */
  static create(options: WasmTrainerOptions): WasmTrainer {
    const { schedule, seed, ...rest } = options;
    const shape = {
      size: options.size,
      channels: options.architecture.channels,
      timesteps: schedule.timesteps,
    };
    const { network, extra } = WasmNetwork.create(
      { ...rest, seed, timesteps: schedule.timesteps },
      (arena, memory) => planBatch(arena, { ...shape, batch: memory.shape.batch }, memory),
    );
    writeSchedule(network.engine, extra, schedule);
    return new WasmTrainer(network, extra, seed);
  }

  get memoryBytes(): number {
    return this.engine.memory.buffer.byteLength;
  }

  async step(batch: TrainBatch) {
    writeBatch(this.engine, this.memory, batch);
    this.unet.setRates(batch.lr);
    const ms = await this.engine.run(this.train, batch.step, batch.step + 1);
    return { loss: this.unet.finishStep(), ms };
  }

  async evaluate(batch: EvaluationBatch) {
    writeBatch(this.engine, this.memory, batch);
    await this.unet.prepare('running');
    await this.engine.run(this.heldOut);
    const { batch: images, size, channels } = this.memory;
    const length = images * size * size * channels;
    return {
      epsilon: this.engine.floats(this.unet.memory.epsilon, length),
      noise: this.engine.floats(this.memory.noise, length),
    };
  }

  async dispose(): Promise<void> {
    await this.unet.dispose();
  }

  private get engine(): Engine {
    return this.unet.engine;
  }
}
