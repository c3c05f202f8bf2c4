/** The model that a student learns from, on a device: where several of its steps lead from x_t, and the output that leads there at once. */
import type { DeviceChoice, RunConfig } from '../config/config.js';
import type { NetworkDevice } from '../contracts/device.js';
import { type AnyArithmetic, openArithmetic, openUnet } from '../device/open.js';
import type { Distillation } from '../diffusion/distillation.js';
import { away } from '../diffusion/guidance.js';
import type { Positions } from '../diffusion/mixture.js';
import type { StateDict } from '../network/state.js';
import type { TeacherWeights } from './teacher-files.js';

export class Teacher {
  /** Its own memory, in bytes (an estimate on TensorFlow). */
  readonly memoryBytes: number;
  readonly #networks: readonly NetworkDevice[];
  readonly #arithmetic: AnyArithmetic;
  readonly #plan: Distillation;
  readonly #guidance: number;
  /** Whether its outputs without a class guide it, and the label of no class. */
  readonly #none: number | null;

  private constructor(
    networks: readonly NetworkDevice[],
    arithmetic: AnyArithmetic,
    plan: Distillation,
    { guidance, none, memoryBytes }: { guidance: number; none: number | null; memoryBytes: number },
  ) {
    this.#networks = networks;
    this.#arithmetic = arithmetic;
    this.#plan = plan;
    this.#guidance = guidance;
    this.#none = none;
    this.memoryBytes = memoryBytes;
  }

  /** @throws UsageError if it does not fit into memory, or TensorFlow is not set up */
  static async open(
    device: DeviceChoice['device'],
    config: RunConfig,
    plan: Distillation,
    { own, guide }: TeacherWeights,
  ): Promise<Teacher> {
    const { model, training, computing, diffusion, data } = config;
    const { guidance, guidedBy } = config.teacher!;
    const networks: NetworkDevice[] = [];
    let memoryBytes = 0;
    const open = async (weights: StateDict) => {
      const opened = await openUnet(device, computing, {
        architecture: model,
        size: model.size,
        batch: training.batch,
        timesteps: diffusion.timesteps,
        training: false,
      });
      networks.push(opened.unet);
      memoryBytes += opened.memoryBytes;
      await opened.unet.importState(weights);
    };
    try {
      await open(own);
      if (guide) await open(guide);
      const arithmetic = await openArithmetic(computing);
      const none = guidedBy === 'classes' ? data.classes!.names.length : null;
      return new Teacher(networks, arithmetic, plan, { guidance, none, memoryBytes });
    } catch (error) {
      for (const network of networks) await network.dispose();
      throw error;
    }
  }

  /**
   * What the student's network should give for these images.
   * @param xt f32 [batch, size, size, channels]
   * @param positions where each image is, of the plan's
   * @param labels one per image: for networks that read them
   * @returns of the same shape
   */
  async targets(
    xt: Float32Array,
    positions: Positions,
    labels?: Int32Array,
  ): Promise<Float32Array> {
    const { taught, end, start } = this.#plan;
    const steps = Uint32Array.from(positions, (at) => this.#plan.positions.indexOf(at));
    const each = xt.length / positions.length;
    let x = xt;
    for (let step = 0; step < taught[0]!.length; step++) {
      const own = Array.from(steps, (which) => taught[which]![step]!);
      const output = await this.#predict(
        x,
        Float32Array.from(own, ({ t }) => t),
        labels,
      );
      const next = new Float32Array(x.length);
      for (const [image, { row }] of own.entries()) {
        const of = (values: Float32Array) => values.subarray(image * each, (image + 1) * each);
        next.set(this.#step(of(x), of(output), row), image * each);
      }
      x = next;
    }
    const shares = { sqrtAlphaBar: end, sqrtOneMinusAlphaBar: start };
    return this.#arithmetic.qSampleImages(x, xt, shares, steps);
  }

  async dispose(): Promise<void> {
    for (const network of this.#networks) await network.dispose();
  }

  /** A step without noise, which is in the table all the same: its share is 0. */
  #step(x: Float32Array, output: Float32Array, row: Float32Array): Float32Array {
    return this.#arithmetic.reverseStep('tableStep', x, output, output, row);
  }

  async #predict(xt: Float32Array, t: Float32Array, labels?: Int32Array): Promise<Float32Array> {
    const [own, guide] = this.#networks;
    const ask = async (network: NetworkDevice, of: Int32Array | undefined) =>
      (await network.predict({ xt, t, ...(of && { labels: of }) }, 'running')).slice();
    const output = await ask(own!, labels);
    const other =
      this.#none !== null
        ? await ask(own!, new Int32Array(t.length).fill(this.#none))
        : guide && (await ask(guide, labels));
    return other ? away({ guidance: this.#guidance }, output, other) : output;
  }
}
