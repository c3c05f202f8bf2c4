import { setImmediate } from 'node:timers/promises';
import type { BatchNormMode, NetworkDevice } from '../contracts/device.js';
import type { Generator, LatentGenerator } from '../contracts/generator.js';
import { requireFinite } from '../diffusion/finite.js';
import { type Condition, passesOf } from '../diffusion/guidance.js';
import type { Trajectory } from '../diffusion/sampler.js';
import { predictAt, type SplitSamplerOptions } from '../sample/split-sampler.js';
import type { ReversePool } from '../wasm/reverse-pool.js';

export interface OverlapOptions {
  readonly lanes: number;
  readonly trajectory: Trajectory;
  readonly norm: BatchNormMode;
  readonly condition?: Condition | null;
  /** Another network that guides, on the same device. */
  readonly guide?: SplitSamplerOptions['guide'];
}

/** Concurrent batches: while the device computes one, the pool computes the other. */
export const LANES = 2;

/**
 * The U-Net on a device in large batches, with the arithmetic on the pool beside it. TensorFlow computes in the thread that
 * calls it, so a lane's reverse step and noise are computed in the pool while that thread is inside the U-Net of the other
 * lane's batch; finished files are encoded and written by threads that do not wait for it either.
 */
export class OverlappedGenerator implements Generator, LatentGenerator {
  readonly device = 'tensorflow';
  readonly build = 'tensorflow';
  readonly lanes: number;
  readonly batch: number;
  readonly steps: number;
  private readonly unet: NetworkDevice;
  private readonly pool: ReversePool;
  private readonly trajectory: Trajectory;
  private readonly norm: BatchNormMode;
  private readonly condition: Condition | null;
  private readonly guide: NonNullable<OverlapOptions['guide']> | null;
  private readonly done: number[];
  /** x_t of the batch that the device computes. */
  private readonly xt: Float32Array;
  /** Settles when the device is free. */
  private turn: Promise<unknown> = Promise.resolve();
  private disposed = false;

  constructor(unet: NetworkDevice, pool: ReversePool, options: OverlapOptions) {
    const { lanes, trajectory, norm, condition = null, guide = null } = options;
    this.unet = unet;
    this.pool = pool;
    this.trajectory = trajectory;
    this.norm = norm;
    this.condition = condition;
    this.guide = guide;
    this.lanes = lanes;
    this.batch = unet.batch / passesOf(condition);
    this.xt = new Float32Array(pool.values);
    this.steps = trajectory.timesteps.length;
    this.done = Array.from({ length: lanes }, () => 0);
  }

  get description(): string {
    const { workers } = this.pool;
    const plural = workers === 1 ? '' : 's';
    return `${this.unet.description}, arithmetic on ${workers} worker${plural}`;
  }

  async make(lane: number, images: Uint32Array): Promise<Uint8Array> {
    await this.run(lane, images);
    return this.pool.pixels(lane, images);
  }

  async draw(lane: number, images: Uint32Array): Promise<Float32Array> {
    await this.run(lane, images);
    const drawn = new Float32Array((this.pool.values / this.batch) * images.length);
    this.pool.read(lane, drawn);
    requireFinite(drawn, images);
    return drawn;
  }

  /** Ho et al. (2020), Algorithm 2 (or DDIM). A smaller batch is filled up with its last image. */
  private async run(lane: number, images: Uint32Array): Promise<void> {
    const pool = this.pool;
    const last = images.length - 1;
    const slots = Uint32Array.from({ length: this.batch }, (_, i) => images[Math.min(i, last)]!);
    this.done[lane] = 0;
    await pool.start(lane, slots);
    for (let step = 0; step < this.steps; step++) {
      await pool.step(lane, step, await this.predict(lane, step, slots));
      this.done[lane] = step + 1;
    }
  }

  stepsDone(lane: number): number {
    return this.done[lane]!;
  }

  async dispose(): Promise<void> {
    if (this.disposed) return;
    this.disposed = true;
    await this.turn.catch(() => undefined);
    await Promise.all([this.pool.destroy(), this.unet.dispose(), this.guide?.unet.dispose()]);
  }

  /** ε̂ of the lane's batch, once the device is free: lanes take turns in the order of their requests. */
  private predict(lane: number, step: number, images: Uint32Array): Promise<Float32Array> {
    const turn = this.turn
      .catch(() => undefined)
      .then(async () => {
        // Between two passes, handle messages of the pool, files and signals.
        await setImmediate();
        if (this.disposed) throw new Error('the generator was disposed of');
        const { unet, norm, condition, guide } = this;
        this.pool.read(lane, this.xt);
        return predictAt(
          { unet, norm, condition, guide },
          this.xt,
          this.trajectory.timesteps[step]!,
          images,
        );
      });
    this.turn = turn;
    return turn;
  }
}
