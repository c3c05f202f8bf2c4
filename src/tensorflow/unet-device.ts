import { buildNetwork, checkNetwork, checkSize } from '../network/network.js';
import { stateShapes } from '../network/parameters.js';
/** The U-Net device on TensorFlow: the same interface and state as the wasm device, within tolerances. */

import type {
  BatchNormMode,
  Loss,
  NetworkDevice,
  NetworkInput,
  OptimizerState,
} from '../contracts/device.js';
import { ShapeError, UsageError } from '../errors.js';
import type { StateDict, Tensor } from '../network/state.js';
import { type Architecture, stages } from '../unet/architecture.js';
import { timeTable } from '../unet/time-table.js';
import { EagerMachine } from './eager.js';
import { GraphMachine } from './graph.js';
import { loadTensorflow, type Tensorflow } from './load.js';
import type { Machine } from './ops.js';
import { type RoutineName, unetRoutines } from './routines.js';
import type { UnetShape } from './unet.js';
import { type UnetVariables, unetVariables, type Variable } from './variables.js';

export interface TensorflowUnetOptions {
  readonly architecture: Architecture;
  readonly size: number;
  readonly batch: number;
  /** Timesteps of the schedule: `t` is below it. */
  readonly timesteps: number;
  readonly loss?: Loss;
  /** Keeps Adam's moments and can take steps; default true. */
  readonly training?: boolean;
  /** Operation by operation instead of one graph a step. */
  readonly eager?: boolean;
}

/**
 * Loads libtensorflow and prepares a U-Net, whose weights are zero until `importState`.
 * @throws UsageError for an impossible architecture or size, or where TensorFlow is not set up.
 */
export async function createTensorflowUnet(options: TensorflowUnetOptions): Promise<NetworkDevice> {
  checkNetwork(options.architecture);
  checkSize(options.architecture, options.size);
  return new TensorflowUnet(await loadTensorflow(), options);
}

class TensorflowUnet implements NetworkDevice {
  readonly name = 'tensorflow';
  readonly description: string;
  readonly batch: number;
  readonly #shape: UnetShape;
  readonly #variables: UnetVariables;
  readonly #machine: Machine<RoutineName>;
  /** Sinusoids of every timestep. */
  readonly #table: Float32Array;
  #rate: number | undefined;
  /** The weights are in the form that prediction takes. */
  #prepared = false;
  #batches = new Map<string, bigint>();

  constructor(tensorflow: Tensorflow, options: TensorflowUnetOptions) {
    const { architecture, loss = 'l1', training = true, eager = false } = options;
    this.batch = options.batch;
    this.#shape = options;
    this.#variables = unetVariables(architecture);
    this.#table = timeTable(options.timesteps, architecture.timeDim, architecture.timeDim);

    const routines = unetRoutines(options, { loss, training, gpu: tensorflow.gpu });
    this.#machine = eager
      ? new EagerMachine(tensorflow, routines)
      : new GraphMachine(tensorflow, routines);
    this.description = describe(tensorflow, eager);
    this.#machine.run('reset', []);
  }

