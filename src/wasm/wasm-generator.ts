import type { Generator, LatentGenerator } from '../contracts/generator.js';
import { requireFinite } from '../diffusion/finite.js';
import { type Condition, labelsOfPass, passesOf } from '../diffusion/guidance.js';
import { Arena, checkFits, planRoom } from '../engine/arena.js';
import { Engine, type LoadedProgram, type Part } from '../engine/engine.js';
import type { KernelChoice } from '../engine/module.js';
import { writeLabels, writeReserved } from '../engine/network/inputs.js';
import { type NetworkMemory, otherTimes } from '../engine/network/memory.js';
import { prepareProgram } from '../engine/network/passes.js';
import { planMemory } from '../engine/network/plan.js';
import { NetworkStates } from '../engine/network/states.js';
import type { Pointer } from '../engine/pointer.js';
import { call, type Program } from '../engine/program.js';
import type { Graph } from '../network/graph.js';
import { buildNetwork, type NetworkConfig } from '../network/network.js';
import type { StateDict } from '../network/state.js';
import { type GuideMemory, type GuideOptions, planGuide, withGuide } from './guide.js';
import {
  initProgram,
  planReverse,
  planTables,
  type ReverseMemory,
  type ReverseOptions,
  stepProgram,
  type TrajectoryTables,
  writeTables,
} from './reverse-program.js';

export interface WasmGeneratorOptions extends ReverseOptions, KernelChoice {
  readonly architecture: NetworkConfig;
  readonly size: number;
  readonly timesteps: number;
  /** Images that a worker draws at one time. */
  readonly batch: number;
  readonly workers: number;
  /** Another network that guides; then the condition does not. Default none. */
  readonly guide?: GuideOptions | null;
}

/** The memory of one running batch: activations and scratch; weights are shared. */
interface LanePlan {
  readonly unet: NetworkMemory;
  readonly guide: GuideMemory | undefined;
  readonly reverse: ReverseMemory;
  /** u8 [batch, size, size, channels]: the finished images. */
  readonly pixels: Pointer;
  /** x_T; a reverse step; x_0 as bytes. */
  readonly programs: readonly [init: Program, step: Program, finish: Program];
}

interface GeneratorPlan {
  readonly tables: TrajectoryTables;
  readonly lanes: readonly LanePlan[];
  readonly prepare: Program;
}

interface Lane {
  readonly plan: LanePlan;
  readonly parts: readonly Part[];
}

/** Sampling for throughput: each worker draws whole batches, and none ever waits for another. */
export class WasmGenerator implements Generator, LatentGenerator {
  readonly device = 'wasm';
  readonly batch: number;
  readonly steps: number;
  private readonly engine: Engine;
  private readonly work: readonly Lane[];
  private readonly each: number;
  private readonly condition: Condition | null;

  private constructor(engine: Engine, plan: GeneratorPlan, options: WasmGeneratorOptions) {
    const { size, architecture, trajectory, batch, condition = null } = options;
    this.engine = engine;
    this.batch = batch;
    this.condition = condition;
    this.steps = trajectory.timesteps.length;
    this.each = size * size * architecture.channels;
    this.work = plan.lanes.map((lane) => {
      const [init, step, finish] = lane.programs.map((p) => engine.load(p)) as LoadedProgram[];
      const parts = [
        { loaded: init!, from: 0, to: 1 },
        { loaded: step!, from: 0, to: this.steps },
        { loaded: finish!, from: 0, to: 1 },
      ];
      return { plan: lane, parts };
    });
  }

  /**
   * Starts the workers over a memory that holds these weights once, and the guide's.
   * @throws UsageError if it does not fit, or for weights of another architecture.
   */
  static async create(
    options: WasmGeneratorOptions,
    state: StateDict,
    guide?: StateDict,
  ): Promise<WasmGenerator> {
    const { arena, plan } = planGenerator(options);
    checkFits(arena.size, roomFor(options), () => hint(options));
    const { workers: threads, strict, wide } = options;
    const engine = Engine.create({ threads, strict, wide, bytes: arena.size });
    try {
      writeMemory(engine, plan, options, state, guide);
      // On all workers, so that all have started when the first batch is requested.
      await engine.run(engine.load(plan.prepare));
      return new WasmGenerator(engine, plan, options);
    } catch (error) {
      await engine.destroy();
      throw error;
    }
  }

  get description(): string {
    const { build, threads } = this.engine;
    return `wasm (${build} SIMD, ${threads} worker${threads === 1 ? '' : 's'})`;
  }

  get build(): string {
    return this.engine.build;
  }

  get lanes(): number {
    return this.work.length;
  }

  async make(lane: number, images: Uint32Array): Promise<Uint8Array> {
    await this.run(lane, images);
    const { pixels } = this.work[lane]!.plan;
    return new Uint8Array(this.engine.memory.buffer, pixels, images.length * this.each).slice();
  }

