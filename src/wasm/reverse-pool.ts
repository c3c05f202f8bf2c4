import { requireFinite } from '../diffusion/finite.js';
import type { Trajectory } from '../diffusion/sampler.js';
import { Arena, checkFits, planRoom } from '../engine/arena.js';
import { MAX_WORKERS } from '../engine/control.js';
import { Engine, type LoadedProgram, type Part } from '../engine/engine.js';
import type { KernelChoice } from '../engine/module.js';
import { NULL, type Pointer, plus, plusFloats } from '../engine/pointer.js';
import { call, type Phase } from '../engine/program.js';
import {
  drawNoise,
  drawStart,
  planMemory,
  planTables,
  type ReverseBatch,
  readsNoise,
  type TrajectoryTables,
  takeStep,
  writeTables,
} from './reverse-program.js';

export interface ReversePoolOptions extends KernelChoice {
  readonly trajectory: Trajectory;
  readonly seed: number;
  /** Images per batch, and values per image. */
  readonly batch: number;
  readonly each: number;
  /** Number of concurrent batches. */
  readonly lanes: number;
  readonly workers: number;
}

/**
 * A batch is not divided into shares smaller than this many values: posting a task to a worker costs 150 to 280 µs, the time for
 * drawing this many normals.
 */
const SHARE = 65_536;

/** Some images of a lane's batch, which one worker computes. */
interface PartPlan extends ReverseBatch {
  /** u8 [count, size, size, channels]. */
  readonly pixels: Pointer;
}

interface LanePart {
  /** Its status line on the engine. */
  readonly line: number;
  readonly start: LoadedProgram;
  readonly noise: LoadedProgram;
  readonly step: LoadedProgram;
  readonly bytes: LoadedProgram;
}

interface PoolPlan {
  readonly tables: TrajectoryTables;
  /** By lane; the parts of a lane are contiguous in memory. */
  readonly lanes: readonly (readonly PartPlan[])[];
}

/**
 * The arithmetic of the reverse process on a pool of workers, for batches whose U-Net is computed elsewhere: x_T, z,
 * the step and the bytes, while the calling thread is free, or busy with another batch's U-Net.
 */
export class ReversePool {
  private readonly engine: Engine;
  private readonly options: ReversePoolOptions;
  private readonly plan: PoolPlan;
  private readonly lanes: readonly (readonly LanePart[])[];

  private constructor(engine: Engine, plan: PoolPlan, options: ReversePoolOptions) {
    this.engine = engine;
    this.plan = plan;
    this.options = options;
    writeTables(engine, plan.tables, options.trajectory);
    const { trajectory, seed } = options;
    const load = (name: string, phases: readonly Phase[]) => engine.load([{ name, phases }]);
    let line = 0;
    this.lanes = plan.lanes.map((parts) =>
      parts.map((part) => ({
        line: line++,
        start: load('start', drawStart(part, trajectory, seed)),
        noise: load('noise', [[drawNoise(part, seed)]]),
        step: load('step', takeStep(part, trajectory)),
        bytes: load('bytes', [[call('toBytes', [part.pixels, part.x], part.count * part.each)]]),
      })),
    );
  }

  /** @throws UsageError if the batches do not fit into the engine's memory */
  static create(options: ReversePoolOptions): ReversePool {
    const { arena, plan } = planPool(options);
    const { workers: threads, strict, wide } = options;
    checkFits(arena.size, planRoom({ threads }), () => 'give a smaller --batch');
    const engine = Engine.create({ threads, strict, wide, bytes: arena.size });
    return new ReversePool(engine, plan, options);
  }

  /** Values per batch. */
  get values(): number {
    return this.options.batch * this.options.each;
  }

  get workers(): number {
    return this.engine.threads;
  }

  /** Draws x_T, and z of the first step, for the images of these numbers, `batch` of them. */
  async start(lane: number, images: Uint32Array): Promise<void> {
    const [first] = this.plan.lanes[lane]!;
    new Uint32Array(this.engine.memory.buffer, first!.images, images.length).set(images);
    await this.run(lane, (part) => [at(part.start, 0), ...this.noise(part, 0)]);
  }

  /** The current x_t, f32 [batch, size, size, channels], copied to `out`. */
  read(lane: number, out: Float32Array): void {
    out.set(this.engine.floats(this.plan.lanes[lane]![0]!.x, out.length));
  }

  /** Other values for x_t, while no step runs. */
  write(lane: number, x: Float32Array): void {
    this.engine.floats(this.plan.lanes[lane]![0]!.x, x.length).set(x);
  }