  async predict(input: NetworkInput, norm: BatchNormMode): Promise<Float32Array> {
    const inputs = this.#feed(input);
    if (!this.#prepared) this.#machine.run('prepare', []);
    this.#prepared = true;
    const [epsilon] = this.#machine.run(`predict-${norm}`, inputs);
    return epsilon!;
  }

  async gradients(input: NetworkInput, noise: Float32Array) {
    const outputs = this.#machine.run('gradients', this.#feed(input, noise));
    const [loss, epsilon, ...gradients] = outputs;
    this.#countBatches();
    return {
      loss: loss![0]!,
      epsilon: epsilon!,
      gradients: named(this.#variables.parameters, gradients),
    };
  }

  async trainStep(input: NetworkInput, noise: Float32Array, lr: number): Promise<number> {
    const inputs = this.#feed(input, noise);
    if (lr !== this.#rate) {
      this.#machine.run('set-rate', [Float32Array.of(lr)]);
      this.#rate = lr;
    }
    this.#prepared = false;
    const [loss] = this.#machine.run('train', inputs);
    this.#countBatches();
    return loss![0]!;
  }

  async exportState(): Promise<StateDict> {
    const { parameters, statistics } = this.#variables;
    const list = [...parameters, ...statistics];
    const values = named(list, this.#machine.run('export-state', []));
    const state = new Map<string, Tensor>();
    for (const name of stateShapes(buildNetwork(this.#shape.architecture)).keys())
      state.set(name, values.get(name) ?? this.#batchesTracked(name));
    return state;
  }

  async importState(state: StateDict): Promise<void> {
    const { parameters, statistics } = this.#variables;
    const list = [...parameters, ...statistics];
    this.#prepared = false;
    this.#machine.run(
      'import-state',
      list.map((variable) => take(state, variable)),
    );
    this.#batches = new Map(
      this.#norms().map((norm) => {
        const seen = state.get(`${norm}.num_batches_tracked`);
        return [norm, seen?.dtype === 'I64' ? (seen.data[0] ?? 0n) : 0n];
      }),
    );
  }

  async exportOptimizer(): Promise<OptimizerState> {
    const [step, ...moments] = this.#machine.run('export-optimizer', []);
    const { parameters } = this.#variables;
    return {
      step: step![0]!,
      m: named(parameters, moments.slice(0, parameters.length)),
      v: named(parameters, moments.slice(parameters.length)),
    };
  }

  async importOptimizer({ step, m, v }: OptimizerState): Promise<void> {
    const { parameters } = this.#variables;
    this.#machine.run('import-optimizer', [
      Float32Array.of(step),
      ...parameters.map((variable) => take(m, variable)),
      ...parameters.map((variable) => take(v, variable)),
    ]);
  }

  async dispose(): Promise<void> {
    this.#machine.dispose();
  }

  /** The inputs of a routine, checked: x_t, the sinusoids of t, and ε for training. */
  #feed({ xt, t }: NetworkInput, noise?: Float32Array): Float32Array[] {
    const { size, batch, architecture } = this.#shape;
    const values = batch * size * size * architecture.channels;
    expectLength('x_t', xt.length, values);
    expectLength('t', t.length, batch);
    const { timeDim } = architecture;
    const embedding = new Float32Array(batch * timeDim);
    t.forEach((step, i) => {
      if (!(step >= 0 && (step + 1) * timeDim <= this.#table.length))
        throw new ShapeError(`U-Net: t[${i}] is ${step}, not a timestep of the schedule`);
      embedding.set(this.#table.subarray(step * timeDim, (step + 1) * timeDim), i * timeDim);
    });
    if (!noise) return [xt, embedding];
    expectLength('noise', noise.length, values);
    return [xt, embedding, noise];
  }

  /** The norm each stage applies, once for each application. */
  #norms(): string[] {
    return stages(this.#shape.architecture).flatMap((stage) => stage.norms);
  }

  #countBatches(): void {
    for (const norm of this.#norms()) this.#batches.set(norm, (this.#batches.get(norm) ?? 0n) + 1n);
  }

  #batchesTracked(name: string): Tensor {
    const norm = name.slice(0, name.lastIndexOf('.'));
    const data = BigInt64Array.of(this.#batches.get(norm) ?? 0n);
    return { dtype: 'I64', shape: [], data };
  }
}

/** e.g. `tensorflow (libtensorflow 2.21.0, CPU, graph)`. */
function describe({ version, gpu }: Tensorflow, eager: boolean): string {
  return `tensorflow (libtensorflow ${version}, ${gpu ? 'CUDA' : 'CPU'}, ${eager ? 'eager' : 'graph'})`;
}

function named(variables: readonly Variable[], values: readonly Float32Array[]): StateDict {
  return new Map(
    variables.map(({ name, shape }, i) => [name, { dtype: 'F32', shape, data: values[i]! }]),
  );
}

function take(state: StateDict, { name, shape }: Variable): Float32Array {
  const tensor = state.get(name);
  if (tensor?.dtype !== 'F32') throw new UsageError(`weights: ${name} is missing`);
  if (tensor.shape.join() !== shape.join())
    throw new UsageError(`weights: ${name} expected shape [${shape}], got [${tensor.shape}]`);
  return tensor.data;
}

function expectLength(what: string, got: number, expected: number): void {
  if (got !== expected)
    throw new ShapeError(`U-Net: ${what} has ${got} elements, expected ${expected}`);
}
