import type { Generator, LatentGenerator } from '../contracts/generator.js';
import type { Sampler } from '../contracts/sampler.js';
import type { AnyArithmetic } from '../device/open.js';
import { requireFinite } from '../diffusion/finite.js';

/** Draws batches one after the other with a sampler, on whatever devices it uses: for a U-Net that is not shared. */
export class SamplerGenerator implements Generator, LatentGenerator {
  readonly device: Generator['device'];
  readonly build: string;
  readonly lanes = 1;
  readonly batch: number;
  readonly steps: number;
  private readonly sampler: Sampler;
  private readonly arithmetic: Pick<AnyArithmetic, 'toBytes'>;
  private done = 0;
  private disposed = false;

  constructor(
    sampler: Sampler,
    arithmetic: Pick<AnyArithmetic, 'toBytes'>,
    about: Pick<Generator, 'device' | 'build' | 'steps'>,
  ) {
    this.sampler = sampler;
    this.arithmetic = arithmetic;
    this.device = about.device;
    this.build = about.build;
    this.steps = about.steps;
    this.batch = sampler.batch;
  }

  get description(): string {
    return this.sampler.description;
  }

  async make(lane: number, images: Uint32Array): Promise<Uint8Array> {
    return this.arithmetic.toBytes(await this.draw(lane, images));
  }

  async draw(_: number, images: Uint32Array): Promise<Float32Array> {
    this.done = 0;
    const last = images.length - 1;
    const slots = Uint32Array.from({ length: this.batch }, (_, i) => images[Math.min(i, last)]!);
    await this.sampler.start(slots);
    for (; this.done < this.steps; this.done++) {
      await this.sampler.advance(this.done, this.done + 1);
      // TensorFlow computes in this thread: let files be written and signals be handled between steps.
      await new Promise((resolve) => setImmediate(resolve));
      if (this.disposed) throw new Error('the generator was disposed of');
    }
    const read = this.sampler.read();
    const x = read.subarray(0, (read.length / this.batch) * images.length);
    requireFinite(x, images);
    return x;
  }

  stepsDone(): number {
    return this.done;
  }

  async dispose(): Promise<void> {
    if (this.disposed) return;
    this.disposed = true;
    await this.sampler.dispose();
  }
}
