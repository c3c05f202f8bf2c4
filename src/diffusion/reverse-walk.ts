import type { StepMemory } from '../engine/arithmetic.js';
import type { Trajectory } from './sampler.js';

/** Takes a reverse step with one row of a trajectory's coefficients. */
export interface ReverseStep {
  reverseStep(
    kernel: Trajectory['kernel'],
    x: Float32Array,
    output: Float32Array,
    z: Float32Array,
    coefficients: Float32Array,
    memory?: StepMemory,
  ): Float32Array<ArrayBuffer>;
}

/** A walk along a trajectory on arrays: x, and the earlier x̂_0 that its steps use. */
export class ReverseWalk {
  readonly trajectory: Trajectory;
  /** The current x_t. */
  x: Float32Array<ArrayBuffer>;
  readonly #arithmetic: ReverseStep;
  readonly #memory: StepMemory;

  /**
   * @param noise standard normals for x_T
   * @param each values per image, for dynamic thresholding
   */
  constructor(trajectory: Trajectory, arithmetic: ReverseStep, noise: Float32Array, each: number) {
    const { history, threshold, start } = trajectory;
    this.trajectory = trajectory;
    this.#arithmetic = arithmetic;
    this.x = Float32Array.from(noise, (v) => (start === 1 ? v : Math.fround(start) * v));
    const none = () => new Float32Array(noise.length);
    this.#memory = { history: Array.from({ length: history }, none), threshold, each };
  }

  get steps(): number {
    return this.trajectory.timesteps.length;
  }

  /** Whether the step adds noise. */
  isNoisy(step: number): boolean {
    return this.#row(step).at(-1) !== 0;
  }

  /** Takes a step; call in order. `z` may be omitted if the step is not noisy. */
  step(step: number, output: Float32Array, z: Float32Array = output): void {
    const { kernel } = this.trajectory;
    const row = this.#row(step);
    this.x = this.#arithmetic.reverseStep(kernel, this.x, output, z, row, this.#memory);
  }

  #row(step: number): Float32Array {
    const { coefficients, width } = this.trajectory;
    return coefficients.slice(step * width, (step + 1) * width);
  }
}