  /**
   * x_t to x_{t−1} with ε̂, f32 [batch, size, size, channels], and z of the next step. One task per worker: a second
   * one would wait for the calling thread, which is busy elsewhere by then.
   */
  async step(lane: number, step: number, epsilon: Float32Array): Promise<void> {
    this.put(lane, epsilon);
    await this.run(lane, (part) => [at(part.step, step), ...this.noise(part, step + 1)]);
  }

  /** The same without that z, for a lane that has the pool to itself: `draw` computes it while the thread is busy with this lane's U-Net. */
  async stepAlone(lane: number, step: number, epsilon: Float32Array): Promise<void> {
    this.put(lane, epsilon);
    await this.run(lane, (part) => [at(part.step, step)]);
  }

  /** Draws z of a step, if there is such a step and it adds any. */
  async draw(lane: number, step: number): Promise<void> {
    await this.run(lane, (part) => this.noise(part, step));
  }

  /**
   * The first images of the batch, of these numbers, as bytes: u8 [images, size, size, channels]; a copy.
   * @throws RunError for values that are not finite
   */
  async pixels(lane: number, images: Uint32Array): Promise<Uint8Array<ArrayBuffer>> {
    const { x, pixels, each } = this.plan.lanes[lane]![0]!;
    requireFinite(this.engine.floats(x, images.length * each), images);
    await this.run(lane, ({ bytes }) => [at(bytes, 0)]);
    return new Uint8Array(this.engine.memory.buffer, pixels, images.length * each).slice();
  }

  /** Ends the workers; safe to call twice. */
  async destroy(): Promise<void> {
    await this.engine.destroy();
  }

  private put(lane: number, epsilon: Float32Array): void {
    this.engine.floats(this.plan.lanes[lane]![0]!.epsilon, epsilon.length).set(epsilon);
  }

  /** The noise of a step, if there is such a step and it adds any. */
  private noise({ noise }: LanePart, step: number): Part[] {
    const { coefficients, width } = this.options.trajectory;
    return coefficients[(step + 1) * width - 1] ? [at(noise, step)] : [];
  }

  /** Runs programs for every part of a lane. When it rejects, no worker uses the lane any more. */
  private async run(lane: number, programs: (part: LanePart) => Part[]): Promise<void> {
    const works = this.lanes[lane]!.map((part) => ({ line: part.line, parts: programs(part) }));
    const runs = works
      .filter(({ parts }) => parts.length > 0)
      .map(({ line, parts }) => this.engine.runAlone(line, parts));
    const failed = (await Promise.allSettled(runs)).find(({ status }) => status === 'rejected');
    if (failed) throw (failed as PromiseRejectedResult).reason;
  }
}

/** Advances by values; null stays null. */
const offset = (from: Pointer, floats: number): Pointer =>
  from === NULL ? NULL : plusFloats(from, floats);

const at = (loaded: LoadedProgram, step: number): Part => ({ loaded, from: step, to: step + 1 });

/** Lays out the lanes. Only plans; nothing is allocated. */
function planPool(options: ReversePoolOptions): { arena: Arena; plan: PoolPlan } {
  const arena = new Arena();
  const tables = planTables(arena, options.trajectory);
  const lanes = Array.from({ length: options.lanes }, () => planLane(arena, options, tables));
  return { arena, plan: { tables, lanes } };
}

function planLane(
  arena: Arena,
  { trajectory, batch, each, lanes, workers }: ReversePoolOptions,
  tables: TrajectoryTables,
): PartPlan[] {
  const values = batch * each;
  const images = arena.bytes('tables', 4 * batch);
  const x = arena.floats('images', values);
  const epsilon = arena.floats('images', values);
  const z = arena.floats('images', readsNoise(trajectory) ? values : 0);
  const pixels = arena.bytes('images', values);
  const kept = planMemory(arena, trajectory, values, batch);
  const lines = Math.floor(MAX_WORKERS / lanes);
  const parts = Math.min(workers, batch, lines, Math.ceil(values / SHARE));
  const bound = (part: number) => Math.floor((batch * part) / parts);
  return Array.from({ length: parts }, (_, i) => {
    const first = bound(i);
    return {
      ...tables,
      images: plus(images, 4 * first),
      x: plusFloats(x, first * each),
      epsilon: plusFloats(epsilon, first * each),
      z: plusFloats(z, first * each),
      earlier: offset(kept.earlier, first * each),
      earliest: offset(kept.earliest, first * each),
      oldest: offset(kept.oldest, first * each),
      limits: offset(kept.limits, first),
      pixels: plus(pixels, first * each),
      count: bound(i + 1) - first,
      each,
    };
  });
}