  async draw(lane: number, images: Uint32Array): Promise<Float32Array> {
    return (await this.run(lane, images)).slice();
  }

  /** Draws a batch; resolves to its images in the lane's memory. */
  private async run(lane: number, images: Uint32Array): Promise<Float32Array> {
    const { plan, parts } = this.work[lane]!;
    const { buffer } = this.engine.memory;
    const slots = new Uint32Array(buffer, plan.reverse.images, this.batch);
    // A smaller batch is filled up with its last image.
    for (let i = 0; i < this.batch; i++) slots[i] = images[Math.min(i, images.length - 1)]!;
    if (this.condition) {
      const labels = labelsOfPass(this.condition, slots);
      for (const network of withGuide(plan.unet, plan.guide))
        writeLabels(this.engine, network, labels);
    }
    await this.engine.runAlone(lane, parts);
    const drawn = this.engine.floats(plan.unet.xt, images.length * this.each);
    requireFinite(drawn, images);
    return drawn;
  }

  stepsDone(lane: number): number {
    const { run, step } = this.engine.where(lane);
    return run === 0 ? 0 : run === 1 ? step : this.steps;
  }

  dispose(): Promise<void> {
    return this.engine.destroy();
  }
}

/** Lays out the weights once, and each lane's activations. Only plans; nothing is allocated. */
function planGenerator(options: WasmGeneratorOptions): { arena: Arena; plan: GeneratorPlan } {
  const arena = new Arena();
  const tables = planTables(arena, options.trajectory);
  const graph = buildNetwork(options.architecture, options.size);
  const lanes: LanePlan[] = [];
  for (let i = 0; i < options.workers; i++)
    lanes.push(planLane(arena, options, graph, tables, lanes[0]));
  const guides = lanes.flatMap(({ guide }) => (guide ? [guide.unet] : []));
  const own = prepareProgram(lanes.map(({ unet }) => unet));
  return { arena, plan: { tables, lanes, prepare: [...own, ...prepareProgram(guides)] } };
}

function planLane(
  arena: Arena,
  options: WasmGeneratorOptions,
  graph: Graph,
  tables: TrajectoryTables,
  first: LanePlan | undefined,
): LanePlan {
  const { timesteps, trajectory, condition } = options;
  const batch = options.batch * passesOf(condition);
  const times = otherTimes(trajectory.timesteps, timesteps);
  const untrained = {
    training: false,
    muon: false,
    accumulates: false,
    weighted: false,
    averages: 0,
    seed: 0,
  } as const;
  const shape = { graph, batch, timesteps, times, ...untrained };
  // All workers prepare the first lane's weights; a pass has one.
  const preparing = first ? 1 : options.workers;
  const unet = planMemory(arena, shape, 1, first?.unet, preparing);
  const guide = options.guide ? planGuide(arena, unet, options.guide, first?.guide) : undefined;
  const reverse = planReverse(arena, unet, tables, options);
  const values = options.batch * graph.size ** 2 * graph.channels;
  const pixels = arena.bytes('images', values);
  const toBytes = call('toBytes', [pixels, unet.xt], values);
  const finish: Program = [{ name: 'pixels', phases: [[toBytes]] }];
  const programs = [
    initProgram(unet, reverse, options),
    stepProgram(unet, reverse, options, guide),
    finish,
  ] as const;
  return { unet, guide, reverse, pixels, programs };
}

function writeMemory(
  engine: Engine,
  { tables, lanes }: GeneratorPlan,
  { trajectory }: WasmGeneratorOptions,
  state: StateDict,
  guideState: StateDict | undefined,
): void {
  for (const { unet, guide } of lanes)
    for (const network of withGuide(unet, guide)) writeReserved(engine, network);
  const { unet, guide } = lanes[0]!;
  writeTables(engine, tables, trajectory, unet.shape);
  new NetworkStates(engine, unet).write(state);
  if (guide) new NetworkStates(engine, guide.unet).write(guideState!);
}

const roomFor = ({ workers }: WasmGeneratorOptions) => planRoom({ threads: workers });

/** The hint for a plan that does not fit. */
function hint(options: WasmGeneratorOptions): string {
  const largest = largestBatch(options);
  if (largest > 0)
    return `the largest batch that fits with ${options.workers} workers is ${largest}`;
  return `not even a batch of 1 fits with ${options.workers} workers`;
}

/** The largest batch that fits, at most the requested one, by bisection over plans; 0 if none does. */
export function largestBatch(options: WasmGeneratorOptions): number {
  const room = roomFor(options).bytes;
  const fits = (batch: number) => planGenerator({ ...options, batch }).arena.size <= room;
  if (fits(options.batch)) return options.batch;
  let low = 0;
  for (let high = options.batch; low + 1 < high; ) {
    const middle = (low + high) >> 1;
    if (fits(middle)) low = middle;
    else high = middle;
  }
  return low;
}
