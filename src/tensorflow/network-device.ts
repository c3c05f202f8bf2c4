/** The network device on TensorFlow: the same interface and state as the wasm device, equal within tolerances. */
import {
  ADAM,
  type BatchNormMode,
  type NetworkDevice,
  type NetworkInput,
  type NetworkOptions,
  type OptimizerState,
  WHOLE,
} from '../contracts/device.js';
import { CounterRandom } from '../diffusion/random.js';
import { RunError, UsageError } from '../errors.js';
import { checkInput } from '../network/check-input.js';
import type { Graph } from '../network/graph.js';
import { buildNetwork } from '../network/network.js';
import { stateShapes } from '../network/parameters.js';
import type { StateDict, Tensor } from '../network/state.js';
import { EagerMachine } from './eager.js';
import type { Feed } from './feeds.js';
import { GraphMachine } from './graph.js';
import { loadTensorflow, type Tensorflow } from './load.js';
import type { Machine } from './ops.js';
import { makeNetwork, type Network } from './passes.js';
import { networkRoutines, type RoutineName } from './routines.js';
import { layoutOf } from './session-config.js';
import type { Variable } from './variables.js';

export interface TensorflowOptions extends NetworkOptions {
  /** Run operation by operation instead of one graph per step. */
  readonly eager?: boolean;
}

/**
 * Loads libtensorflow and prepares a network, whose weights are zero until `importState`.
 * @throws UsageError for an invalid network or size, or if TensorFlow is not set up.
 */
export const createTensorflowNetwork = ({
  architecture,
  size,
  ...options
}: TensorflowOptions): Promise<NetworkDevice> =>
  createTensorflowGraph(buildNetwork(architecture, size), options);

export type GraphOptions = Omit<TensorflowOptions, 'architecture' | 'size'>;

/** The same for any graph. */
export async function createTensorflowGraph(
  graph: Graph,
  options: GraphOptions,
): Promise<NetworkDevice> {
  return new TensorflowNetwork(await loadTensorflow(), graph, options);
}

class TensorflowNetwork implements NetworkDevice {
  readonly name = 'tensorflow';
  readonly description: string;
  readonly batch: number;
  readonly #timesteps: number;
  readonly #network: Network;
  readonly #machine: Machine<RoutineName>;
  readonly #random: CounterRandom;
  /** Batches of a step. */
  readonly #accumulate: number;
  /** Number of averages. */
  readonly #averages: number;
  #rate: number | undefined;
  /** The optimizer's steps so far. */
  #steps = 0;
  /** Whether the weights are in the form for prediction. */
  #prepared = false;
  #batches = new Map<string, bigint>();
  /** Losses of the last training step's images. */
  #losses = new Float64Array();

