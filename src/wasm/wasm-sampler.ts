import type { Sampler } from '../contracts/sampler.js';
import { type Condition, labelsOfPass, passesOf } from '../diffusion/guidance.js';
import type { LoadedProgram } from '../engine/engine.js';
import { writeLabels } from '../engine/network/inputs.js';
import { otherTimes } from '../engine/network/memory.js';
import { WasmNetwork, type WasmNetworkOptions } from '../engine/network/wasm-network.js';
import type { Program } from '../engine/program.js';
import {
  initProgram,
  planReverse,
  planTables,
  type ReverseMemory,
  type ReverseOptions,
  stepProgram,
  writeTables,
} from './reverse-program.js';

export interface WasmSamplerOptions
  extends Omit<WasmNetworkOptions, 'training' | 'loss' | 'seed'>,
    ReverseOptions {}

/** Sampling on the engine: a whole trajectory is one program, and x_t never leaves shared memory. */
export class WasmSampler implements Sampler {
  readonly unet: WasmNetwork;
  readonly batch: number;
  private readonly memory: ReverseMemory;
  private readonly norm: ReverseOptions['norm'];
  private readonly condition: Condition | null;
  private readonly init: LoadedProgram;
  private readonly trajectory: LoadedProgram;

  private constructor(
    unet: WasmNetwork,
    memory: ReverseMemory,
    steps: Program,
    options: WasmSamplerOptions,
  ) {
    this.unet = unet;
    this.batch = options.batch;
    this.condition = options.condition ?? null;
    this.memory = memory;
    this.norm = options.norm;
    const { engine } = unet;
    this.init = engine.load(initProgram(unet.memory, memory, options));
    this.trajectory = engine.load(steps);
    writeTables(engine, memory, options.trajectory, unet.memory.shape);
  }

  /** @throws UsageError if it does not fit into memory. */
  static create(options: WasmSamplerOptions): WasmSampler {
    const { trajectory, timesteps, condition } = options;
    const times = otherTimes(trajectory.timesteps, timesteps);
    const { network, extra, program } = WasmNetwork.create(
      { ...options, batch: options.batch * passesOf(condition), times, training: false },
      (arena, unet) => planReverse(arena, unet, planTables(arena, trajectory), options),
      (unet, memory) => stepProgram(unet, memory, options),
    );
    return new WasmSampler(network, extra, program, options);
  }

  get description(): string {
    return this.unet.description;
  }

  async start(images: Uint32Array): Promise<void> {
    const { engine } = this.unet;
    new Uint32Array(engine.memory.buffer, this.memory.images, this.batch).set(images);
    if (this.condition) writeLabels(engine, this.unet.memory, labelsOfPass(this.condition, images));
    await this.unet.prepare(this.norm);
    await engine.run(this.init);
  }

  async advance(from: number, to: number): Promise<void> {
    await this.unet.engine.run(this.trajectory, from, to);
  }

  read(): Float32Array {
    const { graph } = this.unet.memory.shape;
    const length = this.batch * graph.size ** 2 * graph.channels;
    return this.unet.engine.floats(this.unet.memory.xt, length).slice();
  }

  async dispose(): Promise<void> {
    await this.unet.dispose();
  }
}
