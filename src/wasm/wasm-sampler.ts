import type { Sampler } from '../contracts/sampler.js';
import { type Condition, labelsOfPass, passesOf } from '../diffusion/guidance.js';
import { type Arena, planRoom } from '../engine/arena.js';
import type { LoadedProgram } from '../engine/engine.js';
import { writeLabels, writeReserved } from '../engine/network/inputs.js';
import { type NetworkMemory, otherTimes } from '../engine/network/memory.js';
import { prepareProgram } from '../engine/network/passes.js';
import { planBytes } from '../engine/network/plan.js';
import { NetworkStates } from '../engine/network/states.js';
import { WasmNetwork, type WasmNetworkOptions } from '../engine/network/wasm-network.js';
import type { Program } from '../engine/program.js';
import type { StateDict } from '../network/state.js';
import { type GuideMemory, type GuideOptions, planGuide, withGuide } from './guide.js';
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
    ReverseOptions {
  /** Another network that guides; then the condition does not. Default none. */
  readonly guide?: GuideOptions | null;
}

/** What a sampler lays out beside its network. */
interface Beside {
  readonly reverse: ReverseMemory;
  readonly guide: GuideMemory | undefined;
}

/** Sampling on the engine: a whole trajectory is one program, and x_t never leaves shared memory. */
export class WasmSampler implements Sampler {
  readonly unet: WasmNetwork;
  readonly batch: number;
  private readonly memory: ReverseMemory;
  private readonly guide: GuideMemory | undefined;
  private readonly norm: ReverseOptions['norm'];
  private readonly condition: Condition | null;
  private readonly init: LoadedProgram;
  private readonly trajectory: LoadedProgram;
  private readonly prepareGuide: LoadedProgram;

  private constructor(
    unet: WasmNetwork,
    { reverse, guide }: Beside,
    { step, prepare }: { step: Program; prepare: Program },
    options: WasmSamplerOptions,
  ) {
    this.unet = unet;
    this.batch = options.batch;
    this.condition = options.condition ?? null;
    this.memory = reverse;
    this.guide = guide;
    this.norm = options.norm;
    const { engine } = unet;
    this.init = engine.load(initProgram(unet.memory, reverse, options));
    this.trajectory = engine.load(step);
    this.prepareGuide = engine.load(prepare);
    if (guide) writeReserved(engine, guide.unet);
    writeTables(engine, reverse, options.trajectory, unet.memory.shape);
  }

  /** @throws UsageError if it does not fit into memory. */
  static create(options: WasmSamplerOptions): WasmSampler {
    const { network, extra, program } = WasmNetwork.create(
      networkOptions(options),
      beside(options),
      (unet, { reverse, guide }) => ({
        step: stepProgram(unet, reverse, options, guide),
        prepare: prepareProgram(guide ? [guide.unet] : []),
      }),
    );
    return new WasmSampler(network, extra, program, options);
  }

  /** Whether it fits into memory. */
  static fits(options: WasmSamplerOptions): boolean {
    return planBytes(networkOptions(options), beside(options)).total <= planRoom(options).bytes;
  }

  /** Takes the guide's weights. @throws UsageError for those of another network */
  async importGuide(state: StateDict): Promise<void> {
    const { engine } = this.unet;
    new NetworkStates(engine, this.guide!.unet).write(state);
    await engine.run(this.prepareGuide);
  }

  get description(): string {
    return this.unet.description;
  }

  async start(images: Uint32Array): Promise<void> {
    const { engine } = this.unet;
    new Uint32Array(engine.memory.buffer, this.memory.images, this.batch).set(images);
    if (this.condition) {
      const labels = labelsOfPass(this.condition, images);
      for (const network of withGuide(this.unet.memory, this.guide))
        writeLabels(engine, network, labels);
    }
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

  write(x: Float32Array): void {
    this.unet.engine.floats(this.unet.memory.xt, x.length).set(x);
  }

  async dispose(): Promise<void> {
    await this.unet.dispose();
  }
}

function networkOptions(options: WasmSamplerOptions): WasmNetworkOptions {
  const { trajectory, timesteps, condition, batch } = options;
  const times = otherTimes(trajectory.timesteps, timesteps);
  return { ...options, batch: batch * passesOf(condition), times, training: false };
}

const beside =
  (options: WasmSamplerOptions) =>
  (arena: Arena, unet: NetworkMemory): Beside => ({
    reverse: planReverse(arena, unet, planTables(arena, options.trajectory), options),
    guide: options.guide ? planGuide(arena, unet, options.guide) : undefined,
  });