  constructor(tensorflow: Tensorflow, graph: Graph, options: GraphOptions) {
    const { batch, loss = 'l1', training = true, optimizer = ADAM, eager = false } = options;
    const ema = training ? (options.ema ?? []) : [];
    this.#averages = ema.length;
    this.#accumulate = options.accumulate ?? 1;
    this.batch = batch;
    this.#timesteps = options.timesteps;
    this.#random = new CounterRandom(options.seed ?? 0);
    this.#network = makeNetwork({ graph, batch }, tensorflow.gpu, {
      averages: ema.length,
      weighted: training && (options.weighted ?? false),
      muon: optimizer.muon !== undefined,
    });

    const routines = networkRoutines(this.#network, {
      ...{ loss, training, optimizer, ema },
      accumulate: this.#accumulate,
    });
    this.#machine = eager
      ? new EagerMachine(tensorflow, routines)
      : new GraphMachine(tensorflow, routines, layoutOf(graph));
    this.description = describe(tensorflow, eager);
    this.#machine.run('reset', []);
  }

  async predict(input: NetworkInput, norm: BatchNormMode): Promise<Float32Array> {
    const inputs = this.#feed(this.#network.feeds.prediction, input);
    if (!this.#prepared) this.#machine.run('prepare', []);
    this.#prepared = true;
    const [epsilon] = this.#machine.run(`predict-${norm}`, inputs);
    return epsilon!;
  }

  async gradients(input: NetworkInput, noise: Float32Array) {
    const outputs = this.#machine.run('gradients', this.#trainingFeed(input, noise));
    const [loss, epsilon, ...gradients] = outputs;
    this.#countBatches();
    return {
      loss: loss![0]!,
      epsilon: epsilon!,
      gradients: named(this.#network.variables.parameters, gradients),
    };
  }

  async trainStep(
    input: NetworkInput,
    target: Float32Array,
    lr: number,
    { index, of } = WHOLE,
  ): Promise<number> {
    if (of !== this.#accumulate)
      throw new RunError(`a step of this network has ${this.#accumulate} parts, got ${of}`);
    const inputs = this.#trainingFeed(input, target, index * this.batch);
    if (lr !== this.#rate) {
      this.#machine.run('set-rate', [Float32Array.of(lr)]);
      this.#rate = lr;
    }
    this.#prepared = false;
    const routine = index + 1 === of ? 'train' : index === 0 ? 'train-first' : 'train-next';
    const [loss, images] = this.#machine.run(routine, inputs);
    this.#losses = Float64Array.from(images!);
    if (index + 1 < of) {
      this.#countBatches();
      return loss![0]!;
    }
    if (this.#averages > 0) this.#machine.run('average', []);
    this.#steps++;
    this.#countBatches();
    return loss![0]!;
  }

  imageLosses(): Float64Array {
    return this.#losses.slice();
  }

  async exportState(): Promise<StateDict> {
    return this.#read('export-state');
  }

  /** The state that a routine exports. */
  #read(routine: RoutineName): StateDict {
    const values = named(this.#state, this.#machine.run(routine, []));
    const state = new Map<string, Tensor>();
    for (const name of stateShapes(this.#network.graph).keys())
      state.set(name, values.get(name) ?? this.#batchesTracked(name));
    return state;
  }

  async importState(state: StateDict): Promise<void> {
    this.#prepared = false;
    this.#write('import-state', state);
    for (let i = 0; i < this.#averages; i++) this.#write(`import-average-${i}`, state);
    this.#batches = new Map(
      this.#norms().map((norm) => {
        const seen = state.get(`${norm}.num_batches_tracked`);
        return [norm, seen?.dtype === 'I64' ? (seen.data[0] ?? 0n) : 0n];
      }),
    );
  }

  #write(routine: RoutineName, state: StateDict): void {
    const values = this.#state.map((variable) => take(state, variable));
    this.#machine.run(routine, values);
  }

  /** Parameters and running statistics. */
  get #state(): readonly Variable[] {
    const { parameters, statistics } = this.#network.variables;
    return [...parameters, ...statistics];
  }

  async exportAverage(index: number): Promise<StateDict> {
    return this.#read(`export-average-${index}`);
  }

  async importAverage(index: number, state: StateDict): Promise<void> {
    this.#write(`import-average-${index}`, state);
  }

  async exchangeAverage(index: number): Promise<void> {
    this.#prepared = false;
    this.#machine.run(`exchange-average-${index}`, []);
  }

  async exportOptimizer(): Promise<OptimizerState> {
    const [step, ...moments] = this.#machine.run('export-optimizer', []);
    const { parameters } = this.#network.variables;
    return {
      step: step![0]!,
      m: named(parameters, moments.slice(0, parameters.length)),
      v: named(parameters, moments.slice(parameters.length)),
    };
  }

  async importOptimizer({ step, m, v }: OptimizerState): Promise<void> {
    const { parameters } = this.#network.variables;
    this.#machine.run('import-optimizer', [
      Float32Array.of(step),
      ...parameters.map((variable) => take(m, variable)),
      ...parameters.map((variable) => take(v, variable)),
    ]);
    this.#steps = step;
  }

  async dispose(): Promise<void> {
    this.#machine.dispose();
  }

  #trainingFeed(input: NetworkInput, noise: Float32Array, first = 0): Float32Array[] {
    return this.#feed(this.#network.feeds.training, input, noise, first);
  }

  /** The inputs of a routine, checked. */
  #feed(
    feeds: readonly Feed[],
    input: NetworkInput,
    noise?: Float32Array,
    first = 0,
  ): Float32Array[] {
    const { graph, batch } = this.#network;
    checkInput(graph, { batch, timesteps: this.#timesteps }, input, noise);
    const fed = { ...input, ...(noise && { noise }), step: this.#steps, first };
    return feeds.map(({ values }) => values(fed, this.#random));
  }

  /** The batch norms, once per application. */
  #norms(): string[] {
    return this.#network.graph.nodes.flatMap((node) =>
      node.op === 'norm' && node.layer.kind === 'batchNorm' ? [node.layer.name] : [],
    );
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
export const describeTensorflow = async (eager: boolean): Promise<string> =>
  describe(await loadTensorflow(), eager);

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
